package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

const (
	sailors = 20 // members of each list on a voyage
	senders = 2  // mail servers that send posts, each one after another
	abreast = 6  // posts a node on their way at which they wait

	slowCommit = 5 * time.Second // that a result may wait to be written, on a machine that does other things; some 50 ms else
)

// A voyage is one installation whose servers are killed again and again while posts come in.
type voyage struct {
	t        *testing.T
	seed     uint64
	database *database
	sink     *peer.Sink
	book     *logbook
	ca       *smimetest.CA
	board    *smimetest.Identity
	author   *smimetest.Identity
	members  []string
	nodes    []*node

	mu       sync.Mutex
	accepted []string // Message-IDs of posts that heard their 250
	resent   int      // attempts that broke off
}

// node is one server of a voyage.
type node struct {
	*installation
	name string // its HELO name
	addr string // where it takes mail
}

// stroke is one kill: of a node, at a point met for the n-th time or, without a point, or if that is not met in time,
// some time after its start.
type stroke struct {
	node  int
	point crashpoint.Point
	n     int
	after time.Duration
}

func (s stroke) String() string {
	if s.point == "" {
		return fmt.Sprintf("node %d after %v", s.node, s.after)
	}
	return fmt.Sprintf("node %d at %s:%d", s.node, s.point, s.n)
}

// plan draws the kills of a voyage. It depends on the seed only.
func plan(seed uint64, kills, nodes int) []stroke {
	rng := rand.New(rand.NewPCG(seed, 8))
	points := crashpoint.Points()
	strokes := make([]stroke, kills)
	for i := range strokes {
		s := stroke{node: rng.IntN(nodes), after: time.Duration(rng.IntN(700)) * time.Millisecond}
		if rng.IntN(2) == 0 {
			s.point, s.n, s.after = points[i%len(points)], 1+rng.IntN(3), 3*time.Second
			if strings.HasPrefix(string(s.point), "relay.") {
				s.n = 1 + rng.IntN(3*sailors)
			}
		}
		strokes[i] = s
	}
	return strokes
}

// number reads a number of the environment.
func number(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// A server that is killed over and over, at every boundary between two stages and at random, brings every post that it
// took to every member; it repeats only copies whose result was not yet written, each once a kill.
func TestKilledAgainAndAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("kills servers")
	}
	t.Run("sqlite", func(t *testing.T) { sail(t, "sqlite", 1, sqliteIn) })
	t.Run("postgres", func(t *testing.T) { sail(t, "postgres", 1, anew) })
	t.Run("postgres, two nodes", func(t *testing.T) { sail(t, "postgres", 2, anew) })
}

// anew is a database of a cluster that a voyage has to itself.
func anew(i *installation) *database { return postgresIn(peer.StartPostgres(i.t), "sealist") }

// sail kills nodes over one database and counts.
func sail(t *testing.T, database string, nodes int, in func(*installation) *database) {
	if name := os.Getenv("SEALIST_DB"); name != "" && name != database {
		t.Skip("SEALIST_DB names another database")
	}
	usual := uint64(40)
	if os.Getenv("SEALIST_SLOW") == "1" {
		usual = 300
	}
	kills, seed := int(number(t, "SEALIST_KILLS", usual)), number(t, "SEALIST_SEED", rand.Uint64()>>32)
	t.Logf("make crash N=%d SEED=%d DB=%s", kills, seed, database)
	began := time.Now()
	v := embark(t, seed, nodes, in)
	stop := v.send()
	for i, s := range plan(seed, kills, nodes) {
		v.strike(i, s)
	}
	if nodes == 1 {
		v.nodes[0].start() // of several, those that live bring home what the dead one had
	}
	stop()
	v.database.waitDone(t)
	for _, n := range v.nodes {
		n.Stop()
	}

	toll := v.book.count(v.accepted, v.members)
	for i, wrong := range v.book.wrong {
		if i == 20 {
			t.Errorf("and %d more", len(v.book.wrong)-i)
			break
		}
		t.Error(wrong)
	}
	if toll.oldest > slowCommit {
		t.Errorf("a result was not written for %v", toll.oldest)
	}
	if len(v.accepted) < kills/4 {
		t.Errorf("only %d posts were accepted: the kills left no time", len(v.accepted))
	}
	t.Logf("| %s | %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %v | %v |", began.Format(time.DateOnly), database, nodes, kills, seed,
		len(v.accepted), v.resent, toll.copies, toll.lost, toll.duplicates, toll.worst, toll.oldest.Round(time.Millisecond), time.Since(began).Round(time.Second))
}

