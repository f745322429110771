package listd_test

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// give installs a key pair for a list.
func (w *world) give(address string, id *smimetest.Identity) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	b, err := keyring.ParsePKCS12(id.PKCS12("x"), "x")
	w.must(err)
	_, err = w.sealist.Keyring.Install(w.t.Context(), l.ID, b)
	w.must(err)
	w.keys[address] = id
}

// tell queues one of each notice of a list to somebody.
func (w *world) tell(address, to string) (queued []string) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	var notices []store.Notice
	for _, e := range w.sealist.Notices.Names(l, "") {
		of, nt, ok := w.sealist.Notices.Example(e.Name, l, list.MustParseAddress(to))
		if nt.List = of.ID; !ok {
			w.t.Fatal(e.Name)
		}
		notices, queued = append(notices, nt), append(queued, e.Name)
	}
	_, err = w.sealist.Store.QueueNotices(w.t.Context(), notices)
	w.must(err)
	return queued
}

// waitFor waits until so many mails came to somebody, and returns those that came since the last call with their number.
func (w *world) waitFor(to string, from, n int) []peer.Mail {
	w.t.Helper()
	w.until(fmt.Sprintf("%d mails came to %s", from+n, to), func() bool { return len(w.sink.To(to)) >= from+n })
	return w.sink.To(to)[from:]
}

// TestSignedServiceMail: every notice of a list with a signing key is signed by it, in every language; OpenSSL, gpgsm and NSS
// verify it with nothing but the root at hand; the certificate names the address in From; Date is the time of the signature.
func TestSignedServiceMail(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	w.config.Listmasters = []string{"postmaster@example.org"}
	w.open()
	w.give(wallList, w.ca.Sub("Issuing CA").Issue(wallList))
	w.robotKey()
	w.start()
	openssl, gpgsm, nss := peer.NewOpenSSL(t), peer.NewGPGSM(t, w.ca.Certificate.Raw), peer.NewNSS(t, w.ca.Certificate.Raw)
	// The probes of bounce_suspended show whether mail comes back: they alone leave with a reverse-path.
	const probe = "bounce_suspended"
	seen := 0
	var err error
	for _, lang := range []string{"en", "fr", "de"} {
		w.set(wallList, "lang", lang)
		names := w.tell(wallList, "alice@example.org")
		mails := w.waitFor("alice@example.org", seen, len(names))
		seen += len(mails)
		paths := 0
		for _, m := range mails {
			e := parse(t, m.Octets)
			h := e.Header()
			subject := h.Get("Subject")
			signer := wallList
			switch h.Get("From") {
			case "<" + wallList + ">":
			case "<sealist@lists.example.org>": // of no list
				signer = "sealist@lists.example.org"
			case "<postmaster@example.org>":
				if content, _ := e.Decoded(); !bytes.Contains(content, []byte("listmaster key ls")) {
					t.Errorf("%s: %s is not signed", lang, subject)
				}
				continue // signing_failed, which nobody can sign
			default:
				t.Fatalf("%s: %s comes from %s", lang, subject, h.Get("From"))
			}
			if m.ReversePath != "" {
				paths++
			}
			tools := map[string]func([]byte) ([]byte, error){"openssl": func(m []byte) ([]byte, error) { return openssl.Verify(m, [][]byte{w.ca.Certificate.Raw}) }}
			if lang == "de" {
				tools["gpgsm"], tools["nss"] = gpgsm.Verify, nss.Verify
			}
			octets, protection := m.Octets, smime.HeadersClear
			if strings.HasPrefix(h.Get("Content-Type"), "application/pkcs7-mime") { // not_accepted, which is always sealed if it can be
				protection = smime.HeadersCipher
				octets, err = openssl.Decrypt(octets, credential(t, w.people["alice"]))
				w.must(err)
			}
			for name, verify := range tools {
				if content, err := verify(octets); err != nil || !bytes.Contains(content, []byte("charset=utf-8")) {
					t.Errorf("%s: %s: %s: %v\n%s", lang, subject, name, err, content)
				}
			}
			opened := smime.Open(e, smime.Options{Keys: []cms.Key{w.people["alice"].DecryptKey()}})
			a := smime.Authenticate(opened, w.sealist.Trust, smime.Claim{Received: time.Now(), MaxSigningAge: time.Hour})
			if !a.Authenticated || a.Author != signer || opened.Protection.Kind() != protection {
				t.Errorf("%s: %s: %s by %s, header protection %s", lang, subject, a.Reason, a.Author, opened.Protection.Kind())
				continue
			}
			if inside := opened.Protection.Fields("Subject"); len(inside) != 1 || (inside[0].Value() == subject) != (protection == smime.HeadersClear) {
				t.Errorf("%s: the protected Subject is not %s", lang, subject)
			}
			date, err := netmail.ParseDate(h.Get("Date"))
			if err != nil || !date.Equal(a.Signer.SigningTime) {
				t.Errorf("%s: %s: Date %s, signed at %s", lang, subject, h.Get("Date"), a.Signer.SigningTime)
			}
		}
		if paths != 1 {
			t.Errorf("%s: %d mails have a reverse-path, want that of %s alone", lang, paths, probe)
		}
	}
}

