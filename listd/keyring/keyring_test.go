package keyring_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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

const team = "team@lists.example.org"

func newStore(t *testing.T) (*store.Store, list.ID) {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st, newList(t, st, team)
}

func newList(t *testing.T, st *store.Store, address string) list.ID {
	t.Helper()
	id, err := st.CreateList(t.Context(), list.List{Address: list.MustParseAddress(address)})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func ring(st *store.Store, password string) *keyring.Keyring {
	return keyring.Open(context.Background(), st, []byte(password), keyring.Options{Iterations: 1000})
}

func bundle(t *testing.T, id *smimetest.Identity) keyring.Bundle {
	t.Helper()
	b, err := keyring.ParsePKCS12(id.PKCS12("x"), "x")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInstallAndReopen(t *testing.T) {
	st, id := newStore(t)
	ca := smimetest.NewCA("Root").Sub("Issuing")
	identity := ca.Issue(team)
	installed, err := ring(st, "right").Install(t.Context(), id, bundle(t, identity))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ring(st, "right").Keys(t.Context(), id)
	if err != nil || len(keys) != 1 || keys[0].Fingerprint != installed.Fingerprint || !keys[0].Certificate.Equal(identity.Certificate) {
		t.Fatalf("%v, %v", keys, err)
	}
	if len(keys[0].Chain) == 0 || !keys[0].Chain[0].Equal(identity.Chain[0]) {
		t.Error("the chain was not kept")
	}
	for name, password := range map[string]string{"wrong": "wrong", "none": ""} {
		k := ring(st, password)
		want := keyring.ErrPassword
		if password == "" {
			want = keyring.ErrNoPassword
		}
		if err := k.Locked(); !errors.Is(err, keyring.ErrLocked) || !errors.Is(err, want) {
			t.Errorf("%s: Locked is %v", name, err)
		}
		if _, err := k.Keys(t.Context(), id); !errors.Is(err, keyring.ErrLocked) {
			t.Errorf("%s: Keys says %v", name, err)
		}
		if keys, err := k.Keys(t.Context(), newList(t, st, name+"@lists.example.org")); err != nil || keys != nil {
			t.Errorf("%s: a list without keys: %v, %v", name, keys, err)
		}
		if _, err := k.HMAC(t.Context(), "x", nil); err == nil {
			t.Errorf("%s: an HMAC was made", name)
		}
	}
}

func TestEmptyKeyring(t *testing.T) {
	st, id := newStore(t)
	k := ring(st, "")
	if err := k.Locked(); err != nil {
		t.Errorf("a keyring that never held a key is locked: %v", err)
	}
	if _, err := k.Install(t.Context(), id, bundle(t, smimetest.NewCA("Root").Issue(team))); !errors.Is(err, keyring.ErrNoPassword) {
		t.Errorf("installing without a password: %v", err)
	}
}

func TestAServerSeesTheFirstKey(t *testing.T) {
	st, id := newStore(t)
	server := ring(st, "right")
	if err := server.Locked(); err != nil {
		t.Fatal(err)
	}
	if _, err := ring(st, "right").Install(t.Context(), id, bundle(t, smimetest.NewCA("Root").Issue(team))); err != nil {
		t.Fatal(err)
	}
	if keys, err := server.Keys(t.Context(), id); err != nil || len(keys) != 1 {
		t.Errorf("a running server sees %v, %v", keys, err)
	}
}

func TestOneKeyOneList(t *testing.T) {
	st, id := newStore(t)
	ca := smimetest.NewCA("Root")
	identity := ca.Issue(team, smimetest.Addresses(team, "other@lists.example.org"))
	k := ring(st, "right")
	if _, err := k.Install(t.Context(), id, bundle(t, identity)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Install(t.Context(), id, bundle(t, identity)); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same again: %v", err)
	}
	if _, err := k.Install(t.Context(), newList(t, st, "other@lists.example.org"), bundle(t, ca.Renew(identity, smimetest.Addresses("other@lists.example.org")))); !errors.Is(err, store.ErrKeyTaken) {
		t.Errorf("another list with the same key: %v", err)
	}
}

func TestCheck(t *testing.T) {
	ca := smimetest.NewCA("Root")
	now := time.Now()
	for _, c := range []struct {
		name string
		opts []smimetest.Option
		want error
	}{
		{"RSA", nil, nil},
		{"P-256", []smimetest.Option{smimetest.ECP256}, nil},
		{"without an address", []smimetest.Option{smimetest.NoSAN}, nil},
		{"another address", []smimetest.Option{smimetest.Addresses("board@lists.example.org")}, keyring.ErrAddress},
		{"expired", []smimetest.Option{smimetest.Validity(now.AddDate(-1, 0, 0), now.AddDate(0, 0, -1))}, keyring.ErrUnusable},
		{"not yet valid", []smimetest.Option{smimetest.Validity(now.AddDate(0, 0, 1), now.AddDate(1, 0, 0))}, keyring.ErrUnusable},
		{"sign only", []smimetest.Option{smimetest.SignOnly}, keyring.ErrUnusable},
		{"for servers", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth)}, keyring.ErrUnusable},
		{"RSA 1024", []smimetest.Option{smimetest.RSA(1024)}, keyring.ErrUnusable},
		{"Ed25519", []smimetest.Option{smimetest.Ed25519}, keyring.ErrKeyType},
	} {
		st, id := newStore(t)
		_, err := ring(st, "right").Install(t.Context(), id, bundle(t, ca.Issue(team, c.opts...)))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestPKCS12Forms reads what OpenSSL writes in all its ages.
func TestPKCS12Forms(t *testing.T) {
	openssl := peer.Program(t, "openssl")
	ca := smimetest.NewCA("Root").Sub("Issuing")
	id, other := ca.Issue(team), ca.Issue("other@example.org")
	dir := t.TempDir()
	write := func(name string, octets ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Join(octets, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, cert := write("key.pem", id.KeyPEM()), write("cert.pem", id.CertificatePEM())
	chain, stranger := write("chain.pem", ca.PEM()), write("other.pem", other.CertificatePEM())
	for _, c := range []struct {
		name, password string
		args           []string
		want           error
	}{
		{"OpenSSL 3", "secret", []string{"-inkey", key, "-in", cert, "-certfile", chain}, nil},
		{"OpenSSL 1 (RC2 and 3DES)", "secret", []string{"-legacy", "-inkey", key, "-in", cert, "-certfile", chain}, nil},
		{"Windows (3DES, SHA-1)", "secret", []string{"-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-inkey", key, "-in", cert, "-certfile", chain}, nil},
		{"SHA-512 MAC", "secret", []string{"-macalg", "sha512", "-inkey", key, "-in", cert, "-certfile", chain}, nil},
		{"empty password", "", []string{"-inkey", key, "-in", cert, "-certfile", chain}, nil},
		{"not only ASCII", "pässword", []string{"-legacy", "-inkey", key, "-in", cert, "-certfile", chain}, nil},
		{"no key", "secret", []string{"-nokeys", "-in", cert}, keyring.ErrNoKey},
		{"no certificate", "secret", []string{"-nocerts", "-inkey", key}, keyring.ErrNoCertificate},
		{"wrong password", "secret", []string{"-inkey", key, "-in", cert}, keyring.ErrBundlePassword},
		{"another's certificate first", "secret", []string{"-inkey", key, "-in", cert, "-certfile", stranger}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(dir, "out.p12")
			cmd := exec.Command(openssl, append([]string{"pkcs12", "-export", "-out", out, "-passout", "env:P12"}, c.args...)...)
			cmd.Env = append(os.Environ(), "P12="+c.password)
			if msg, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("openssl: %v\n%s", err, msg)
			}
			octets, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			password := c.password
			if errors.Is(c.want, keyring.ErrBundlePassword) {
				password = "another"
			}
			b, err := keyring.ParsePKCS12(octets, password)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil && !b.Certificate.Equal(id.Certificate) {
				t.Error("another certificate was taken for the list's")
			}
			if err == nil && strings.Contains(strings.Join(c.args, " "), "-certfile") && len(b.Chain) == 0 {
				t.Error("the chain was lost")
			}
		})
	}
}

// TestStoredKeyIsStandard opens what is in the database with openssl.
func TestStoredKeyIsStandard(t *testing.T) {
	openssl := peer.Program(t, "openssl")
	st, id := newStore(t)
	if _, err := ring(st, "right").Install(t.Context(), id, bundle(t, smimetest.NewCA("Root").Issue(team))); err != nil {
		t.Fatal(err)
	}
	rows, err := st.Keys(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKCS8PrivateKey(rows[0].PKCS8); err == nil {
		t.Fatal("the key is stored in clear")
	}
	cmd := exec.Command(openssl, "pkcs8", "-inform", "DER", "-passin", "pass:right")
	cmd.Stdin = bytes.NewReader(rows[0].PKCS8)
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("BEGIN PRIVATE KEY")) {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

func TestEachKeyHasItsOwnIV(t *testing.T) {
	st, id := newStore(t)
	ca := smimetest.NewCA("Root")
	k := ring(st, "right")
	seen := map[string]bool{}
	for range 3 {
		if _, err := k.Install(t.Context(), id, bundle(t, ca.Issue(team))); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := st.Keys(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		seen[string(r.PKCS8[:120])] = true // the parameters, IV included
	}
	if len(seen) != 3 {
		t.Errorf("%d different IVs for 3 keys", len(seen))
	}
}

func TestHMACByPurpose(t *testing.T) {
	st, _ := newStore(t)
	k := ring(st, "right")
	mac := func(k *keyring.Keyring, purpose, data string) string {
		m, err := k.HMAC(t.Context(), purpose, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return string(m)
	}
	if mac(k, "a", "x") != mac(ring(st, "right"), "a", "x") {
		t.Error("another process gets another HMAC")
	}
	if mac(k, "a", "x") == mac(k, "b", "x") || mac(k, "a", "x") == mac(k, "a", "y") {
		t.Error("purpose or data do not matter")
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	st, id := newStore(t)
	identity := smimetest.NewCA("Root").Issue(team)
	b := bundle(t, identity)
	k, err := ring(st, "right").Install(t.Context(), id, b)
	if err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf("%+v", identity.Private)[10:60]
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "bundle", b)
	for _, s := range []string{log.String(), fmt.Sprint(k, b), fmt.Sprintf("%+v %#v %x", k, b, k)} {
		if strings.Contains(s, plain) || len(s) > 400 {
			t.Errorf("a key was printed: %.80s", s)
		}
	}
}
