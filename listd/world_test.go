package listd_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

const (
	secretList = "secret@lists.example.org" // has a key, private_smime
	openList   = "open@lists.example.org"   // has a key, public
	plainList  = "plain@lists.example.org"  // no key, private_smime
	wallList   = "wall@lists.example.org"   // no key, public
)

// world is a server in this process with four lists, three members whose
// certificates lie in the PEM folder, and a sink as the next hop.
type world struct {
	t       testing.TB
	dir     string
	config  *config.Config
	ca      *smimetest.CA
	people  map[string]*smimetest.Identity // alice, bob, carol are members; mallory has a certificate and is not
	keys    map[string]*smimetest.Identity // of lists
	sink    *peer.Sink
	sealist *listd.Sealist
	ready   chan string
	addr    string
	stop    func()

	manual bool           // tasks run by hand only
	dns    distribute.TXT // nil: the system
	ahead  atomic.Int64   // nanoseconds that the server's clock is ahead
	clock  func()         // called when the clock is read; to be set before the server starts

	mu  sync.Mutex
	log strings.Builder
}

// now is the server's clock.
func (w *world) now() time.Time {
	if w.clock != nil {
		w.clock()
	}
	return time.Now().Add(time.Duration(w.ahead.Load()))
}

// Write implements io.Writer for the server's log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, dir: t.TempDir(), ca: smimetest.NewCA("Example CA"), sink: peer.StartSink(t, peer.SinkOptions{}),
		people: map[string]*smimetest.Identity{}, keys: map[string]*smimetest.Identity{}, ready: make(chan string, 1),
	}
	for _, name := range []string{"alice", "bob", "carol", "mallory"} {
		w.people[name] = w.ca.Issue(name + "@example.org")
	}
	c := config.Default()
	c.DataDir = filepath.Join(w.dir, "data")
	if url := peer.Database(t); strings.HasPrefix(url, "postgres:") {
		c.Store.URL = url
	}
	c.Hostname = "lists.example.org"
	c.Domains = []string{"lists.example.org"}
	c.SMTP.Listen = []string{"smtp://127.0.0.1:0"}
	c.Relay.Address, c.Relay.TLS = w.sink.URL, "none"
	c.Trust.CAFile = w.file("ca.pem", w.ca.PEM())
	c.KeyPasswordFile = w.file("key_password", []byte("a key password for tests\n"))
	c.Queue.RetryMin = config.Duration(time.Second)
	c.Complete()
	w.config = c
	for _, name := range []string{"alice", "bob", "carol"} {
		w.file(filepath.Join("data", "X509-user-certs", name+"@example.org"), w.people[name].CertificatePEM())
	}
	w.open()
	for address, send := range map[string]string{secretList: "private_smime", openList: "public", plainList: "private_smime", wallList: "public"} {
		id, err := w.sealist.Store.CreateList(t.Context(), list.List{Address: list.MustParseAddress(address), Send: send})
		w.must(err)
		var members []list.Member
		for _, name := range []string{"alice", "bob", "carol"} {
			members = append(members, list.Member{Address: list.MustParseAddress(name + "@example.org"), Role: list.RoleMember})
		}
		_, err = w.sealist.Store.AddMembers(t.Context(), id, members)
		w.must(err)
		if address == secretList || address == openList {
			w.keys[address] = w.ca.Issue(address)
			b, err := keyring.ParsePKCS12(w.keys[address].PKCS12("x"), "x")
			w.must(err)
			_, err = w.sealist.Keyring.Install(t.Context(), id, b)
			w.must(err)
		}
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// file writes a file under the world's folder.
func (w *world) file(name string, octets []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	w.must(os.WriteFile(path, octets, 0o600))
	return path
}

// open opens the server without starting it.
func (w *world) open() {
	w.t.Helper()
	s, err := listd.Open(w.t.Context(), w.config, listd.Options{
		Log: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})), KeyIterations: 1000, Clock: w.now, DNS: w.dns, ManualTasks: w.manual, FreshMetrics: true,
		Ready: func(urls []string) { w.ready <- strings.TrimPrefix(urls[0], "smtp://") },
	})
	w.must(err)
	w.sealist = s
	w.stop = func() {}
	w.t.Cleanup(func() { w.stop() })
}

// byHand opens the server anew so that tasks run by hand only.
func (w *world) byHand() *world {
	w.t.Helper()
	w.must(w.sealist.Close())
	w.manual = true
	w.open()
	return w
}

// start runs the server until stop.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := w.sealist
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("Run: %v", err)
			}
			if err := s.Close(); err != nil {
				w.t.Errorf("Close: %v", err)
			}
		})
	}
	select {
	case w.addr = <-w.ready:
	case err := <-done:
		w.t.Fatalf("Run ended: %v", err)
	}
}

// until waits for a condition that another goroutine brings about.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited too long until %s\n%s", what, w.logged())
		}
	}
}

// send posts octets and returns the spool item they became.
func (w *world) send(from, to string, octets []byte) store.Item {
	w.t.Helper()
	before := w.items()
	w.must(smtp.SendMail(w.addr, nil, from, []string{to}, octets))
	after := w.items()
	if len(after) != len(before)+1 {
		w.t.Fatalf("%d items became %d", len(before), len(after))
	}
	return after[len(after)-1]
}

func (w *world) items() []store.Item {
	w.t.Helper()
	items, err := w.sealist.Store.Items(w.t.Context(), store.ItemFilter{})
	w.must(err)
	return items
}

// settled waits until nothing more happens with an item, and returns it with
// its deliveries.
func (w *world) settled(item store.Item) (store.Item, []store.Delivery) {
	w.t.Helper()
	var deliveries []store.Delivery
	w.until(fmt.Sprintf("item %s is settled", item.ID), func() bool {
		var err error
		item, err = w.sealist.Store.Item(w.t.Context(), item.ID)
		w.must(err)
		deliveries, err = w.sealist.Store.Deliveries(w.t.Context(), store.DeliveryFilter{Item: item.ID})
		w.must(err)
		for _, d := range deliveries {
			if !d.State.Finished() {
				return false
			}
		}
		return item.State != store.ItemAccepted && item.State != store.ItemDistributing
	})
	return item, deliveries
}

// copies are the mails to a member that are no notices.
func (w *world) copies(name string) []peer.Mail {
	var out []peer.Mail
	for _, m := range w.sink.To(name + "@example.org") {
		if m.ReversePath != "" {
			out = append(out, m)
		}
	}
	return out
}

// mail is a whole message of an entity.
func mail(from, to string, e *entity.Entity) []byte {
	return smimetest.Mail(from, to, "a subject", e)
}

// robotKey gives the robot of the lists' domain a key pair.
func (w *world) robotKey() {
	w.t.Helper()
	const address = "sealist@lists.example.org"
	r, err := w.sealist.Store.EnsureRobot(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	w.keys[address] = w.ca.Issue(address)
	b, err := keyring.ParsePKCS12(w.keys[address].PKCS12("x"), "x")
	w.must(err)
	_, err = w.sealist.Keyring.Install(w.t.Context(), r.ID, b)
	w.must(err)
}