// TestAboutEncryptedPosts: what is said about a post that came encrypted is sealed to whoever has a certificate, within the
// signature of the list, and its Subject stays within; whoever has none hears it in clear.
func TestAboutEncryptedPosts(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.start()
	alice := w.people["alice"]
	item, _ := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList]))))
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	before := map[string]int{"bob@example.org": len(w.sink.To("bob@example.org"))}
	for _, to := range []string{"bob@example.org", "nobody@example.org"} {
		_, nt, _ := w.sealist.Notices.Example(notice.Rejected, l, list.MustParseAddress(to))
		_, err := w.sealist.Store.QueueNoticesAbout(t.Context(), item.ID, []store.Notice{nt})
		w.must(err)
		m := w.waitFor(to, before[to], 1)[0]
		h := parse(t, m.Octets).Header()
		if to != "bob@example.org" {
			if !bytes.Contains(m.Octets, []byte("Subject: Your message to "+secretList+" was rejected")) || !strings.HasPrefix(h.Get("Content-Type"), "multipart/signed") {
				t.Errorf("%s", m.Octets)
			}
			continue
		}
		if h.Get("Subject") != "Message from the list secret" || bytes.Contains(m.Octets, []byte("rejected")) || m.ReversePath != "" {
			t.Errorf("%s", m.Octets)
		}
		openssl := peer.NewOpenSSL(t)
		signed, err := openssl.Decrypt(m.Octets, credential(t, w.people["bob"]))
		w.must(err)
		if content, err := openssl.Verify(signed, [][]byte{w.ca.Certificate.Raw}); err != nil || !bytes.Contains(content, []byte("was rejected")) {
			t.Errorf("%v: %s", err, content)
		}
		opened := smime.Open(parse(t, m.Octets), smime.Options{Keys: []cms.Key{w.people["bob"].DecryptKey()}})
		a := smime.Authenticate(opened, w.sealist.Trust, smime.Claim{Received: time.Now(), MaxSigningAge: time.Hour})
		if subject, ok := a.Vouched("Subject"); !a.Authenticated || !ok || subject != "Your message to "+secretList+" was rejected" ||
			opened.Protection.Kind() != smime.HeadersCipher || !slices.Equal(opened.Protection.Hidden(), []string{"Subject"}) {
			t.Errorf("%s; Subject %q; %s hides %v", a.Reason, subject, opened.Protection.Kind(), opened.Protection.Hidden())
		}
	}
	all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: item.ID, Kind: store.KindNotice})
	w.must(err)
	if len(all) != 2 || all[0].Certificate == "" || all[1].Certificate != "" {
		t.Errorf("%+v", all)
	}
}

