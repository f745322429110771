package keyring_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// life is a keyring with a clock, and shows where a list's keys are.
type life struct {
	*world
	k   *keyring.Keyring
	now atomic.Int64
}

func newLife(t *testing.T) *life {
	l := &life{world: newWorld(t)}
	l.now.Store(time.Now().UnixMicro())
	l.k = keyring.Open(l.ctx, l.store, []byte("secret"), keyring.Options{Iterations: 100, Clock: l.clock})
	return l
}

func (l *life) clock() time.Time { return time.UnixMicro(l.now.Load()) }

func (l *life) pass(d time.Duration) { l.now.Add(d.Microseconds()) }

func (l *life) add(p keyring.Placing, opts ...smimetest.Option) string {
	l.t.Helper()
	l.pass(time.Second)
	b := l.bundle(append(opts, smimetest.FreshKey)...)
	_, err := l.k.Add(l.ctx, l.list, b, p)
	l.must(err)
	return trust.Fingerprint(b.Certificate)
}

func (l *life) row(fingerprint string) store.KeyRow {
	l.t.Helper()
	row, err := l.store.Key(l.ctx, fingerprint)
	l.must(err)
	return row
}

// want looks at the states of keys, at which of them open mail, and at which is
// published and which signs.
func (l *life) want(what string, published, signing string, states map[string]store.KeyState) {
	l.t.Helper()
	rows, err := l.store.Keys(l.ctx, l.list)
	l.must(err)
	keys, err := l.k.Keys(l.ctx, l.list)
	l.must(err)
	open := map[string]bool{}
	for _, k := range keys {
		open[k.Fingerprint] = true
	}
	for _, row := range rows {
		if row.State != states[row.Fingerprint] {
			l.t.Errorf("%s: %.8s is %s, want %s", what, row.Fingerprint, row.State, states[row.Fingerprint])
		}
		if opens := row.State != store.KeyRetired && row.State != store.KeyRequested; open[row.Fingerprint] != opens {
			l.t.Errorf("%s: %.8s is %s, and open: %v", what, row.Fingerprint, row.State, open[row.Fingerprint])
		}
	}
	if row, _ := keyring.Published(rows); row.Fingerprint != published {
		l.t.Errorf("%s: %.8s is published, want %.8s", what, row.Fingerprint, published)
	}
	if key, _ := keyring.Signing(keys, l.clock()); key.Fingerprint != signing {
		l.t.Errorf("%s: %.8s signs, want %.8s", what, key.Fingerprint, signing)
	}
}

type states = map[string]store.KeyState

// A rollover, from one key to the next.
func TestLifeOfAKey(t *testing.T) {
	l := newLife(t)
	a := l.add(keyring.Placing{})
	l.want("one key", a, a, states{a: store.KeyActive})
	b := l.add(keyring.Placing{Staged: true})
	l.want("a successor is staged", a, a, states{a: store.KeyActive, b: store.KeyStaged})

	until := l.clock().Add(30 * 24 * time.Hour)
	l.must(l.k.Activate(l.ctx, l.row(b), until))
	l.must(l.k.Activate(l.ctx, l.row(b), until)) // again: nothing
	l.want("it is active", b, b, states{a: store.KeyDecryptOnly, b: store.KeyActive})
	if row := l.row(a); !row.Until.Equal(until.Truncate(time.Microsecond)) {
		t.Errorf("the end of the old one: %v, want %v", row.Until, until)
	}
	// It was too early: back.
	l.pass(time.Hour)
	l.must(l.k.Activate(l.ctx, l.row(a), time.Time{}))
	l.must(l.k.Stage(l.ctx, l.row(b)))
	l.want("back", a, a, states{a: store.KeyActive, b: store.KeyStaged})
	if err := l.k.Stage(l.ctx, l.row(a)); !errors.Is(err, keyring.ErrState) {
		t.Errorf("an active key was staged: %v", err)
	}
	l.pass(time.Hour)
	l.must(l.k.Activate(l.ctx, l.row(b), until))

	retire := func(what string, retired, waiting int) {
		t.Helper()
		r, w, err := l.k.RetireDue(l.ctx)
		if err != nil || len(r) != retired || len(w) != waiting {
			t.Errorf("%s: %d retired, %d waiting, %v", what, len(r), len(w), err)
		}
	}
	retire("before the end", 0, 0)
	l.pass(40 * 24 * time.Hour)
	retire("after the end", 1, 0)
	l.want("after the end", b, b, states{a: store.KeyRetired, b: store.KeyActive})
	if row := l.row(a); len(row.PKCS8) != 0 || len(row.Certificate) == 0 {
		t.Errorf("%d octets of the private key are left, %d of the certificate", len(row.PKCS8), len(row.Certificate))
	}
	if err := l.k.Activate(l.ctx, l.row(a), time.Time{}); !errors.Is(err, keyring.ErrState) {
		t.Errorf("a retired key was activated: %v", err)
	}
	retire("again", 0, 0)
}

