package smtpd_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
)

type closeWriter interface{ CloseWrite() error }

// counting is a spool that takes everything and looks at it.
type counting struct {
	taken atomic.Int64
	bad   atomic.Pointer[string]
}

func (s *counting) List(_ context.Context, a list.Address) (list.List, error) {
	return list.List{ID: list.ID(len(a.String())), Address: a, State: list.Open}, nil
}

func (s *counting) Accept(_ context.Context, in store.Incoming) ([]string, error) {
	s.taken.Add(1)
	rest := bytes.ReplaceAll(in.Octets, []byte("\r\n"), nil)
	if len(in.Targets) == 0 || bytes.ContainsAny(rest, "\r\n\x00") || len(in.Octets) > 0 && !bytes.HasSuffix(in.Octets, []byte("\r\n")) || len(in.Octets) > 10_000 {
		why := fmt.Sprintf("taken: %q for %v", in.Octets, in.Targets)
		s.bad.Store(&why)
	}
	return make([]string, len(in.Targets)), nil
}

// FuzzDialogue throws octets at the server: it never hangs, never panics, and
// says "queued" exactly as often as the spool took something, which always had
// a recipient and octets that may be kept (invariant 6).
func FuzzDialogue(f *testing.F) {
	for _, s := range []string{
		"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<t@lists.example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<t@lists.example.org>\r\nBDAT 2\r\nx\rBDAT 1 LAST\r\n\nRSET\r\n",
		"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<t-owner@lists.example.org>\r\nDATA\r\n\r\n.\n.\r\n\r\n.\r\nDATA\r\n",
		"EHLO x\r\nMAIL FROM:<a@b> SIZE=99999\r\nBDAT 5\r\nEHLO y\r\nRCPT TO:<t@lists.example.org>\r\nBDAT 0 LAST\r\n",
		"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<t@lists.example.org>\r\nBDAT 3\r\nabcRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@lists.example.org>\r\nDATA\r\n.\r\n",
	} {
		f.Add([]byte(s))
	}
	spool := &counting{}
	w := serve(f, smtpd.Config{MaxMessageBytes: 10_000, TrustedNetworks: []string{"127.0.0.0/8"}, MaxConnections: 1000}, spool, false)
	f.Fuzz(func(t *testing.T, octets []byte) {
		if len(octets) > 20_000 {
			t.Skip()
		}
		before := spool.taken.Load()
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := use(t, conn)
		go func() {
			c.conn.Write(octets)
			c.conn.(closeWriter).CloseWrite()
		}()
		queued := int64(0)
		for {
			r := c.reply()
			if strings.HasPrefix(r, "250 2.0.0 queued as ") {
				queued++
			}
			if strings.Contains(r, "!EOF") {
				break
			}
			if strings.Contains(r, "!") && strings.Contains(r, "timeout") {
				t.Fatalf("hangs: %q", r)
			}
			if strings.HasPrefix(r, "!") {
				break // reset: the server closed before it had read all
			}
		}
		c.conn.Close()
		if taken := spool.taken.Load() - before; taken < queued {
			t.Fatalf("%d queued, %d taken", queued, taken)
		}
		if bad := spool.bad.Load(); bad != nil {
			t.Fatal(*bad)
		}
	})
}