// TestSigningFails: a list's mail waits while its key cannot be used, and the listmasters are told once, by a mail that needs
// no key. Lists without a key go on. When the key is there again the mail leaves as it would have; or unsigned, after the time
// that the site sets.
func TestSigningFails(t *testing.T) {
	w := newWorld(t)
	lock := func(password, unsignedAfter string) {
		w.stop()
		w.config.KeyPasswordFile, w.config.Notices.UnsignedAfter = w.file("key_password", []byte(password+"\n")), unsignedAfter
		w.open()
		w.start()
	}
	w.must(w.sealist.Close())
	w.manual = true
	w.config.Listmasters = []string{"postmaster@example.org", "deputy@example.org"}
	w.config.Queue.RetryMax = w.config.Queue.RetryMin
	lock("another one", "never")
	names := w.tell(secretList, "alice@example.org")
	w.tell(wallList, "bob@example.org")
	w.waitFor("bob@example.org", 0, len(names))
	told := w.waitFor("postmaster@example.org", 0, 1)
	w.waitFor("deputy@example.org", 0, 1)
	if h := parse(t, told[0].Octets).Header(); !strings.HasPrefix(h.Get("Subject"), "Service mail of "+secretList) || h.Get("Content-Type") != "text/plain; charset=utf-8" || told[0].ReversePath != "" {
		t.Errorf("%s", told[0].Octets)
	}
	waiting := func() (reasons []string) {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDelayed})
		w.must(err)
		for _, d := range all {
			reasons = append(reasons, d.Reason)
		}
		return reasons
	}
	ofLists := 0
	for _, name := range names {
		if !notice.OfSite(name) {
			ofLists++
		}
	}
	w.until("they wait", func() bool { return len(waiting()) == ofLists })
	if reasons := slices.Compact(slices.Sorted(slices.Values(waiting()))); len(reasons) != 1 || !strings.Contains(reasons[0], "signing: locked") {
		t.Errorf("%q", reasons)
	}
	if n := len(w.sink.To("postmaster@example.org")); n != 1 {
		t.Errorf("the listmaster is told %d times", n)
	}

	// The key is there again.
	before := len(w.sink.To("alice@example.org"))
	lock("a key password for tests", "never")
	w.ahead.Add(int64(time.Minute)) // past the wait of each
	mails := w.waitFor("alice@example.org", before, ofLists)
	all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Kind: store.KindNotice})
	w.must(err)
	for _, m := range mails {
		h := parse(t, m.Octets).Header()
		date, err := netmail.ParseDate(h.Get("Date"))
		w.must(err)
		i := slices.IndexFunc(all, func(d store.Delivery) bool {
			return strings.Contains(h.Get("Message-ID"), fmt.Sprintf("<notice-%d-", d.ID))
		})
		if h.Get("From") != "<"+secretList+">" || i < 0 || !date.Equal(all[i].Created.Truncate(time.Second)) {
			t.Errorf("%s", m.Octets)
		}
	}

	// Or it is not, and the site wants such mail to leave.
	lock("another one", "4h")
	before = len(w.sink.To("alice@example.org"))
	w.tell(secretList, "alice@example.org")
	w.until("they wait again", func() bool { return len(waiting()) == ofLists })
	w.ahead.Add(int64(5 * time.Hour))
	for _, m := range w.waitFor("alice@example.org", before+len(names)-ofLists, ofLists) {
		if h := parse(t, m.Octets).Header(); h.Get("From") != "<secret-owner@lists.example.org>" || strings.Contains(h.Get("Content-Type"), "signed") {
			t.Errorf("%s", m.Octets)
		}
	}
}

// TestNoValidSigningKey: a key whose certificate is over is none that can sign, and none that never was; one that may only
// encrypt signs nothing, and nothing waits for it.
func TestNoValidSigningKey(t *testing.T) {
	w := newWorld(t)
	w.give(wallList, w.ca.Issue(wallList, smimetest.EncryptOnly))
	now := time.Now()
	for address, want := range map[string]struct {
		later time.Duration
		ok    bool
		err   bool
	}{wallList: {}, plainList: {}, secretList: {ok: true}, openList: {later: 20 * 365 * 24 * time.Hour, err: true}} {
		l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(address))
		w.must(err)
		key, ok, err := w.sealist.Keyring.SigningKey(t.Context(), l.ID, now.Add(want.later))
		if ok != want.ok || (err != nil) != want.err || ok != (key.Certificate != nil) {
			t.Errorf("%s: %v, %v", address, ok, err)
		}
	}
}

