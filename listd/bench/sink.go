package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Serve is a mail server that takes and discards everything, each message after
// a delay. It writes to out where it listens, and ends when in does.
func Serve(in io.Reader, out io.Writer, delay time.Duration) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go session(conn, delay)
		}
	}()
	_, err = io.Copy(io.Discard, in)
	l.Close()
	return err
}

// session speaks as much SMTP as the relay of a list server needs.
func session(conn net.Conn, delay time.Duration) {
	defer conn.Close()
	r, w := bufio.NewReaderSize(conn, 1<<16), bufio.NewWriter(conn)
	w.WriteString("220 bench ESMTP\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch verb {
		case "EHLO", "HELO":
			w.WriteString("250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE\r\n")
		case "DATA":
			w.WriteString("354 go on\r\n")
			if w.Flush() != nil || !discard(r) {
				return
			}
			if delay > 0 {
				time.Sleep(delay) // it plays a slow server
			}
			w.WriteString("250 2.0.0 discarded\r\n")
		case "QUIT":
			w.WriteString("221 2.0.0 bye\r\n")
			w.Flush()
			return
		default:
			w.WriteString("250 2.0.0 ok\r\n")
		}
	}
}

// discard reads a message up to the line with a dot alone.
func discard(r *bufio.Reader) bool {
	for start := true; ; {
		line, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		if start && bytes.Equal(line, []byte(".\r\n")) {
			return true
		}
		start = err == nil
	}
}
