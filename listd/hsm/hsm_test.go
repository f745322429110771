//go:build pkcs11

package hsm_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// world is a token and the module that reaches it.
type world struct {
	t      *testing.T
	token  *peer.Token
	ca     *smimetest.CA
	pin    string
	module *hsm.Module
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, token: peer.SoftHSM(t), ca: smimetest.NewCA("Root"), pin: "1234"}
	w.module = hsm.Open(hsm.Options{Path: w.token.Module, PIN: func() ([]byte, error) { return []byte(w.pin), nil }})
	t.Cleanup(func() { w.module.Close() })
	return w
}

// key puts a key on the token.
func (w *world) key(label string, o ...smimetest.Option) (*smimetest.Identity, hsm.Key) {
	w.t.Helper()
	id := w.ca.Issue(label+"@lists.example.org", o...)
	w.token.Import(label, "01", id.KeyPEM())
	return id, w.at(w.uri(label), id)
}

func (w *world) uri(label string) string {
	return "pkcs11:token=" + url.PathEscape(w.token.Label) + ";object=" + label
}

func (w *world) at(uri string, id *smimetest.Identity) hsm.Key {
	w.t.Helper()
	u, err := hsm.ParseURI(uri)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := w.module.Key(u, id.Certificate.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// opens tells what a message sealed to a key becomes.
func opens(t *testing.T, id *smimetest.Identity, key hsm.Key, o cms.RecipientOptions) (string, error) {
	t.Helper()
	s, err := cms.NewSealer([]byte("a secret"), cms.AES256GCM)
	if err != nil {
		t.Fatal(err)
	}
	der, err := s.DER([]*cms.Recipient{id.Recipient(o)})
	if err != nil {
		t.Fatal(err)
	}
	b := cms.NewBudget(cms.Limits{})
	c, err := cms.Read(der, b)
	if err != nil {
		t.Fatal(err)
	}
	content, err := c.(*cms.AuthEnvelopedData).Decrypt([]cms.Key{{Certificate: id.Certificate, Private: key}}, b, cms.DecryptPolicy{})
	return string(content), err
}

func verified(t *testing.T, id *smimetest.Identity, key hsm.Key, pss bool) {
	t.Helper()
	der, err := cms.Sign([]byte("content"), cms.SignOptions{Certificate: id.Certificate, Signer: key, PSS: pss})
	if err != nil {
		t.Fatal(err)
	}
	b := cms.NewBudget(cms.Limits{})
	c, err := cms.Read(der, b)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.(*cms.SignedData).Verify(nil, nil, cms.VerifyPolicy{}, b); len(s) != 1 || s[0].Err != nil {
		t.Errorf("%+v", s)
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	for label, o := range map[string]smimetest.Option{"rsa": smimetest.FreshKey, "p256": smimetest.ECP256, "p384": smimetest.ECP384, "p521": smimetest.ECP521} {
		id, key := w.key(label, o)
		if err := key.Probe(true, true); err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		for range 3 {
			if got, err := opens(t, id, key, cms.RecipientOptions{}); got != "a secret" {
				t.Errorf("%s: %q, %v", label, got, err)
			}
		}
		verified(t, id, key, false)
		if label == "rsa" {
			verified(t, id, key, true)
		}
		if ec, ok := key.(ecdh.KeyExchanger); ok && ec.PublicKey() == nil {
			t.Errorf("%s has no public key", label)
		}
	}
}

// TestOAEP: with SHA-1, as SoftHSM has it. What the token does not know cannot be
// opened, and nothing waits for it.
func TestOAEP(t *testing.T) {
	w := newWorld(t)
	id, key := w.key("rsa")
	secret := []byte("0123456789abcdef")
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, id.Certificate.PublicKey.(*rsa.PublicKey), secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.(crypto.Decrypter).Decrypt(nil, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA1})
	if !bytes.Equal(got, secret) {
		t.Errorf("%x, %v", got, err)
	}
	if got, err := opens(t, id, key, cms.RecipientOptions{OAEP: true}); err != nil && err != cms.ErrDecrypt {
		t.Errorf("%q, %v", got, err)
	}
}

// TestForeignMessages: what is wrapped for another key, or is not even a wrapped
// key, does not open, with the one error that software keys have; the session
// goes on.
func TestForeignMessages(t *testing.T) {
	w := newWorld(t)
	for label, o := range map[string]smimetest.Option{"rsa": smimetest.FreshKey, "p256": smimetest.ECP256} {
		id, key := w.key(label, o)
		other := w.ca.Issue("other@lists.example.org", o)
		other.Certificate.Raw, other.Certificate.RawIssuer, other.Certificate.SerialNumber = id.Certificate.Raw, id.Certificate.RawIssuer, id.Certificate.SerialNumber
		if got, err := opens(t, other, key, cms.RecipientOptions{}); err != cms.ErrDecrypt {
			t.Errorf("%s: %q, %v", label, got, err)
		}
		if got, err := opens(t, id, key, cms.RecipientOptions{}); err != nil {
			t.Errorf("%s afterwards: %q, %v", label, got, err)
		}
	}
}

func TestProbe(t *testing.T) {
	w := newWorld(t)
	id, key := w.key("board")
	other := w.ca.Issue("board@lists.example.org", smimetest.FreshKey)
	ec, _ := w.key("curve", smimetest.ECP256)
	for what, c := range map[string]struct {
		key  hsm.Key
		want error
	}{
		"the certificate's own":   {key, nil},
		"by its id as well":       {w.at(w.uri("board")+";id=%01;type=private", id), nil},
		"another RSA key":         {w.at(w.uri("board"), other), hsm.ErrOther},
		"another kind of key":     {w.at(w.uri("curve"), id), hsm.ErrOther},
		"another key of a curve":  {w.at(w.uri("curve"), w.ca.Issue("x@example.org", smimetest.ECP256)), hsm.ErrOther},
		"one that is not there":   {w.at(w.uri("nobody"), id), hsm.ErrNoObject},
		"another id":              {w.at(w.uri("board")+";id=%02", id), hsm.ErrNoObject},
		"one name too few":        {w.at("pkcs11:token="+url.PathEscape(w.token.Label)+";id=%01", ec), hsm.ErrTwoObjects},
		"a token that is not":     {w.at("pkcs11:token=elsewhere;object=board", id), hsm.ErrNoToken},
		"a token of other making": {w.at(w.uri("board")+";manufacturer=ACME", id), hsm.ErrNoToken},
	} {
		if err := c.key.Probe(true, true); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := key.Probe(true, true); err != nil {
		t.Errorf("after all this: %v", err)
	}
}

// TestGeneratedThere: a key that was made on the token and may only sign does
// that, and is not taken to open mail.
func TestGeneratedThere(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "public.der")
	w.token.Tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "signer", "--id", "07", "--usage-sign")
	w.token.Tool("--read-object", "--type", "pubkey", "--label", "signer", "--output-file", file)
	der, err := os.ReadFile(file)
	w.must(err)
	public, err := x509.ParsePKIXPublicKey(der)
	w.must(err)
	u, err := hsm.ParseURI(w.uri("signer"))
	w.must(err)
	key, err := w.module.Key(u, public)
	w.must(err)
	if err := key.Probe(true, false); err != nil {
		t.Error(err)
	}
	if err := key.Probe(true, true); !errors.Is(err, hsm.ErrForbidden) {
		t.Error(err)
	}
}

// TestAway: a token that went away, and came back.
func TestAway(t *testing.T) {
	w := newWorld(t)
	for label, o := range map[string]smimetest.Option{"rsa": smimetest.FreshKey, "p256": smimetest.ECP256} {
		id, key := w.key(label, o)
		if _, err := opens(t, id, key, cms.RecipientOptions{}); err != nil {
			t.Fatal(err)
		}
		w.must(os.Rename(w.token.Dir, w.token.Dir+".away"))
		for range 2 {
			got, err := opens(t, id, key, cms.RecipientOptions{})
			if !errors.Is(err, cms.ErrKeyAway) || got != "" {
				t.Errorf("%q, %v", got, err)
			}
			if err := key.Ready(); !errors.Is(err, cms.ErrKeyAway) {
				t.Errorf("ready: %v", err)
			}
			if _, err := cms.Sign([]byte("content"), cms.SignOptions{Certificate: id.Certificate, Signer: key}); !errors.Is(err, cms.ErrKeyAway) {
				t.Errorf("signing: %v", err)
			}
		}
		w.must(os.Rename(w.token.Dir+".away", w.token.Dir))
		if got, err := opens(t, id, key, cms.RecipientOptions{}); got != "a secret" {
			t.Errorf("it is back: %q, %v", got, err)
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestPIN: a wrong PIN is tried once, and the right one as soon as it is there.
func TestPIN(t *testing.T) {
	w := newWorld(t)
	id, key := w.key("board")
	w.pin = "4321"
	for range 20 {
		if err := key.Ready(); !errors.Is(err, cms.ErrKeyAway) || !errors.Is(err, hsm.ErrPIN) || strings.Contains(err.Error(), w.pin) {
			t.Fatalf("%v", err)
		}
	}
	if err := key.Ready(); !strings.Contains(err.Error(), "not tried again") {
		t.Error(err)
	}
	w.pin = "1234"
	if got, err := opens(t, id, key, cms.RecipientOptions{}); got != "a secret" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTwoModules: a server that reloads has two for a while, and the end of one
// is none of the other's.
func TestTwoModules(t *testing.T) {
	w := newWorld(t)
	id, key := w.key("board")
	if err := key.Ready(); err != nil {
		t.Fatal(err)
	}
	old := w.module
	w.module = hsm.Open(hsm.Options{Path: w.token.Module, PIN: func() ([]byte, error) { return []byte(w.pin), nil }})
	next := w.at(w.uri("board"), id)
	for _, key := range []hsm.Key{next, key, next} {
		if got, err := opens(t, id, key, cms.RecipientOptions{}); got != "a secret" {
			t.Errorf("%q, %v", got, err)
		}
	}
	w.must(old.Close())
	if got, err := opens(t, id, next, cms.RecipientOptions{}); got != "a secret" {
		t.Errorf("%q, %v", got, err)
	}
	w.must(w.module.Close())
}

// TestNoModule: a library that is none, and none at all.
func TestNoModule(t *testing.T) {
	id := smimetest.NewCA("Root").Issue("board@lists.example.org")
	u, _ := hsm.ParseURI("pkcs11:token=lists;object=board")
	for _, m := range []*hsm.Module{nil, hsm.Open(hsm.Options{}), hsm.Open(hsm.Options{Path: "/nowhere.so"}), hsm.Open(hsm.Options{Path: "/etc/passwd"})} {
		key, err := m.Key(u, id.Certificate.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Probe(true, true); !errors.Is(err, cms.ErrKeyAway) {
			t.Errorf("%v", err)
		}
	}
}

// TestHangs: a module that does not answer holds up nobody for longer than he is
// patient, and works again when it does.
func TestHangs(t *testing.T) {
	w := newWorld(t)
	id, _ := w.key("board")
	goes := make(chan struct{})
	w.module = hsm.Open(hsm.Options{Path: w.token.Module, Patience: 50 * time.Millisecond, PIN: func() ([]byte, error) {
		<-goes // as a token with a keypad of its own would
		return []byte(w.pin), nil
	}})
	slow := w.at(w.uri("board"), id)
	for range 3 {
		if got, err := opens(t, id, slow, cms.RecipientOptions{}); !errors.Is(err, cms.ErrKeyAway) || !errors.Is(err, hsm.ErrHangs) {
			t.Errorf("%q, %v", got, err)
		}
	}
	close(goes)
	w.module = hsm.Open(hsm.Options{Path: w.token.Module, PIN: func() ([]byte, error) { return []byte(w.pin), nil }})
	for range 2 {
		if got, err := opens(t, id, w.at(w.uri("board"), id), cms.RecipientOptions{}); got != "a secret" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestManyAtATime: one operation after the other, whoever asks.
func TestManyAtATime(t *testing.T) {
	w := newWorld(t)
	id, key := w.key("board")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if got, err := opens(t, id, key, cms.RecipientOptions{}); got != "a secret" {
					t.Errorf("%q, %v", got, err)
				}
				if err := key.Probe(true, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