// TestSignedAttachments: a post that goes along stays octet for octet what it was, whatever the signature has to do for that.
func TestSignedAttachments(t *testing.T) {
	w := newWorld(t)
	w.give(wallList, w.ca.Issue(wallList))
	w.set(wallList, "send", "editorkey")
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(wallList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("bob@example.org"), Role: list.RoleEditor}})
	w.must(err)
	w.start()
	openssl := peer.NewOpenSSL(t)
	for i, c := range []struct{ body, form string }{
		{"Content-Type: text/plain\r\n\r\nhello  \r\n", "multipart/signed"},
		{"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xe9  \r\n" + strings.Repeat("long ", 150) + "\r\n", "application/pkcs7-mime"},
	} {
		w.settled(w.send("alice@example.org", wallList, mail("alice@example.org", wallList, smimetest.Entity(c.body))))
		m := w.waitFor("bob@example.org", i, 1)[0]
		content, err := openssl.Verify(m.Octets, [][]byte{w.ca.Certificate.Raw})
		if typ, _ := parse(t, m.Octets).MediaType(); err != nil || typ != c.form {
			t.Errorf("%s: %v", typ, err)
		}
		_, body, _ := strings.Cut(c.body, "\r\n\r\n")
		if !bytes.Contains(content, []byte("\r\n\r\n"+body)) || !bytes.Contains(content, []byte("DISTRIBUTE "+wallList)) {
			t.Errorf("%s", content)
		}
	}
}

// TestTheCertificateToEncryptTo: where a list signs with one key and is encrypted to with another, its signed mail brings both.
func TestTheCertificateToEncryptTo(t *testing.T) {
	w := newWorld(t)
	w.give(wallList, w.ca.Issue(wallList, smimetest.SignOnly))
	signs := w.keys[wallList]
	w.give(wallList, w.ca.Sub("Issuing CA").Issue(wallList, smimetest.EncryptOnly))
	w.start()
	mails := w.waitFor("nobody@example.org", 0, len(w.tell(wallList, "nobody@example.org")))
	i := slices.IndexFunc(mails, func(m peer.Mail) bool { return parse(t, m.Octets).Header().Get("From") == "<"+wallList+">" })
	m := smime.Open(parse(t, mails[max(i, 0)].Octets), smime.Options{})
	s := m.Layers[0].Signers[0]
	if s.Err != nil || !s.Certificate.Equal(signs.Certificate) || s.EncryptionKeyPreference == nil || !s.EncryptionKeyPreference.Matches(w.keys[wallList].Certificate) || len(m.Layers[0].Certificates) < 4 {
		t.Errorf("%v, signed by %s, to encrypt to %v, %d certificates", s.Err, s.Certificate.Subject, s.EncryptionKeyPreference, len(m.Layers[0].Certificates))
	}
}

// TestOutageOfAnOptionalSeal: what may leave in clear waits an hour for a directory that cannot be asked.
func TestOutageOfAnOptionalSeal(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.start()
	alice := w.people["alice"]
	item, _ := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList]))))
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	folder := filepath.Join(w.dir, "data", "X509-user-certs")
	w.must(os.Rename(folder, folder+".gone"))
	before := len(w.sink.To("bob@example.org"))
	_, nt, _ := w.sealist.Notices.Example(notice.Rejected, l, list.MustParseAddress("bob@example.org"))
	_, err = w.sealist.Store.QueueNoticesAbout(t.Context(), item.ID, []store.Notice{nt})
	w.must(err)
	delayed := func() bool {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDelayed})
		w.must(err)
		return len(all) == 1 && all[0].Kind == store.KindNotice
	}
	w.until("it waits", delayed)
	w.ahead.Add(int64(50 * time.Minute))
	w.until("it waits on", func() bool {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDelayed})
		w.must(err)
		return len(all) == 1 && all[0].Attempts > 1
	})
	if n := len(w.sink.To("bob@example.org")); n != before {
		t.Errorf("%d mails", n-before)
	}
	w.ahead.Add(int64(2 * time.Hour))
	if m := w.waitFor("bob@example.org", before, 1)[0]; !bytes.Contains(m.Octets, []byte("was rejected")) {
		t.Errorf("%s", m.Octets)
	}
}

// TestNewCertificatesAreToldInClear: word of a certificate that was learnt is not sealed to that certificate: it may not be the
// person's.
func TestNewCertificatesAreToldInClear(t *testing.T) {
	w := newWorld(t)
	w.start()
	mallory := w.people["mallory"]
	w.settled(w.send(mallory.Address, openList, mail(mallory.Address, openList, smimetest.Encrypt(mallory.Sign(text), w.keys[openList]))))
	m := w.waitFor(mallory.Address, 0, 1)[0]
	if h := parse(t, m.Octets).Header(); h.Get("Subject") != "A new certificate will be used to encrypt to you" || !strings.HasPrefix(h.Get("Content-Type"), "multipart/signed") {
		t.Errorf("%s", m.Octets)
	}
}