// embark makes the lists, their members and the nodes, and starts none.
func embark(t *testing.T, seed uint64, nodes int, in func(*installation) *database) *voyage {
	t.Helper()
	v := &voyage{t: t, seed: seed, book: newLogbook(), ca: smimetest.NewCA("Corp")}
	v.sink = peer.StartSink(t, peer.SinkOptions{Took: v.book.took})
	v.board = v.ca.Issue(boardList)
	for i := range sailors {
		v.members = append(v.members, fmt.Sprintf("sailor%d@corp.example", i))
	}
	v.author = v.ca.Issue(v.members[0])
	for i := range nodes {
		n := &node{name: fmt.Sprintf("node%d.example.org", i), addr: peer.Loopback(peer.Port(t))}
		more := append(withoutDirectory(), "harvest: { enabled: false }", "node: "+n.name)
		n.installation = install(t, settings{name: n.name, listen: "smtp://" + n.addr, relay: "smtp://" + v.sink.Addr, anchor: v.ca.PEM(), more: more}, buildCrashing)
		if v.database == nil {
			v.database = in(n.installation)
		}
		n.configure(v.database.setting())
		n.writeCertificate(v.author)
		for _, member := range v.members[1:] {
			n.writeCertificate(v.ca.Issue(member))
		}
		v.nodes = append(v.nodes, n)
	}
	first := v.nodes[0]
	first.createBoard(v.board, v.members...)
	first.must("list", "create", plainList, "--send", "public")
	first.must(append([]string{"member", "add", plainList}, v.members...)...)
	return v
}

// strike starts the node of a stroke, kills it, and notes what the database knew then. The other nodes run meanwhile.
func (v *voyage) strike(i int, s stroke) {
	v.t.Helper()
	for _, n := range v.nodes {
		if n != v.nodes[s.node] && (n.Process == nil || n.Ended()) {
			n.start()
		}
	}
	n := v.nodes[s.node]
	if n.Process != nil {
		n.Stop() // in order, if it runs
	}
	var environment []string
	if s.point != "" {
		environment = append(environment, fmt.Sprintf("SEALIST_CRASH=%s:%d", s.point, s.n))
	}
	n.launch(environment...)
	select {
	case <-n.Done():
	case <-time.After(s.after):
		n.Kill()
	}
	at := time.Now()
	if n.ExitCode() != -1 {
		v.t.Fatalf("kill %d, %v: the server ended by itself, exit %d:\n%s", i, s, n.ExitCode(), n.Log())
	}
	v.sink.WaitGone(n.name)
	v.book.killed(at, v.database.relayed(v.t))
}

// send lets mail servers send posts until stop is called, which returns when each has heard the 250 to what it was at.
func (v *voyage) send() (stop func()) {
	ctx, cancel := context.WithCancel(v.t.Context())
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			rng := rand.New(rand.NewPCG(v.seed, uint64(100+s)))
			for n := 0; v.room(ctx); n++ {
				v.deliver(fmt.Sprintf("%d.%d", s, n), rng)
			}
		})
	}
	return func() { cancel(); sending.Wait() }
}

// room waits until less than abreast posts are on their way; false if ctx ends before.
func (v *voyage) room(ctx context.Context) bool {
	for {
		copies, changed := v.book.distinct()
		v.mu.Lock()
		due := len(v.accepted) * len(v.members)
		v.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		if due-copies < abreast*len(v.nodes)*len(v.members) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// deliver sends one post, to a list with a key or to one without, until a node answers 250.
func (v *voyage) deliver(name string, rng *rand.Rand) {
	l := letter{from: v.author.Address, to: plainList, subject: "Post " + name, id: "<" + name + "@corp.example>"}
	signed := v.author.Sign(smimetest.Text(strings.Repeat("All hands on deck. "+name+"\r\n", 1+rng.IntN(1000))))
	l.entity = signed.Octets()
	if rng.IntN(3) > 0 {
		l.to, l.entity = boardList, smimetest.Encrypt(signed, v.board).Octets()
	}
	octets := l.octets()
	v.book.post(l.subject, l.id)
	for try := rng.IntN(len(v.nodes)); ; try++ {
		err := submit(v.nodes[try%len(v.nodes)].addr, l.from, []string{l.to}, octets)
		if err == nil {
			break
		}
		if c := code(err); c >= 500 {
			v.t.Errorf("%s was refused: %v", l.subject, err)
			return
		}
		v.mu.Lock()
		v.resent++
		v.mu.Unlock()
		time.Sleep(10 * time.Millisecond) // as a mail server backs off, if not for so short
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.accepted = append(v.accepted, l.id)
}
