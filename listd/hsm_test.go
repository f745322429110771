//go:build pkcs11

package listd_test

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestHSM: a list whose key is on a token, imported as a listmaster does it. What
// is encrypted to it comes through, its notices are signed; while the token is
// away its mail waits and other lists' does not, and all goes on by itself when
// it is back.
func TestHSM(t *testing.T) {
	token := peer.SoftHSM(t)
	w := newWorld(t)
	w.must(w.sealist.Close())
	w.manual = true
	w.config.PKCS11.Module, w.config.PKCS11.PINFile = token.Module, w.file("pin", []byte(token.PIN+"\n"))
	w.config.Queue.RetryMax = w.config.Queue.RetryMin
	w.open()
	a := admin.New(admin.Parts{Store: w.sealist.Store, Keyring: w.sealist.Keyring, Actor: "a test"})
	for address, kind := range map[string]smimetest.Option{plainList: smimetest.FreshKey, wallList: smimetest.ECP256} {
		id := w.ca.Issue(address, kind)
		label, _, _ := strings.Cut(address, "@")
		token.Import(label, "01", id.KeyPEM())
		k, _, err := a.ImportKey(t.Context(), address, admin.KeyImport{
			P12: admin.P12{Name: "cert.pem", Octets: id.CertificatePEM()}, PKCS11: "pkcs11:token=" + url.PathEscape(token.Label) + ";object=" + label})
		w.must(err)
		if !strings.HasPrefix(k.PKCS11, "pkcs11:") {
			t.Errorf("%+v", k)
		}
		w.keys[address] = id
	}
	w.start()
	alice := w.people["alice"]
	post := func(to string) store.Item {
		return w.send(alice.Address, to, mail(alice.Address, to, smimetest.Encrypt(alice.Sign(text), w.keys[to])))
	}
	for _, address := range []string{plainList, wallList} {
		before := len(w.copies("bob"))
		if item, _ := w.settled(post(address)); item.State != store.ItemDone {
			t.Errorf("%s: %s %s", address, item.State, item.Reason)
		}
		if n := len(w.copies("bob")); n != before+1 {
			t.Errorf("%s: %d copies", address, n-before)
		}
	}
	signedBy := func(address string, from int) {
		t.Helper()
		_, err := w.sealist.Store.QueueNotices(t.Context(), []store.Notice{w.example(address, "carol@example.org")})
		w.must(err)
		w.until("a notice comes", func() bool { return len(w.sink.To("carol@example.org")) > from })
		m := smime.Open(parse(t, w.sink.To("carol@example.org")[from].Octets), smime.Options{Keys: []cms.Key{w.people["carol"].DecryptKey()}})
		if a := smime.Authenticate(m, w.sealist.Trust, smime.Claim{Received: w.now(), MaxSigningAge: 48 * time.Hour}); !a.Authenticated || a.Author != address {
			t.Errorf("%s: %s by %q", address, a.Reason, a.Author)
		}
	}
	signedBy(plainList, len(w.sink.To("carol@example.org")))
	signedBy(wallList, len(w.sink.To("carol@example.org")))

	w.must(os.Rename(token.Dir, token.Dir+".away"))
	waits := []store.Item{post(plainList), post(wallList)}
	for _, i := range waits {
		w.until("it waits", func() bool {
			item, err := w.sealist.Store.Item(t.Context(), i.ID)
			w.must(err)
			return item.State == store.ItemAccepted && strings.HasPrefix(item.Reason, "locked: ")
		})
	}
	if item, _ := w.settled(post(secretList)); item.State != store.ItemDone {
		t.Errorf("another list: %s %s", item.State, item.Reason)
	}
	from := len(w.sink.To("carol@example.org"))
	_, err := w.sealist.Store.QueueNotices(t.Context(), []store.Notice{w.example(plainList, "carol@example.org")})
	w.must(err)
	w.until("the notice waits", func() bool {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDelayed})
		w.must(err)
		return len(all) == 1 && strings.Contains(all[0].Reason, "signing: locked")
	})

	w.must(os.Rename(token.Dir+".away", token.Dir))
	w.ahead.Add(int64(time.Hour))
	for _, i := range waits {
		if item, _ := w.settled(i); item.State != store.ItemDone {
			t.Errorf("the token is back: %s %s", item.State, item.Reason)
		}
	}
	w.until("the notice comes", func() bool {
		for _, m := range w.sink.To("carol@example.org")[from:] {
			if strings.Contains(string(m.Octets), "From: <"+plainList+">") {
				return true
			}
		}
		return false
	})
	if s := w.logged(); strings.Contains(s, marker) || strings.Contains(s, token.PIN+"\n") {
		t.Error("the log has what was encrypted, or the PIN")
	}
}

// example is a notice of a list.
func (w *world) example(address, to string) store.Notice {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	_, nt, ok := w.sealist.Notices.Example(notice.Welcome, l, list.MustParseAddress(to))
	if !ok {
		w.t.Fatal("there is no such notice")
	}
	nt.List = l.ID
	return nt
}
