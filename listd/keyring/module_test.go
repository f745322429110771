//go:build pkcs11

package keyring_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestKeysInAModule: a pair whose private half is on a token is checked like any
// other, is kept as a reference, opens and signs for whoever starts later, stays
// through a change of the key password, is renewed, and is retired without being
// destroyed on the token.
func TestKeysInAModule(t *testing.T) {
	w := newWorld(t)
	token := peer.SoftHSM(t)
	module := hsm.Open(hsm.Options{Path: token.Module, PIN: func() ([]byte, error) { return []byte(token.PIN), nil }})
	t.Cleanup(func() { module.Close() })
	open := func(password string) *keyring.Keyring {
		return keyring.Open(w.ctx, w.store, []byte(password), keyring.Options{Iterations: 100, HSM: module})
	}
	k := open("secret")
	for label, kind := range map[string]smimetest.Option{"rsa": smimetest.FreshKey, "curve": smimetest.ECP384} {
		id := w.ca.Issue(address, kind)
		token.Import(label, "01", id.KeyPEM())
		uri := "pkcs11:token=" + url.PathEscape(token.Label) + ";object=" + label
		certificates := keyring.Bundle{Certificate: id.Certificate, Chain: id.Chain}
		b, err := k.InModule(certificates, uri)
		w.must(err)
		if _, err := k.Add(w.ctx, w.list, b, keyring.Placing{}); err != nil {
			t.Fatal(err)
		}
		fingerprint := trust.Fingerprint(id.Certificate)
		row, err := w.store.Key(w.ctx, fingerprint)
		w.must(err)
		if keyring.Reference(row) != uri || string(row.PKCS8) != uri {
			t.Errorf("%s: kept as %q", label, row.PKCS8)
		}
		works(w, open("secret"), id)

		renewed := w.ca.Issue(address, smimetest.WithKey(id.Private))
		_, err = k.Add(w.ctx, w.list, keyring.Bundle{Certificate: renewed.Certificate}, keyring.Placing{})
		w.must(err)
		works(w, open("secret"), renewed)

		row, err = w.store.Key(w.ctx, fingerprint)
		w.must(err)
		w.must(k.Retire(w.ctx, row))
		if row, err = w.store.Key(w.ctx, fingerprint); err != nil || len(row.PKCS8) > 0 || row.State != store.KeyRetired {
			t.Errorf("%s: %v, %v", label, row, err)
		}
		works(w, open("secret"), renewed)
	}
	changed, damaged, err := k.Rekey(w.ctx, []byte("a new secret"))
	if err != nil || changed != 2 || len(damaged) > 0 {
		t.Errorf("%d changed, %v, %v", changed, damaged, err)
	}
	if keys, err := open("a new secret").Keys(w.ctx, w.list); err != nil || len(keys) != 2 {
		t.Errorf("%v, %v", keys, err)
	}
}

// works lets a list's key open and sign.
func works(w *world, k *keyring.Keyring, id *smimetest.Identity) {
	w.t.Helper()
	keys, err := k.Keys(w.ctx, w.list)
	w.must(err)
	for _, key := range keys {
		if !key.Certificate.Equal(id.Certificate) {
			continue
		}
		s, err := cms.NewSealer([]byte("a secret"), cms.AES256CBC)
		w.must(err)
		der, err := s.DER([]*cms.Recipient{id.Recipient(cms.RecipientOptions{})})
		w.must(err)
		c, err := cms.Read(der, cms.NewBudget(cms.Limits{}))
		w.must(err)
		got, err := c.(*cms.EnvelopedData).Decrypt([]cms.Key{{Certificate: key.Certificate, Private: key.Private}}, nil, cms.DecryptPolicy{})
		if string(got) != "a secret" {
			w.t.Errorf("%q, %v", got, err)
		}
		signer, ok := key.Signer()
		if !ok {
			w.t.Fatal("it does not sign")
		}
		_, err = cms.Sign([]byte("content"), cms.SignOptions{Certificate: key.Certificate, Signer: signer})
		w.must(err)
		return
	}
	w.t.Errorf("%v: not there", keys)
}

// TestRefusedInAModule: why a key on a token is not taken has the words that
// files have.
func TestRefusedInAModule(t *testing.T) {
	w := newWorld(t)
	token := peer.SoftHSM(t)
	pin := token.PIN
	module := hsm.Open(hsm.Options{Path: token.Module, PIN: func() ([]byte, error) { return []byte(pin), nil }})
	t.Cleanup(func() { module.Close() })
	k := keyring.Open(w.ctx, w.store, []byte("secret"), keyring.Options{Iterations: 100, HSM: module})
	id := w.ca.Issue(address, smimetest.FreshKey)
	token.Import("board", "01", id.KeyPEM())
	of := "pkcs11:token=" + url.PathEscape(token.Label) + ";object="
	other := w.ca.Issue(address, smimetest.FreshKey)
	for _, c := range []struct {
		what, uri string
		b         keyring.Bundle
		pin, want string
	}{
		{"the PIN is another", of + "board", keyring.Bundle{Certificate: id.Certificate}, "9999", "wrong_password"},
		{"all is well", of + "board", keyring.Bundle{Certificate: id.Certificate}, token.PIN, ""},
		{"another certificate", of + "board", keyring.Bundle{Certificate: other.Certificate}, token.PIN, "key_mismatch"},
		{"no such key", of + "bored", keyring.Bundle{Certificate: id.Certificate}, token.PIN, "no_key"},
		{"a key in the files, too", of + "board", keyring.Bundle{Certificate: id.Certificate, Private: id.Private}, token.PIN, "two_keys"},
		{"a PIN in the URI", of + "board?pin-value=1234", keyring.Bundle{Certificate: id.Certificate}, token.PIN, "malformed"},
		{"another kind of key", of + "board", keyring.Bundle{Certificate: w.ca.Issue(address, smimetest.Ed25519).Certificate}, token.PIN, "unsupported_algorithm"},
	} {
		pin = c.pin
		module.Close() // so that it logs in again
		if _, err := k.InModule(c.b, c.uri); keyring.Reason(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	b, err := k.InModule(keyring.Bundle{Certificate: w.ca.Issue("other@lists.example.org", smimetest.WithKey(id.Private)).Certificate}, of+"board")
	w.must(err)
	if _, err := k.Add(w.ctx, w.list, b, keyring.Placing{}); keyring.Reason(err) != "address_mismatch" {
		t.Errorf("another's address: %v", err)
	}
	if _, err := k.InModule(keyring.Bundle{Certificate: id.Certificate}, "pkcs11:token=elsewhere;object=board"); !errors.Is(err, hsm.ErrNoToken) || keyring.Reason(err) != "" {
		t.Errorf("no such token: %v", err)
	}
}
