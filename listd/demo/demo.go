// Package demo is the throw-away world of `listd demo`: a certification
// authority, an LDAP directory, a mail server that takes the copies, a list
// with eight members, and one encrypted post. Everything is real but small: the
// post goes in by SMTP, certificates are looked up over LDAP, copies come out
// by SMTP, and each is opened with its member's key.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// Options of Run.
type Options struct {
	Out io.Writer    // where the story is told
	Dir string       // folder to leave copies and keys in; "": a new one under the system's temporary folder
	Log *slog.Logger // the server's log; nil: discarded
}

// ErrFailed says that the demo ran and did not hold what it promises.
var ErrFailed = errors.New("the demo did not go as it must")

// patience is how long a step of the demo may take.
const patience = 30 * time.Second

// Run plays the demo. It returns nil only if every copy that had to arrive
// arrived, opened with its member's key and held the author's signature over
// unchanged octets, and nobody else got one; ErrFailed if not.
func Run(ctx context.Context, o Options) error {
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "sealist-demo-")
		if err != nil {
			return err
		}
		o.Dir = dir
	}
	w := &world{Options: o}
	defer w.stop()
	for _, step := range []struct {
		say string
		do  func(context.Context) error
	}{
		{"Making a certification authority, a list key and the keys of eight members", w.makeCast},
		{"Starting an LDAP directory and a mail server on loopback", w.startServers},
		{"Starting the list server", w.startServer},
		{"Creating the lists " + boardList + " and " + helloList, w.makeLists},
		{"Carla says hello with a signed mail; her certificate is learnt from it", w.sayHello},
		{"Anna posts to " + boardList + ", signed and then encrypted to the list", w.post},
	} {
		w.say("%s", step.say)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.say, err)
		}
	}
	if err := w.watch(ctx); err != nil {
		return err
	}
	return w.report(ctx)
}

// world is one run of the demo.
type world struct {
	Options
	cast      *cast
	directory *directory
	sink      *sink
	sealist   *listd.Sealist
	smtp      string // where the list server listens
	signed    *entity.Entity
	item      string // the post's place in the spool
	stopping  []func()
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(w.Out, format+"\n", args...) }

// stop ends everything, the last started first.
func (w *world) stop() {
	for i := len(w.stopping) - 1; i >= 0; i-- {
		w.stopping[i]()
	}
}

func (w *world) makeCast(context.Context) error {
	var err error
	if w.cast, err = newCast(time.Now()); err != nil {
		return err
	}
	return w.cast.writeFiles(w.Dir, filepath.Join("data", "X509-user-certs"))
}

func (w *world) startServers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	if w.directory, err = startDirectory(ctx, w.cast.people); err != nil {
		return err
	}
	w.stopping = append(w.stopping, func() { _ = w.directory.stop() })
	if w.sink, err = startSink(); err != nil {
		return err
	}
	w.stopping = append(w.stopping, func() { _ = w.sink.stop() })
	return nil
}

// config is what an administrator would have written.
func (w *world) config() (*config.Config, error) {
	c := config.Default()
	c.DataDir = filepath.Join(w.Dir, "data")
	c.Hostname = listDomain
	c.Domains = []string{listDomain}
	c.SMTP.Listen = []string{"smtp://127.0.0.1:0"}
	c.Relay.Address = "smtp://" + w.sink.addr
	c.Relay.TLS = "none"
	c.Trust.CAFile = filepath.Join(w.Dir, "ca.pem")
	c.KeyPasswordFile = filepath.Join(w.Dir, "key_password")
	c.Directories = []config.Directory{{
		Name: "corp", Preset: "openldap", URLs: []string{w.directory.URL}, BaseDN: baseDN, Timeout: config.Duration(5 * time.Second),
	}}
	if err := os.WriteFile(c.KeyPasswordFile, []byte("this world ends with the demo\n"), 0o600); err != nil {
		return nil, err
	}
	c.Complete()
	return c, c.Validate()
}

func (w *world) startServer(ctx context.Context) error {
	c, err := w.config()
	if err != nil {
		return err
	}
	ready, failed := make(chan string, 1), make(chan error, 1)
	w.sealist, err = listd.Open(ctx, c, listd.Options{
		Log: w.Log, KeyIterations: 10_000, Ready: func(urls []string) { ready <- urls[0] },
	})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed <- w.sealist.Run(running)
	}()
	w.stopping = append(w.stopping, func() {
		cancel()
		<-done
		_ = w.sealist.Close()
	})
	select {
	case url := <-ready:
		w.smtp = strings.TrimPrefix(url, "smtp://")
		return nil
	case err := <-failed:
		return fmt.Errorf("it ended at once: %w", err)
	case <-time.After(patience):
		return errors.New("it does not listen")
	}
}

