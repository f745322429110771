// Package bench is the measurement of `listd bench`: one encrypted post to
// many members, from its acceptance to the last result in the database, on the
// machine and the disk where it is run. Everything is real but for the mail
// server behind, which discards, in a process of its own.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// Options of Run.
type Options struct {
	Members int           // of the list; default 1000
	Size    int           // octets of the text; default 10000
	Posts   int           // measured, one after the other; default 5
	Nodes   int           // servers that share the database; more than one need Store
	Store   string        // store.url of an empty PostgreSQL database; "": an SQLite file
	Delay   time.Duration // that the mail server behind takes for its answer to a message
	Sink    []string      // the command line of that mail server, Serve in a process of its own
}

const (
	domain   = "lists.bench.example"
	board    = "board@" + domain
	patience = 5 * time.Minute // for one post
)

// Figures are what one run measured.
type Figures struct {
	Members   int           `json:"members"`
	Octets    int           `json:"octets"` // of the post
	Posts     int           `json:"posts"`
	Nodes     int           `json:"nodes"`
	PerSecond float64       `json:"copies_per_second"`
	First     time.Duration `json:"first_copy"`    // after acceptance, in the mean
	CPU       time.Duration `json:"cpu_per_copy"`  // of this process, with all servers in it
	Bare      time.Duration `json:"bare_rsa"`      // one RSA-2048 encryption
	Resident  int64         `json:"resident_peak"` // octets, of this process
}

// Run measures. It makes a folder for its database and takes it away again.
func Run(ctx context.Context, o Options) (f Figures, err error) {
	setDefault(&o.Members, 1000)
	setDefault(&o.Size, 10_000)
	setDefault(&o.Posts, 5)
	setDefault(&o.Nodes, 1)
	if o.Nodes > 1 && o.Store == "" {
		return f, errors.New("several servers need a PostgreSQL database: name one with --store")
	}
	dir, err := os.MkdirTemp("", "sealist-bench-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{Options: o, dir: dir, ca: smimetest.NewCA("Sealist bench CA")}
	defer w.stop()
	for _, step := range []func(context.Context) error{w.startSink, w.startServers, w.makeList} {
		if err := step(ctx); err != nil {
			return f, err
		}
	}
	return w.measure(ctx)
}

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// world is one run.
type world struct {
	Options
	dir      string
	ca       *smimetest.CA
	key      *smimetest.Identity // of the list
	author   *smimetest.Identity
	relay    string
	servers  []*listd.Sealist
	in       string // where the first server takes mail
	stopping []func()
}

func (w *world) stop() {
	for i := len(w.stopping) - 1; i >= 0; i-- {
		w.stopping[i]()
	}
}

// startSink starts the mail server behind, which says where it listens.
func (w *world) startSink(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, w.Sink[0], append(w.Sink[1:], w.Delay.String())...)
	in, err := cmd.StdinPipe() // it ends when this is closed
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.stopping = append(w.stopping, func() { in.Close(); cmd.Wait() })
	_, err = fmt.Fscanln(out, &w.relay)
	return err
}

func (w *world) startServers(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(w.dir, "ca.pem"), w.ca.PEM(), 0o600); err != nil {
		return err
	}
	for n := range w.Nodes {
		if err := w.startServer(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) startServer(ctx context.Context, n int) error {
	c := config.Default()
	c.DataDir = filepath.Join(w.dir, "data")
	c.Node = fmt.Sprintf("bench%d", n)
	c.Hostname, c.Domains = domain, []string{domain}
	c.SMTP.Listen = []string{"smtp://127.0.0.1:0"}
	c.SMTP.MaxMessageBytes = max(c.SMTP.MaxMessageBytes, 4*int64(w.Size))
	c.Relay.Address, c.Relay.TLS = "smtp://"+w.relay, "none"
	c.Trust.CAFile = filepath.Join(w.dir, "ca.pem")
	c.KeyPasswordFile = filepath.Join(w.dir, "key_password")
	if w.Store != "" {
		c.Store.URL = w.Store
	}
	if err := os.WriteFile(c.KeyPasswordFile, []byte("it ends with the measurement\n"), 0o600); err != nil {
		return err
	}
	c.Complete()
	if err := c.Validate(); err != nil {
		return err
	}
	ready := make(chan string, 1)
	s, err := listd.Open(ctx, c, listd.Options{Log: slog.New(slog.DiscardHandler), KeyIterations: 10_000, Ready: func(urls []string) { ready <- urls[0] }})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(running) }()
	w.stopping = append(w.stopping, func() { cancel(); <-done; s.Close() })
	select {
	case url := <-ready:
		if w.in == "" {
			w.in = strings.TrimPrefix(url, "smtp://")
		}
	case err := <-done:
		done <- nil
		return fmt.Errorf("server %d ended at once: %w", n, err)
	}
	w.servers = append(w.servers, s)
	return nil
}

