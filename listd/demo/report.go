package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// line is one member's row of the table.
type line struct {
	source, serial, key, cipher, verdict string
	good                                 bool
}

// report opens every copy, prints the table, and says whether all held.
func (w *world) report(ctx context.Context) error {
	deliveries, err := w.deliveries(ctx)
	if err != nil {
		return err
	}
	good := true
	table := tabwriter.NewWriter(w.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nmember\tcertificate from\tserial\tkey\tcipher\tverdict")
	for _, m := range w.cast.members {
		l, err := w.line(m, w.sealist.Resolver.Explain(ctx, m.address(), false, resolver.Allowances{}), deliveries[m.address()])
		if err != nil {
			return err
		}
		good = good && l.good
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", m.name, l.source, l.serial, l.key, l.cipher, l.verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !good {
		w.say("\nSomething above is not as it must be.")
		return ErrFailed
	}
	w.say("\nEvery copy opened with its member's own key and with no other, and Anna's signature verifies over unchanged octets.")
	w.say("Copies and keys are in %s. Open one yourself:\n", w.Dir)
	w.say("  openssl cms -decrypt -in %s -inkey %s -recip %s", w.path("copies", "bruno.eml"), w.path(keyFile("bruno", 0)), w.path(certFile("bruno", 0)))
	w.say("\nand, to check the signature in it as well, add:  | openssl cms -verify -CAfile %s", w.path("ca.pem"))
	return nil
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.Dir}, parts...)...)
}

// deliveries returns the post's rows by address.
func (w *world) deliveries(ctx context.Context) (map[string]store.Delivery, error) {
	all, err := w.sealist.Store.Deliveries(ctx, store.DeliveryFilter{Item: w.item, Kind: store.KindCopy})
	if err != nil {
		return nil, err
	}
	by := map[string]store.Delivery{}
	for _, d := range all {
		by[d.Address.String()] = d
	}
	return by, nil
}

// line judges one member's copy, or its absence.
func (w *world) line(m member, e resolver.Explanation, d store.Delivery) (line, error) {
	l := line{source: e.Source, cipher: d.Cipher}
	var serials []string
	for _, source := range e.Sources {
		for _, c := range source.Certificates {
			if c.Used {
				serials = append(serials, fmt.Sprintf("%.8s…", c.Serial))
				l.key = c.Key
			}
		}
	}
	l.serial = strings.Join(serials, " ")
	copies := w.copies(m)
	if !m.reachable {
		l.good = d.State == store.DeliveryWithheld && len(copies) == 0
		l.verdict = fmt.Sprintf("withheld: %s (%s)", d.Reason, m.story)
		return l, nil
	}
	switch {
	case d.State != store.DeliveryRelayed:
		l.verdict = fmt.Sprintf("not relayed but %s: %s", d.State, d.Reason)
	case len(copies) != 1:
		l.verdict = fmt.Sprintf("%d copies arrived", len(copies))
	default:
		if err := os.MkdirAll(w.path("copies"), 0o700); err != nil {
			return l, err
		}
		if err := os.WriteFile(w.path("copies", m.name+".eml"), copies[0], 0o600); err != nil {
			return l, err
		}
		wrong := w.opens(m, copies[0])
		l.good, l.verdict = wrong == "", wrong
		if l.good {
			l.verdict = "opened, signature good (" + m.story + ")"
		}
	}
	return l, nil
}

// copies returns the sealed messages that reached a member: notices apart.
func (w *world) copies(m member) [][]byte {
	mails, _ := w.sink.received()
	var out [][]byte
	for _, mail := range mails {
		if mail.to == m.address() && bytes.Contains(mail.octets, []byte("smime-type=enveloped-data")) {
			out = append(out, mail.octets)
		}
	}
	return out
}

// opens opens a copy with each of the member's keys, and with somebody else's;
// it says what is wrong, or nothing.
func (w *world) opens(m member, octets []byte) string {
	for _, id := range m.identities {
		msg, err := open(octets, id)
		switch {
		case err != nil:
			return err.Error()
		case msg.Err != nil:
			return "does not open with the member's key"
		case !bytes.Equal(msg.Payload.Octets(), w.signed.Octets()):
			return "opens, but holds other octets than Anna signed"
		}
		author := smime.Authenticate(msg, w.sealist.Trust, smime.Claim{Received: time.Now()})
		if !author.Authenticated || author.Author != w.cast.author().Address {
			return fmt.Sprintf("opens, but the signature is not Anna's: %s", author.Reason)
		}
	}
	for _, other := range w.cast.members {
		if other.name == m.name {
			continue
		}
		for _, id := range other.identities {
			if msg, err := open(octets, id); err != nil || msg.Err == nil {
				return "opens with the key of " + other.name
			}
		}
	}
	return ""
}

// open reads a mail with one key.
func open(octets []byte, id *smimetest.Identity) (*smime.Message, error) {
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return nil, err
	}
	return smime.Open(e, smime.Options{Keys: []cms.Key{id.DecryptKey()}}), nil
}
