package keyring_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// world is a database with two lists.
type world struct {
	t           *testing.T
	ctx         context.Context
	path        string
	store       *store.Store
	list, other list.ID
	ca          *smimetest.CA
	log         bytes.Buffer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, ctx: t.Context(), ca: smimetest.NewCA("Root")}
	url := peer.Database(t)
	w.path, _ = strings.CutPrefix(url, "sqlite:")
	s, err := store.Open(w.ctx, url, store.Options{})
	w.must(err)
	t.Cleanup(func() { s.Close() })
	w.store = s
	w.list, err = s.CreateList(w.ctx, list.List{Address: list.MustParseAddress(address)})
	w.must(err)
	w.other, err = s.CreateList(w.ctx, list.List{Address: list.MustParseAddress("other@lists.example.org")})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// keyring is what a process that starts would have.
func (w *world) keyring(password string) *keyring.Keyring {
	return keyring.Open(w.ctx, w.store, []byte(password), keyring.Options{
		Iterations: 100, Log: slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
}

func (w *world) bundle(opts ...smimetest.Option) keyring.Bundle {
	id := w.ca.Issue(address, opts...)
	return keyring.Bundle{Certificate: id.Certificate, Chain: id.Chain, Private: id.Private}
}

// install puts a key of the list in, under a password.
func (w *world) install(password string, opts ...smimetest.Option) keyring.Bundle {
	w.t.Helper()
	b := w.bundle(opts...)
	_, err := w.keyring(password).Install(w.ctx, w.list, b)
	w.must(err)
	return b
}

func TestInstalledKeysOpenAgain(t *testing.T) {
	w := newWorld(t)
	first := w.install("secret")
	second := w.install("secret", smimetest.ECP384)
	k := w.keyring("secret")
	for range 2 { // opened, and from memory
		keys, err := k.Keys(w.ctx, w.list)
		w.must(err)
		if len(keys) != 2 || !keys[0].Certificate.Equal(second.Certificate) || !keys[1].Certificate.Equal(first.Certificate) {
			t.Fatalf("%v", keys)
		}
		if !first.Private.(*rsa.PrivateKey).Equal(keys[1].Private) {
			t.Error("another private key came out")
		}
	}
	if keys, err := k.Keys(w.ctx, w.other); len(keys) != 0 || err != nil {
		t.Errorf("a list without key: %v, %v", keys, err)
	}
	if err := k.Locked(); err != nil {
		t.Error(err)
	}
}

func TestChainIsKept(t *testing.T) {
	w := newWorld(t)
	w.ca = w.ca.Sub("Issuing")
	b := w.install("secret")
	keys, err := w.keyring("secret").Keys(w.ctx, w.list)
	if err != nil || len(keys) != 1 || len(keys[0].Chain) != 1 || !keys[0].Chain[0].Equal(b.Chain[0]) {
		t.Errorf("%v, %v", keys, err)
	}
}

// A server that started over an empty database opens what listmaster installs.
func TestRunningServerSeesTheFirstKey(t *testing.T) {
	w := newWorld(t)
	server := w.keyring("secret")
	w.must(server.Locked())
	w.install("secret")
	if keys, err := server.Keys(w.ctx, w.list); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestWrongPasswordLocks(t *testing.T) {
	w := newWorld(t)
	b := w.install("secret")
	for _, password := range []string{"Secret", ""} {
		k := w.keyring(password)
		want := keyring.ErrPassword
		if password == "" {
			want = keyring.ErrNoPassword
		}
		for range 2 {
			if err := k.Locked(); !errors.Is(err, keyring.ErrLocked) || !errors.Is(err, want) {
				t.Errorf("password %q: %v", password, err)
			}
			if _, err := k.Keys(w.ctx, w.list); !errors.Is(err, keyring.ErrLocked) {
				t.Errorf("password %q: %v", password, err)
			}
			if _, err := k.HMAC(w.ctx, "x", nil); !errors.Is(err, keyring.ErrLocked) {
				t.Errorf("password %q: %v", password, err)
			}
		}
		// What needs no key goes on.
		if keys, err := k.Keys(w.ctx, w.other); len(keys) != 0 || err != nil {
			t.Errorf("a plain list: %v, %v", keys, err)
		}
		if _, err := k.Install(w.ctx, w.other, b); err == nil {
			t.Error("a key was stored under another password")
		}
	}
	if rows, err := w.store.AllKeys(w.ctx); err != nil || len(rows) != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// A server without password and without keys is simply empty.
func TestNoPasswordNoKeys(t *testing.T) {
	w := newWorld(t)
	k := w.keyring("")
	if err := k.Locked(); err != nil {
		t.Error(err)
	}
	if keys, err := k.Keys(w.ctx, w.list); len(keys) != 0 || err != nil {
		t.Error(keys, err)
	}
	_, err := k.Install(w.ctx, w.list, w.bundle())
	if !errors.Is(err, keyring.ErrNoPassword) || !strings.Contains(err.Error(), "key_password_file") {
		t.Errorf("the remedy is missing: %v", err)
	}
	if _, err := k.HMAC(w.ctx, "x", nil); !errors.Is(err, keyring.ErrNoPassword) {
		t.Error(err)
	}
}

// Of two programs that begin with two passwords one wins, and the other knows.
func TestFirstPasswordCounts(t *testing.T) {
	w := newWorld(t)
	a, b := w.keyring("a"), w.keyring("b")
	if a.Locked() != nil || b.Locked() != nil {
		t.Fatal("an unused database locks")
	}
	_, err := a.HMAC(w.ctx, "x", nil)
	w.must(err)
	if _, err := b.HMAC(w.ctx, "x", nil); !errors.Is(err, keyring.ErrPassword) {
		t.Error(err)
	}
}

func TestInstallRefuses(t *testing.T) {
	w := newWorld(t)
	b := w.install("secret")
	k := w.keyring("secret")
	if _, err := k.Install(w.ctx, w.list, b); !errors.Is(err, store.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	// One key belongs to one list (invariant 10), also with a certificate that names both.
	renewed := w.ca.Issue(address, smimetest.WithKey(b.Private), smimetest.Addresses(address, "other@lists.example.org"))
	again := keyring.Bundle{Certificate: renewed.Certificate, Private: renewed.Private}
	if _, err := k.Install(w.ctx, w.other, again); !errors.Is(err, store.ErrKeyTaken) {
		t.Errorf("another list's key: %v", err)
	}
	if _, err := k.Install(w.ctx, w.list, again); err != nil {
		t.Errorf("a renewed certificate: %v", err)
	}
	if _, err := k.Install(w.ctx, w.other, w.bundle(smimetest.FreshKey)); !errors.Is(err, keyring.ErrAddress) {
		t.Errorf("a certificate of another address: %v", err)
	}
	if _, err := k.Install(w.ctx, 77, b); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such list: %v", err)
	}
}

// Invariant 9: one damaged key harms itself only.
func TestDamagedKey(t *testing.T) {
	w := newWorld(t)
	good, bad := w.install("secret"), w.bundle(smimetest.FreshKey)
	rows, err := w.store.Keys(w.ctx, w.list)
	w.must(err)
	foreign := rows[0].PKCS8 // opens, but is not this certificate's
	for i, pkcs8 := range [][]byte{[]byte("junk"), foreign, foreign[:len(foreign)-16], {0x30, 0x00}} {
		_, err = w.store.PutKey(w.ctx, store.KeyRow{List: w.other, Fingerprint: fmt.Sprint("f", i), PublicKey: fmt.Sprint("p", i),
			Certificate: bad.Certificate.Raw, PKCS8: pkcs8, State: keyring.Active})
		w.must(err)
	}
	k := w.keyring("secret")
	if _, err := k.Keys(w.ctx, w.other); !errors.Is(err, keyring.ErrLocked) {
		t.Errorf("a list with nothing but damaged keys: %v", err)
	}
	if keys, err := k.Keys(w.ctx, w.list); err != nil || len(keys) != 1 || !keys[0].Certificate.Equal(good.Certificate) {
		t.Errorf("the other list: %v, %v", keys, err)
	}
	_, err = k.Install(w.ctx, w.other, func() keyring.Bundle {
		id := w.ca.Issue("other@lists.example.org", smimetest.FreshKey)
		return keyring.Bundle{Certificate: id.Certificate, Private: id.Private}
	}())
	w.must(err)
	if keys, err := k.Keys(w.ctx, w.other); err != nil || len(keys) != 1 {
		t.Errorf("a good key beside damaged ones: %v, %v", keys, err)
	}
}

// A tampered derivation costs no time worth speaking of, and no crash.
func TestDamagedSecret(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"iterations without end": func(m map[string]any) { m["iterations"] = 1 << 40 },
		"none":                   func(m map[string]any) { m["iterations"] = 0 },
		"no salt":                func(m map[string]any) { m["salt"] = "" },
		"short nonce":            func(m map[string]any) { m["nonce"] = "AAAA" },
		"nothing sealed":         func(m map[string]any) { m["sealed"] = "" },
	} {
		t.Run(name, func(t *testing.T) {
			w, other := newWorld(t), newWorld(t)
			w.install("secret")
			stored, err := w.store.Secret(w.ctx, "keyring")
			w.must(err)
			var m map[string]any
			w.must(json.Unmarshal(stored, &m))
			change(m)
			stored, err = json.Marshal(m)
			w.must(err)
			w.must(other.store.PutSecretOnce(w.ctx, "keyring", stored))
			if err := other.keyring("secret").Locked(); !errors.Is(err, keyring.ErrLocked) {
				t.Error(err)
			}
		})
	}
}

func TestHMAC(t *testing.T) {
	w := newWorld(t)
	mac := func(k *keyring.Keyring, purpose, data string) string {
		t.Helper()
		sum, err := k.HMAC(w.ctx, purpose, []byte(data))
		w.must(err)
		if len(sum) != 32 {
			t.Fatalf("%d octets", len(sum))
		}
		return string(sum)
	}
	k := w.keyring("secret")
	sum := mac(k, "replay", "data")
	if sum != mac(w.keyring("secret"), "replay", "data") {
		t.Error("it changes with the process")
	}
	if sum == mac(k, "token", "data") || sum == mac(k, "replay", "Data") || mac(k, "replay", "") == mac(k, "", "replay") {
		t.Error("purposes or data share a value")
	}
	if sum == mac(newWorld(t).keyring("secret"), "replay", "data") {
		t.Error("two databases share a secret")
	}
}

// Invariant 10: at rest, in logs, in what any printer or encoder makes of a
// key, nothing of its private half is in clear.
func TestNothingInClear(t *testing.T) {
	peer.OnFile(t) // it reads the database's octets
	w := newWorld(t)
	b := w.install("a password to be searched for")
	k := w.keyring("a password to be searched for")
	keys, err := k.Keys(w.ctx, w.list)
	w.must(err)
	w.must(w.store.Close())
	secrets := [][]byte{[]byte("a password to be searched for")}
	private := b.Private.(*rsa.PrivateKey)
	for _, n := range [][]byte{private.D.Bytes(), private.Primes[0].Bytes(), private.Primes[1].Bytes()} {
		secrets = append(secrets, n[:16], []byte(fmt.Sprintf("%x", n[:16])), []byte(base64.StdEncoding.EncodeToString(n)[:20]))
	}
	secrets = append(secrets, []byte(private.D.String()[:20]), []byte(private.Primes[0].String()[:20]))

	type nested struct {
		inner any
		Outer any
	}
	type within struct {
		Key    keyring.Key
		bundle keyring.Bundle
	}
	logger := slog.New(slog.NewTextHandler(&w.log, nil))
	var shown bytes.Buffer
	for _, v := range []any{keys[0], &keys[0], keys, b, &b, nested{keys[0], b}, within{keys[0], b}, map[string]any{"k": keys[0], "b": b}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&shown, verb, v)
		}
		if text, err := json.Marshal(v); err == nil {
			shown.Write(text)
		}
		slog.New(slog.NewJSONHandler(&w.log, nil)).Info("a key", "value", v)
		logger.Info("a key", "value", v)
	}
	all := map[string][]byte{"print": shown.Bytes(), "log": w.log.Bytes()}
	for _, name := range []string{"", "-wal"} {
		if octets, err := os.ReadFile(w.path + name); err == nil {
			all["database"+name] = octets
		}
	}
	if len(all["database"]) == 0 {
		t.Fatal("no database was searched")
	}
	for where, octets := range all {
		for i, s := range secrets {
			if bytes.Contains(octets, s) {
				t.Errorf("%s holds secret %d", where, i)
			}
		}
	}
}

// The stored form is the standard's: the program openssl opens it.
func TestOpenSSLOpensStoredKey(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	w := newWorld(t)
	b := w.install("secret")
	w.install("secret", smimetest.ECP256)
	rows, err := w.store.Keys(w.ctx, w.list)
	w.must(err)
	var algorithms [2][]byte
	for i, row := range rows {
		var info struct {
			Algorithm asn1.RawValue
			Encrypted []byte
		}
		_, err := asn1.Unmarshal(row.PKCS8, &info)
		w.must(err)
		algorithms[i] = info.Algorithm.FullBytes // the IV stands last
	}
	a, b2 := algorithms[0], algorithms[1]
	if n := len(a) - 16; !bytes.Equal(a[:n], b2[:n]) || bytes.Equal(a[n:], b2[n:]) {
		t.Error("the keys do not share the derivation, or share an IV")
	}
	for i, row := range rows {
		path := filepath.Join(t.TempDir(), "key.der")
		w.must(os.WriteFile(path, row.PKCS8, 0o600))
		out, err := openssl.Run("pkcs8", "-inform", "DER", "-in", path, "-passin", "pass:secret")
		if err != nil {
			t.Fatal(err)
		}
		id := smimetest.Identity{Private: b.Private}
		if got, _ := pem.Decode(out); i == 1 && !bytes.Equal(pem.EncodeToMemory(got), id.KeyPEM()) {
			t.Error("openssl sees another key")
		}
		if _, err := openssl.Run("pkcs8", "-inform", "DER", "-in", path, "-passin", "pass:Secret"); err == nil {
			t.Error("openssl opens it with another password")
		}
	}
}

// The derivation is paid once a process, however many lists there are.
func TestOneDerivationForAllKeys(t *testing.T) {
	w := newWorld(t)
	const iterations = 200_000
	k := keyring.Open(w.ctx, w.store, []byte("secret"), keyring.Options{Iterations: iterations})
	var ids []list.ID
	for i := range 20 {
		name := fmt.Sprintf("list%d@lists.example.org", i)
		id, err := w.store.CreateList(w.ctx, list.List{Address: list.MustParseAddress(name)})
		w.must(err)
		one := w.ca.Issue(name, smimetest.ECP256)
		_, err = k.Install(w.ctx, id, keyring.Bundle{Certificate: one.Certificate, Private: one.Private})
		w.must(err)
		ids = append(ids, id)
	}
	k = keyring.Open(w.ctx, w.store, []byte("secret"), keyring.Options{})
	start := time.Now()
	w.must(k.Locked())
	once := time.Since(start)
	start = time.Now()
	for _, id := range ids {
		if keys, err := k.Keys(w.ctx, id); err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
	}
	if all := time.Since(start); all > 10*once {
		t.Errorf("20 keys took %v after a derivation of %v", all, once)
	}
}
