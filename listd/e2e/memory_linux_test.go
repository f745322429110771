package e2e

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// DESIGN section 8: what listd itself needs for a large post to a large list,
// however many members there are. The large variant needs SEALIST_SLOW=1.
func TestMemoryOfALargePost(t *testing.T) {
	if testing.Short() {
		t.Skip("relays large posts")
	}
	const most = 150e6
	for _, c := range []struct {
		name          string
		members, size int
		slow          bool
	}{
		{"10 MB to 100 members", 100, 10e6, false},
		{"10 MB to 1000 members", 1000, 10e6, true},
		{"10 MB to 10000 members", 10_000, 10e6, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && os.Getenv("SEALIST_SLOW") != "1" {
				t.Skip("SEALIST_SLOW=1 relays to the large lists")
			}
			sink := peer.StartSink(t, peer.SinkOptions{Discard: true})
			h := newHold(t, sink, c.members)
			h.start()
			idle := h.memory().peak
			anna := h.anna
			post := letter{anna.Address, boardList, "A large letter", "<large@x>", smimetest.Encrypt(anna.Sign(smimetest.Text(string(
				bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"), c.size/64)))), h.board).Octets()}
			begun := time.Now()
			if err := submit(h.in, anna.Address, []string{boardList}, post.octets()); err != nil {
				t.Fatal(err)
			}
			taken := h.memory().peak
			for len(sink.Mails()) < c.members {
				if h.Ended() || time.Since(begun) > 10*time.Minute {
					t.Fatalf("%d copies after %s", len(sink.Mails()), time.Since(begun))
				}
				time.Sleep(10 * time.Millisecond) // another process is at work
			}
			m := h.memory()
			t.Logf("%d octets to %d members in %s: resident set %.1f MB at most, %.1f MB once taken, %.1f MB idle, %.1f MB at the end", len(post.octets()), c.members,
				time.Since(begun).Round(10*time.Millisecond), float64(m.peak)/1e6, float64(taken)/1e6, float64(idle)/1e6, float64(m.now)/1e6)
			if m.peak > most {
				t.Errorf("listd's resident set was %.1f MB, want less than %.0f MB", float64(m.peak)/1e6, most/1e6)
			}
		})
	}
}

// newHold is a harbour whose list with a key has many members, who share a few keys.
func newHold(t *testing.T, sink *peer.Sink, members int) *harbour {
	t.Helper()
	h := &harbour{sink: sink, in: peer.Loopback(peer.Port(t)), ca: smimetest.NewCA("Corp")}
	h.anna, h.board = person(h.ca, "anna@corp.example"), person(h.ca, boardList)
	h.installation = install(t, settings{listen: "smtp://" + h.in, relay: "smtp://" + sink.Addr, anchor: h.ca.PEM(),
		more: append(withoutDirectory(), "harvest: { enabled: false }")}, buildPlain)
	h.writeCertificate(h.anna)
	h.createBoard(h.board, h.anna.Address)
	addresses := []string{}
	for n := range members - 1 {
		id := h.ca.Issue(fmt.Sprintf("m%d@corp.example", n))
		h.writeCertificate(id)
		addresses = append(addresses, id.Address)
	}
	for len(addresses) > 0 {
		n := min(2000, len(addresses))
		h.must(append([]string{"member", "add", boardList}, addresses[:n]...)...)
		addresses = addresses[n:]
	}
	return h
}

// memoryUse is a process's resident set, in octets.
type memoryUse struct{ now, peak int64 }

var inStatus = regexp.MustCompile(`(?m)^(VmHWM|VmRSS):\s+(\d+) kB$`)

func (i *installation) memory() (r memoryUse) {
	i.t.Helper()
	octets, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.PID()))
	if err != nil {
		i.t.Fatal(err)
	}
	for _, m := range inStatus.FindAllSubmatch(octets, -1) {
		kb, _ := strconv.ParseInt(string(m[2]), 10, 64)
		if string(m[1]) == "VmRSS" {
			r.now = kb * 1024
		} else {
			r.peak = kb * 1024
		}
	}
	return r
}