// makeList makes a list with a key, and a certificate for each member.
func (w *world) makeList(ctx context.Context) error {
	w.key, w.author = w.ca.Issue(board), w.ca.Issue("author@bench.example")
	st := w.servers[0].Store
	id, err := st.CreateList(ctx, list.List{Address: list.MustParseAddress(board), Send: "public"})
	if err != nil {
		return fmt.Errorf("the database must be empty: %w", err)
	}
	bundle, err := keyring.ParsePKCS12(w.key.PKCS12("bench"), "bench")
	if err != nil {
		return err
	}
	if _, err := w.servers[0].Keyring.Install(ctx, id, bundle); err != nil {
		return err
	}
	folder := filepath.Join(w.dir, "data", "X509-user-certs")
	members := make([]list.Member, w.Members)
	for i := range members {
		one := w.ca.Issue(fmt.Sprintf("m%d@bench.example", i))
		members[i] = list.Member{Address: list.MustParseAddress(one.Address)}
		if err := os.WriteFile(filepath.Join(folder, one.Address), one.CertificatePEM(), 0o600); err != nil {
			return err
		}
	}
	_, err = st.AddMembers(ctx, id, members)
	return err
}

// measure sends the posts, one to warm up and then those that count.
func (w *world) measure(ctx context.Context) (Figures, error) {
	f := Figures{Members: w.Members, Posts: w.Posts, Nodes: w.Nodes}
	text := smimetest.Text(string(bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"), max(1, w.Size/64))))
	var took, first time.Duration
	var cpu time.Duration
	for n := range w.Posts + 1 {
		octets := smimetest.Mail(w.author.Address, board, "bench", smimetest.Encrypt(w.author.Sign(text), w.key))
		f.Octets = len(octets)
		before := used()
		all, one, err := w.post(ctx, octets)
		if err != nil {
			return f, err
		}
		if n > 0 {
			took, first, cpu = took+all, first+one, cpu+used()-before
		}
	}
	copies := w.Members * w.Posts
	f.PerSecond, f.First, f.CPU = float64(copies)/took.Seconds(), first/time.Duration(w.Posts), cpu/time.Duration(copies)
	f.Resident = resident() // before the bare operations
	var err error
	f.Bare, err = bare(w.key.Certificate)
	return f, err
}

// post sends one post and waits for the last result.
func (w *world) post(ctx context.Context, octets []byte) (all, first time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	st := w.servers[0].Store
	known, err := st.Items(ctx, store.ItemFilter{})
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := smtp.SendMail(w.in, nil, w.author.Address, []string{board}, octets); err != nil {
		return 0, 0, err
	}
	items, err := st.Items(ctx, store.ItemFilter{})
	if err != nil || len(items) != len(known)+1 {
		return 0, 0, errors.Join(err, fmt.Errorf("%d posts became %d", len(known), len(items)))
	}
	id := items[len(items)-1].ID
	for tick := time.NewTicker(time.Millisecond); ; {
		counts, err := st.CountDeliveries(ctx, id)
		if err != nil {
			return 0, 0, err
		}
		if first == 0 && counts[store.DeliveryRelayed] > 0 {
			first = time.Since(began)
		}
		if counts[store.DeliveryRelayed] >= w.Members {
			return time.Since(began), first, nil
		}
		if bad := counts[store.DeliveryFailed] + counts[store.DeliveryWithheld] + counts[store.DeliveryCancelled]; bad > 0 {
			return 0, 0, fmt.Errorf("%d copies came to nothing", bad)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}
