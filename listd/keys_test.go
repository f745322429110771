package listd_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// certificates are those attached to a mail: alone, and with their chains.
func (w *world) certificates(m peer.Mail) (alone [][]byte, bundles []*pkcs7.PKCS7) {
	w.t.Helper()
	e := unsigned(w.t, parse(w.t, m.Octets))
	if typ, _ := e.MediaType(); typ != "multipart/mixed" {
		return nil, nil
	}
	parts, err := e.Parts()
	w.must(err)
	for _, p := range parts.Parts {
		octets, err := p.Decoded()
		w.must(err)
		switch typ, params := p.MediaType(); {
		case typ == "application/pkix-cert":
			alone = append(alone, octets)
		case typ == "application/pkcs7-mime" && params["smime-type"] == "certs-only":
			bundle, err := pkcs7.Parse(octets)
			w.must(err)
			bundles = append(bundles, bundle)
		}
	}
	return alone, bundles
}

// The list's certificate goes by mail to whoever may know of the list.
func TestGetCertificate(t *testing.T) {
	w := newWorld(t)
	w.robotKey()
	w.set(secretList, "visibility", "conceal")
	w.set(wallList, "visibility", "noconceal")
	w.start()
	alice := w.people["alice"]
	for asked, want := range map[string]string{
		"get secret certificate": secretList, "GET open@lists.example.org Certificate": openList, "get certificate": robot,
	} {
		before := len(w.sink.Mails())
		got := w.say(alice.Address, robot, command(alice.Address, robot, asked+"\n", alice))
		id := w.keys[want]
		has(t, asked, got, "The certificate of "+want+" is attached", admin.InPairs(trust.Fingerprint(id.Certificate)))
		alone, bundles := w.certificates(w.answer(before))
		if len(alone) != 1 || !bytes.Equal(alone[0], id.Certificate.Raw) || len(bundles) != 1 || len(bundles[0].Certificates) != 2 || !bundles[0].Certificates[0].Equal(id.Certificate) {
			t.Errorf("%s: %d certificates, %d bundles", asked, len(alone), len(bundles))
		}
	}
	mallory := w.people["mallory"]
	for asked, want := range map[string]string{"get secret certificate": "no list secret", "get wall certificate": "no certificate to encrypt to"} {
		before := len(w.sink.Mails())
		has(t, asked, w.say(mallory.Address, robot, command(mallory.Address, robot, asked+"\n", mallory)), want)
		if alone, _ := w.certificates(w.answer(before)); len(alone) != 0 {
			t.Errorf("%s: a certificate came", asked)
		}
	}
	has(t, "info", w.say(alice.Address, robot, command(alice.Address, robot, "info secret\n", alice)), admin.InPairs(trust.Fingerprint(w.keys[secretList].Certificate)))
}

// answer is the report on commands among the mails after the first so many.
func (w *world) answer(before int) peer.Mail {
	w.t.Helper()
	for _, m := range w.sink.Mails()[before:] {
		if parse(w.t, m.Octets).Header().Get("Subject") == "Your commands" {
			return m
		}
	}
	w.t.Fatal("nothing was answered")
	return peer.Mail{}
}

