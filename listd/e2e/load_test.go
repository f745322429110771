package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/mail"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// load is a site's size, and what is sent to it.
type load struct {
	lists, members int // all lists together; a tenth of the lists has half of the members
	posts          int // to each list
	largest        int // octets of a post; the sizes are spread evenly on a logarithmic scale
	patience       time.Duration
}

const (
	crowd    = 8       // senders at once, each of whom waits for the last copy before he sends again
	smallest = 2 << 10 // octets of a post
)

// Eight people write to many lists through Postfix, letters of all sizes. Every copy comes once, and the server's memory
// does not grow.
func TestLoadThroughPostfix(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postfix")
	}
	l := load{lists: 10, members: 500, posts: 8, largest: 200 << 10, patience: 2 * time.Minute}
	if os.Getenv("SEALIST_SLOW") == "1" {
		l = load{lists: 50, members: 20000, posts: 8, largest: 2 << 20, patience: 20 * time.Minute}
	}
	var first, last []time.Duration // copies of each post, counted from Postfix's 250
	var octets, copies int
	h := newHouse(t, l)
	memory := watchMemory(t, h.PID())
	began := time.Now()
	var mu sync.Mutex
	var writing sync.WaitGroup
	for writer := range crowd {
		writing.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(writer), 8))
			for range l.posts {
				for n := writer; n < l.lists; n += crowd {
					p := h.post(n, rng)
					if p == nil {
						return
					}
					mu.Lock()
					first, last = append(first, max(0, p.first.Sub(p.sent))), append(last, p.last.Sub(p.sent))
					octets += p.octets
					copies += p.want
					mu.Unlock()
				}
			}
		})
	}
	writing.Wait()
	took := time.Since(began)
	samples := memory()
	h.waitDone(t)
	if len(last) != l.lists*l.posts {
		t.Fatalf("%d of %d posts came to their end:\n%s", len(last), l.lists*l.posts, h.Log()[max(0, len(h.Log())-4000):])
	}
	if n := h.rows(t, `SELECT count(*) || '' FROM item`)[0]; n != strconv.Itoa(l.lists*l.posts) {
		t.Errorf("%s posts of %d", n, l.lists*l.posts)
	}
	if n := h.extra(); n != 0 {
		t.Errorf("%d mails came that are no copy, or came again", n)
	}
	half := len(samples) / 2
	early, late := slices.Max(samples[:half]), slices.Max(samples[half:])
	t.Logf("%d lists, %d members, %d senders: %d posts of %d to %d octets, %d copies, %d MB out, in %v: %.0f copies/s", l.lists, l.members, crowd,
		len(last), smallest, l.largest, copies, octets>>20, took.Round(time.Second), float64(copies)/took.Seconds())
	t.Logf("from Postfix's 250 to the first copy: %s", percentiles(first))
	t.Logf("from Postfix's 250 to the last copy:  %s", percentiles(last))
	t.Logf("resident set: at most %d MB in the first half of the time, %d MB in the second", early>>20, late>>20)
	if late > early*5/4+(32<<20) {
		t.Errorf("the server's memory grows: %d MB, then %d MB", early>>20, late>>20)
	}
}

// house is a server with many lists between a Postfix and a sink.
type house struct {
	*installation
	*database
	postfix *peer.Postfix
	ca      *smimetest.CA
	load    load
	lists   []listOfMany
	mu      sync.Mutex
	under   map[string]*underway // by Message-ID
	others  int                  // mails that are no awaited copy
}

// listOfMany is a list, its key if it has one, and its members; the first writes the posts.
type listOfMany struct {
	address string
	key     *smimetest.Identity
	author  *smimetest.Identity
	members []string
}

// underway is a post whose copies are awaited.
type underway struct {
	want              int
	got               map[string]bool
	octets            int
	sent, first, last time.Time
	done              chan struct{}
}

func newHouse(t *testing.T, l load) *house {
	t.Helper()
	h := &house{under: map[string]*underway{}, ca: smimetest.NewCA("Corp", smimetest.ECP256), load: l}
	sink := peer.StartSink(t, peer.SinkOptions{Head: true, Took: h.took})
	in := "lmtp://" + peer.Loopback(peer.Port(t))
	h.postfix = peer.StartPostfix(t, peer.PostfixOptions{ListURL: in})
	h.installation = install(t, settings{listen: in, relay: "smtp://" + sink.Addr, anchor: h.ca.PEM(),
		more: append(withoutDirectory(), "harvest: { enabled: false }")}, buildPlain)
	h.database = sqliteIn(h.installation)
	h.write("p12_password", []byte("p12 password\n"))
	large := max(1, l.lists/10)
	for n := range l.lists {
		size := l.members / 2 / (l.lists - large)
		if n < large {
			size = l.members / 2 / large
		}
		h.lists = append(h.lists, h.list(n, size))
	}
	h.start()
	return h
}

