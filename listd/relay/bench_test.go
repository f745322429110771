package relay_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/sealist/sealist/listd/relay"
)

// discard is a sink that does as little as an SMTP server can.
func discard(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go discardAll(c)
		}
	}()
	return l.Addr().String()
}

func discardAll(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReaderSize(c, 256<<10), bufio.NewWriter(c)
	out.WriteString("220 sink\r\n")
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch line[0] {
		case 'E':
			out.WriteString("250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
		case 'D':
			out.WriteString("354 go\r\n")
			out.Flush()
			if !discardMessage(in) {
				return
			}
			out.WriteString("250 2.0.0 taken\r\n")
		case 'Q':
			return
		default:
			out.WriteString("250 2.0.0 ok\r\n")
		}
	}
}

var endOfData = []byte("\r\n.\r\n")

// discardMessage skips to the end of the data, looking at what is buffered in
// one go.
func discardMessage(in *bufio.Reader) bool {
	for {
		if _, err := in.Peek(len(endOfData)); err != nil {
			return false
		}
		have, _ := in.Peek(in.Buffered())
		if i := bytes.Index(have, endOfData); i >= 0 {
			in.Discard(i + len(endOfData))
			return true
		}
		in.Discard(len(have) - len(endOfData) + 1)
	}
}

var benchSizes = []struct {
	name   string
	octets int
}{{"10KB", 10_000}, {"1MB", 1_000_000}}

// copyParts is a copy as sealing makes it: a head of its own, a shared tail.
func copyParts(size int) (head, tail []byte) {
	head = []byte("From: a@example.org\r\nSubject: ...\r\n\r\n" + strings.Repeat(strings.Repeat("h", 76)+"\r\n", 8))
	return head, bytes.Repeat([]byte(strings.Repeat("t", 76)+"\r\n"), (size-len(head))/78)
}

// BenchmarkRelay: copies a second over one connection to a sink that discards.
func BenchmarkRelay(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			r := dialRelay(b, relay.Config{URL: "smtp://" + discard(b), TLS: relay.TLSNone, MaxTransactions: 1 << 30})
			head, tail := copyParts(size.octets)
			shared, err := relay.NewSegment(tail)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(head) + len(tail)))
			b.ReportAllocs()
			n := 0
			err = r.Send(b.Context(), func() (relay.Transaction, bool) {
				if n == b.N {
					return relay.Transaction{}, false
				}
				n++
				own, err := relay.NewSegment(head)
				if err != nil {
					b.Fatal(err)
				}
				return relay.Transaction{ReversePath: "list-owner@lists.example.org", ForwardPath: "member@example.org", Body: []relay.Segment{own, shared}}, true
			}, func(_ relay.Transaction, res relay.Result) {
				if res.Class != relay.Relayed {
					b.Fatal(summary(res))
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "copies/s")
		})
	}
}

// BenchmarkGoSMTPClient is the same work done by go-smtp's client.
func BenchmarkGoSMTPClient(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			c, err := smtp.Dial(discard(b))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			head, tail := copyParts(size.octets)
			b.SetBytes(int64(len(head) + len(tail)))
			b.ReportAllocs()
			for range b.N {
				if err := one(c, head, tail); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "copies/s")
		})
	}
}

func one(c *smtp.Client, parts ...[]byte) error {
	if err := c.Mail("list-owner@lists.example.org", nil); err != nil {
		return err
	}
	if err := c.Rcpt("member@example.org", nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := io.Copy(w, bytes.NewReader(p)); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	return w.Close()
}