// Pairs for signing and for encryption take over from one for both together, in
// either order.
func TestSeparatePairs(t *testing.T) {
	l := newLife(t)
	both := l.add(keyring.Placing{})
	sign := l.add(keyring.Placing{}, smimetest.SignOnly)
	l.want("one signs", both, sign, states{both: store.KeyActive, sign: store.KeyActive})
	encrypt := l.add(keyring.Placing{}, smimetest.EncryptOnly)
	l.want("one each", encrypt, sign, states{both: store.KeyDecryptOnly, sign: store.KeyActive, encrypt: store.KeyActive})
	next := l.add(keyring.Placing{}, smimetest.EncryptOnly)
	l.want("the next to encrypt to", next, sign, states{both: store.KeyDecryptOnly, sign: store.KeyActive, encrypt: store.KeyDecryptOnly, next: store.KeyActive})
	again := l.add(keyring.Placing{})
	l.want("one for both again", again, again, states{both: store.KeyDecryptOnly, sign: store.KeyDecryptOnly, encrypt: store.KeyDecryptOnly,
		next: store.KeyDecryptOnly, again: store.KeyActive})

	only, err := l.store.CreateList(l.ctx, list.List{Address: list.MustParseAddress("signs@lists.example.org")})
	l.must(err)
	id := l.ca.Issue("signs@lists.example.org", smimetest.SignOnly, smimetest.FreshKey)
	_, err = l.k.Install(l.ctx, only, keyring.Bundle{Certificate: id.Certificate, Private: id.Private})
	l.must(err)
	if of, err := l.store.ListByID(l.ctx, only); err != nil || of.HasKey {
		t.Errorf("a list that only signs can be encrypted to: %v", err)
	}
}

// A key whose end has come waits for the messages that may need it.
func TestEndWaitsForMessages(t *testing.T) {
	l := newLife(t)
	a := l.add(keyring.Placing{})
	l.add(keyring.Placing{Until: l.clock().Add(time.Hour)})
	l.pass(2 * time.Hour)
	of := list.MustParseAddress(address)
	_, err := l.store.Accept(l.ctx, store.Incoming{Octets: []byte("Subject: x\r\n\r\nx\r\n"),
		Targets: []store.Target{{List: l.list, Kind: store.KindPost, ForwardPath: of}}})
	l.must(err)
	retired, waiting, err := l.k.RetireDue(l.ctx)
	if err != nil || len(retired) != 0 || len(waiting) != 1 {
		t.Fatalf("%d retired, %d waiting, %v", len(retired), len(waiting), err)
	}
	if row := l.row(a); row.State != store.KeyDecryptOnly || len(row.PKCS8) == 0 {
		t.Errorf("a message waits, and the key is %s", row.State)
	}
}

// The private half of a retired key is nowhere in the files.
func TestRetiredIsDestroyed(t *testing.T) {
	peer.OnFile(t)
	l := newLife(t)
	a := l.add(keyring.Placing{})
	l.add(keyring.Placing{}, smimetest.ECP256) // rows beside it
	pkcs8 := l.row(a).PKCS8
	pieces := [][]byte{pkcs8[100:132], pkcs8[len(pkcs8)/2 : len(pkcs8)/2+32], pkcs8[len(pkcs8)-40:]}
	found := func() (n int) {
		for _, suffix := range []string{"", "-wal"} {
			octets, err := os.ReadFile(l.path + suffix)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			for _, p := range pieces {
				n += bytes.Count(octets, p)
			}
		}
		return n
	}
	if found() == 0 {
		t.Fatal("it was not there before")
	}
	l.must(l.k.Retire(l.ctx, l.row(a)))
	if n := found(); n > 0 {
		t.Errorf("%d pieces of it are still there", n)
	}
}

// The key password changes between reading a key and moving it on: what is kept
// under the new one stays so.
func TestMovedWhileRekeyed(t *testing.T) {
	l := newLife(t)
	a := l.add(keyring.Placing{})
	b := l.add(keyring.Placing{Staged: true})
	rows := map[string]store.KeyRow{a: l.row(a), b: l.row(b)}
	_, _, err := l.keyring("secret").Rekey(l.ctx, []byte("another"))
	l.must(err)
	l.must(l.k.Activate(l.ctx, rows[b], time.Time{}))
	stale := l.row(a)
	stale.PKCS8 = rows[a].PKCS8
	l.must(l.k.Stage(l.ctx, stale))
	if n, err := l.keyring("another").OpenAll(l.ctx); err != nil || n != 2 {
		t.Errorf("%d keys open under the new key password, %v", n, err)
	}
}