// list makes one list; of three lists one has no key, and its posts are signed only.
func (h *house) list(n, size int) listOfMany {
	h.t.Helper()
	l := listOfMany{address: fmt.Sprintf("list%d@lists.example.org", n)}
	for m := range size {
		id := h.ca.Issue(fmt.Sprintf("m%d.%d@corp.example", n, m))
		h.writeCertificate(id)
		l.members = append(l.members, id.Address)
		if m == 0 {
			l.author = id
		}
	}
	create := []string{"list", "create", l.address}
	if n%3 != 0 {
		l.key = h.ca.Issue(l.address, smimetest.FreshKey)
		create = append(create, "--p12", h.write("list.p12", l.key.PKCS12("p12 password")), "--password-file", h.path("p12_password"))
	}
	h.must(create...)
	h.must("member", "import", l.address, h.write("members", []byte(strings.Join(l.members, "\n")+"\n")))
	return l
}

// post sends one letter of a random size to a list and waits for its last copy; nil if that does not come.
func (h *house) post(n int, rng *rand.Rand) *underway {
	l := h.lists[n]
	size := smallest * math.Pow(float64(h.load.largest)/smallest, rng.Float64())
	line := strings.Repeat("x", 70) + "\r\n"
	entity := l.author.Sign(smimetest.Text(strings.Repeat(line, 1+int(size)/len(line))))
	if l.key != nil {
		entity = smimetest.Encrypt(entity, l.key)
	}
	id := fmt.Sprintf("<%d.%d@corp.example>", n, rng.Uint64())
	octets := letter{l.author.Address, l.address, "Load", id, entity.Octets()}.octets()
	p := &underway{want: len(l.members), got: map[string]bool{}, done: make(chan struct{})}
	h.mu.Lock()
	h.under[id] = p
	h.mu.Unlock()
	if err := submit(h.postfix.InAddr, l.author.Address, []string{l.address}, octets); err != nil {
		h.t.Errorf("%s: %v", l.address, err)
		return nil
	}
	sent := time.Now()
	select {
	case <-p.done:
		p.sent = sent
		return p
	case <-time.After(h.load.patience):
		h.mu.Lock()
		defer h.mu.Unlock()
		h.t.Errorf("%s: %d of %d copies after %v", l.address, len(p.got), p.want, h.load.patience)
		return nil
	}
}

// took is the sink's Took.
func (h *house) took(m peer.Mail) {
	message, err := mail.ReadMessage(bytes.NewReader(m.Octets))
	h.mu.Lock()
	defer h.mu.Unlock()
	var p *underway
	if err == nil {
		p = h.under[message.Header.Get("Message-ID")]
	}
	if p == nil || len(m.ForwardPaths) != 1 || p.got[m.ForwardPaths[0]] {
		h.others++
		return
	}
	p.got[m.ForwardPaths[0]] = true
	p.octets += m.Size
	if p.last = m.Received; p.first.IsZero() {
		p.first = m.Received
	}
	if len(p.got) == p.want {
		close(p.done)
	}
}

// extra returns how many mails came that are no copy, or a copy that had come before.
func (h *house) extra() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.others
}

// percentiles writes the middle and the slow ends of durations.
func percentiles(all []time.Duration) string {
	all = slices.Sorted(slices.Values(all))
	at := func(percent int) time.Duration { return all[(len(all)-1)*percent/100].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, max %v", at(50), at(90), at(99), at(100))
}

// watchMemory samples the resident set of a process, in octets, until its result is called.
func watchMemory(t *testing.T, pid int) (samples func() []int) {
	t.Helper()
	done, all := make(chan struct{}), make(chan []int)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		var sampled []int
		for {
			n, err := resident(pid)
			if err == nil {
				sampled = append(sampled, n)
			}
			select {
			case <-tick.C:
			case <-done:
				all <- sampled
				return
			}
		}
	}()
	return func() []int { close(done); return <-all }
}

// resident returns the resident set of a process, from /proc.
func resident(pid int) (int, error) {
	octets, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(octets))
	if len(fields) < 2 {
		return 0, errors.New("statm has too few fields")
	}
	pages, err := strconv.Atoi(fields[1])
	return pages * os.Getpagesize(), err
}