// A rollover while the server runs: members are told and get the certificate,
// posts to either are distributed until the old one's day, and then to the new.
func TestRolloverOfARunningServer(t *testing.T) {
	w := newWorld(t).byHand()
	w.start()
	alice := w.people["alice"]
	tool := admin.New(admin.Parts{Store: w.sealist.Store, Keyring: w.sealist.Keyring, Robot: "sealist", Clock: w.now})
	old, next := w.keys[secretList], w.ca.Issue(secretList, smimetest.FreshKey)
	post := func(to *smimetest.Identity) store.Item {
		t.Helper()
		item, _ := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(smimetest.Text("x\r\n")), to))))
		return item
	}
	distributed := func(when string, to *smimetest.Identity, want store.ItemState) {
		t.Helper()
		if item := post(to); item.State != want {
			t.Errorf("%s: %s (%s), want %s", when, item.State, item.Reason, want)
		}
	}
	distributed("before", old, store.ItemDone)
	_, _, err := tool.ImportKey(t.Context(), secretList, admin.KeyImport{P12: admin.P12{Name: "next", Octets: next.PKCS12("x"), Password: []byte("x")}, Staged: true})
	w.must(err)
	distributed("staged, to the old one", old, store.ItemDone)
	distributed("staged, to the next", next, store.ItemDone) // somebody had it from the CA

	before := len(w.sink.Mails())
	_, told, err := tool.ActivateKey(t.Context(), secretList, trust.Fingerprint(next.Certificate), w.now().AddDate(0, 0, 30))
	if err != nil || told != 3 {
		t.Fatal(told, err)
	}
	w.until("everybody is told", func() bool { return len(w.sink.Mails()) == before+3 })
	for _, m := range w.sink.Mails()[before:] {
		has(t, "the notice", []string{w.read(m)}, "A new certificate of "+secretList, "GET "+secretList+" certificate", "read until "+w.now().AddDate(0, 0, 30).UTC().Format(time.DateOnly), admin.InPairs(trust.Fingerprint(next.Certificate)))
		if alone, bundles := w.certificates(m); len(alone) != 1 || !bytes.Equal(alone[0], next.Certificate.Raw) || len(bundles) != 1 {
			t.Errorf("%d certificates", len(alone))
		}
	}
	distributed("active, to the old one", old, store.ItemDone)
	distributed("active, to the new one", next, store.ItemDone)

	retire := func() string {
		t.Helper()
		run, err := w.sealist.Tasks("test").Now(t.Context(), "key_retire")
		w.must(err)
		return run.Summary
	}
	if summary := retire(); summary != "" {
		t.Errorf("before its day: %s", summary)
	}
	w.jump(31 * 24 * time.Hour)
	if summary := retire(); !strings.HasPrefix(summary, "destroyed 1 private keys") {
		t.Errorf("on its day: %s", summary)
	}
	distributed("retired, to the old one", old, store.ItemRejected)
	keys, err := tool.Keys(t.Context(), secretList)
	if err != nil || len(keys) != 2 || keys[1].State != store.KeyRetired {
		t.Errorf("%+v, %v", keys, err)
	}
}

// One list's damaged key harms no other list, and its mail waits.
func TestOneBadKey(t *testing.T) {
	w := newWorld(t)
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(openList))
	w.must(err)
	rows, err := w.sealist.Store.Keys(t.Context(), l.ID)
	w.must(err)
	bad := rows[0]
	bad.PKCS8 = append(bytes.Clone(bad.PKCS8[:len(bad.PKCS8)-16]), make([]byte, 16)...)
	w.must(w.sealist.Store.ChangeKeys(t.Context(), store.KeyChange{Replace: []store.KeyReplacement{{KeyRow: bad, Was: keyring.Active}}}))
	w.must(w.sealist.Close())
	w.open()
	w.start()
	alice := w.people["alice"]
	encrypted := func(to string) []byte {
		return mail(alice.Address, to, smimetest.Encrypt(alice.Sign(smimetest.Text("x\r\n")), w.keys[to]))
	}
	waits := w.send(alice.Address, openList, encrypted(openList))
	if item, _ := w.settled(w.send(alice.Address, secretList, encrypted(secretList))); item.State != store.ItemDone || item.Copies != 3 {
		t.Errorf("the other list: %s, %d copies", item.State, item.Copies)
	}
	item, err := w.sealist.Store.Item(t.Context(), waits.ID)
	if err != nil || item.State != store.ItemAccepted {
		t.Errorf("the list with the bad key: %s, %v", item.State, err)
	}
	if log := w.logged(); !strings.Contains(log, "a list's key cannot be opened") {
		t.Error("nothing is logged")
	}
}

// The key password changes under a server that runs: it goes on with all lists,
// and a reload brings the new one in.
func TestRekeyUnderARunningServer(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.people["alice"]
	tool := keyring.Open(t.Context(), w.sealist.Store, []byte("a key password for tests"), keyring.Options{})
	if n, _, err := tool.Rekey(t.Context(), []byte("another key password")); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	distributed := func(when string) {
		t.Helper()
		for _, to := range []string{secretList, openList} { // none of them was in use before
			item, _ := w.settled(w.send(alice.Address, to, mail(alice.Address, to, smimetest.Encrypt(alice.Sign(smimetest.Text(when+"\r\n")), w.keys[to]))))
			if item.State != store.ItemDone || item.Copies != 3 {
				t.Errorf("%s, %s: %s, %d copies", when, to, item.State, item.Copies)
			}
		}
	}
	distributed("with the old password")
	w.file("key_password", []byte("another key password\n"))
	w.must(w.sealist.Reload(t.Context(), w.config))
	distributed("after a reload")
}