func (w *world) makeLists(ctx context.Context) error {
	bundle, err := keyring.ParsePKCS12(w.cast.list.PKCS12("demo"), "demo")
	if err != nil {
		return err
	}
	board, err := w.makeList(ctx, boardList, w.cast.members...)
	if err != nil {
		return err
	}
	if _, err := w.sealist.Keyring.Install(ctx, board, bundle); err != nil {
		return err
	}
	_, err = w.makeList(ctx, helloList, w.cast.members[2])
	return err
}

func (w *world) makeList(ctx context.Context, address string, members ...member) (list.ID, error) {
	a, err := list.ParseAddress(address)
	if err != nil {
		return 0, err
	}
	id, err := w.sealist.Store.CreateList(ctx, list.List{Address: a})
	if err != nil {
		return 0, err
	}
	var rows []list.Member
	for _, m := range members {
		a, err := list.ParseAddress(m.address())
		if err != nil {
			return 0, err
		}
		rows = append(rows, list.Member{Address: a, Role: list.RoleMember})
	}
	_, err = w.sealist.Store.AddMembers(ctx, id, rows)
	return id, err
}

// sayHello sends Carla's signed mail and waits until her certificate is known.
func (w *world) sayHello(ctx context.Context) error {
	carla := w.cast.members[2]
	signed := carla.identities[0].Sign(smimetest.Text("Hello, this is my certificate.\r\n"))
	if err := w.send(carla.address(), helloList, smimetest.Mail(carla.address(), helloList, "Hello", signed)); err != nil {
		return err
	}
	_, err := w.finished(ctx, helloList, nil)
	return err
}

// post sends Anna's message: signed, then encrypted to the list.
func (w *world) post(context.Context) error {
	anna := w.cast.author()
	text := smimetest.Text("Dear board,\r\n\r\nthe figures are attached to the minutes: we are well.\r\n\r\nAnna\r\n")
	w.signed = anna.Sign(text)
	encrypted := smimetest.Encrypt(w.signed, w.cast.list)
	return w.send(anna.Address, boardList, smimetest.Mail(anna.Address, boardList, "Minutes", encrypted))
}

// send hands a message to the list server over SMTP.
func (w *world) send(from, to string, octets []byte) error {
	return smtp.SendMail(w.smtp, nil, from, []string{to}, octets)
}

// watch follows the post until every copy has its end, with a live line.
func (w *world) watch(ctx context.Context) error {
	start := time.Now()
	item, err := w.finished(ctx, boardList, func(counts map[store.DeliveryState]int) {
		w.progress(counts, time.Since(start))
	})
	fmt.Fprintln(w.Out)
	w.item = item.ID
	return err
}

// progress writes over its own line.
func (w *world) progress(counts map[store.DeliveryState]int, took time.Duration) {
	fmt.Fprintf(w.Out, "\r  %d relayed, %d withheld, %d waiting  (%d ms) ", counts[store.DeliveryRelayed], counts[store.DeliveryWithheld],
		counts[store.DeliveryQueued]+counts[store.DeliveryDelayed], took.Milliseconds())
}

// finished waits until the only post of a list is done and its mail has
// arrived, and returns it.
func (w *world) finished(ctx context.Context, address string, look func(map[store.DeliveryState]int)) (store.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, err := list.ParseAddress(address)
	if err != nil {
		return store.Item{}, err
	}
	l, err := w.sealist.Store.List(ctx, a)
	if err != nil {
		return store.Item{}, err
	}
	for {
		items, err := w.sealist.Store.Items(ctx, store.ItemFilter{List: l.ID, Limit: 1})
		if err != nil {
			return store.Item{}, err
		}
		if len(items) == 1 {
			item := items[0]
			counts, err := w.sealist.Store.CountDeliveries(ctx, item.ID)
			if err != nil {
				return item, err
			}
			if look != nil {
				look(counts)
			}
			switch item.State {
			case store.ItemDone:
				return item, nil
			case store.ItemRejected, store.ItemQuarantined:
				return item, fmt.Errorf("%w: the post to %s was %s: %s (%s)", ErrFailed, address, item.State, item.Reason, item.Detail)
			}
		}
		_, arrived := w.sink.received()
		select {
		case <-arrived:
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return store.Item{}, fmt.Errorf("%w: the post to %s is not done after %s", ErrFailed, address, patience)
		}
	}
}