// A certificate for a requested key comes while the key password changes twice,
// so that it is kept at the second attempt: the request is over all the same.
func TestAnsweredWhileRekeyed(t *testing.T) {
	l := newLife(t)
	_, csr, err := l.k.Request(l.ctx, l.list, "p256", keyring.Both)
	l.must(err)
	for _, passwords := range [][2]string{{"secret", "another"}, {"another", "secret"}} {
		_, _, err = l.keyring(passwords[0]).Rekey(l.ctx, []byte(passwords[1]))
		l.must(err)
	}
	_, err = l.k.Add(l.ctx, l.list, l.answer(csr), keyring.Placing{})
	l.must(err)
	rows, err := l.store.Keys(l.ctx, l.list)
	l.must(err)
	if len(rows) != 1 || rows[0].State != store.KeyActive {
		t.Errorf("%d keys, the first is %s: the private key is kept twice", len(rows), rows[0].State)
	}
}

// answer is the certificate that a CA issues for a request.
func (l *life) answer(request []byte) keyring.Bundle {
	l.t.Helper()
	block, _ := pem.Decode(request)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	l.must(err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(7), Subject: csr.Subject, EmailAddresses: csr.EmailAddresses,
		NotBefore: l.clock().Add(-time.Hour), NotAfter: l.clock().Add(time.Hour), ExtraExtensions: csr.Extensions[1:]}, l.ca.Certificate, csr.PublicKey, l.ca.Key)
	l.must(err)
	cert, err := x509.ParseCertificate(der)
	l.must(err)
	return keyring.Bundle{Certificate: cert}
}

// The end of the old key can be named, and moved, after the new one took over.
func TestEndNamedLater(t *testing.T) {
	l := newLife(t)
	older := l.add(keyring.Placing{})
	a := l.add(keyring.Placing{})
	b := l.add(keyring.Placing{})
	until := l.clock().Add(30 * 24 * time.Hour).Truncate(time.Microsecond)
	l.must(l.k.Activate(l.ctx, l.row(b), until))
	l.must(l.k.Activate(l.ctx, l.row(b), time.Time{}))
	if row := l.row(a); !row.Until.Equal(until) || row.State != store.KeyDecryptOnly {
		t.Errorf("%s, until %v, want %v", row.State, row.Until, until)
	}
	if row := l.row(older); !row.Until.IsZero() {
		t.Errorf("one that another key took over from: %v", row.Until)
	}
}

// The private keys of a list that is removed are nowhere in the files.
func TestRemovedIsDestroyed(t *testing.T) {
	peer.OnFile(t)
	l := newLife(t)
	a := l.add(keyring.Placing{})
	pkcs8 := l.row(a).PKCS8
	l.must(l.store.RemoveList(l.ctx, l.list, store.AuditEntry{Actor: "test", Action: "list rm"}))
	for _, suffix := range []string{"", "-wal"} {
		octets, err := os.ReadFile(l.path + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(octets, pkcs8[100:132]) || bytes.Contains(octets, pkcs8[len(pkcs8)-40:]) {
			t.Errorf("%s holds pieces of it", l.path+suffix)
		}
	}
}

// Mail to LIST-owner is done as soon as it is to be passed on. Until that has
// left it has to be opened, so that neither its octets nor the key may go.
func TestEndWaitsForAttachedMail(t *testing.T) {
	l := newLife(t)
	a := l.add(keyring.Placing{})
	l.add(keyring.Placing{Until: l.clock().Add(time.Hour)})
	l.pass(2 * time.Hour)
	of := list.MustParseAddress(address)
	ids, err := l.store.Accept(l.ctx, store.Incoming{Octets: []byte("Subject: x\r\n\r\nx\r\n"),
		Targets: []store.Target{{List: l.list, Kind: store.KindOwner, ForwardPath: of}}})
	l.must(err)
	l.must(l.store.Decide(l.ctx, store.Decided{Item: ids[0], State: store.ItemDone, Encrypted: true,
		Notices: []store.Notice{{Template: "forwarded", List: l.list, To: list.MustParseAddress("olga@example.org"), Attach: true, Sealed: true}}}))
	if n, err := l.store.Purge(l.ctx, time.Now().Add(time.Hour), time.Now()); err != nil || n != 0 {
		t.Errorf("%d messages lost their octets, %v", n, err)
	}
	retired, waiting, err := l.k.RetireDue(l.ctx)
	if err != nil || len(retired) != 0 || len(waiting) != 1 || l.row(a).State != store.KeyDecryptOnly {
		t.Fatalf("%d retired, %d waiting, %v", len(retired), len(waiting), err)
	}
}
