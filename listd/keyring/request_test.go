package keyring_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// A key is made here, a CA of OpenSSL's issues its certificate, and that comes
// back with its chain in any order.
func TestRequest(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	for keyType, usage := range map[keyring.KeyType]string{"rsa-2048": "Key Encipherment", "p256": "Key Agreement"} {
		t.Run(string(keyType), func(t *testing.T) {
			w := newWorld(t)
			k := w.keyring("secret")
			row, csr, err := k.Request(w.ctx, w.list, keyType, keyring.Both)
			w.must(err)
			if row.State != store.KeyRequested {
				t.Errorf("it is %s", row.State)
			}
			dir := t.TempDir()
			put := func(name string, octets []byte) string {
				path := filepath.Join(dir, name)
				w.must(os.WriteFile(path, octets, 0o600))
				return path
			}
			request := put("csr.pem", csr)
			text, err := openssl.Run("req", "-in", request, "-verify", "-text", "-noout")
			w.must(err)
			for _, want := range []string{"email:" + address, "Digital Signature, " + usage, "E-mail Protection"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("the request has no %q:\n%s", want, text)
				}
			}
			if keys, err := k.Keys(w.ctx, w.list); err != nil || len(keys) != 0 {
				t.Errorf("before its certificate is there: %v, %v", keys, err)
			}
			ca := smimetest.Identity{Certificate: w.ca.Certificate, Private: w.ca.Key}
			cert, err := openssl.Run("x509", "-req", "-in", request, "-CA", put("ca.pem", ca.CertificatePEM()), "-CAkey", put("ca.key", ca.KeyPEM()),
				"-copy_extensions", "copy", "-days", "30")
			w.must(err)

			b, err := keyring.Parse([][]byte{append(ca.CertificatePEM(), cert...)}, "")
			w.must(err)
			key, err := w.keyring("secret").Add(w.ctx, w.list, b, keyring.Placing{})
			w.must(err)
			block, _ := pem.Decode(cert)
			leaf, err := x509.ParseCertificate(block.Bytes)
			w.must(err)
			if !key.Certificate.Equal(leaf) || len(key.Chain) != 1 || key.State != store.KeyActive || keyring.UseOf(leaf) != keyring.Both {
				t.Errorf("%v, %d others, %s", key.Certificate.Subject, len(key.Chain), key.State)
			}
			if keys, err := k.Keys(w.ctx, w.list); err != nil || len(keys) != 1 {
				t.Errorf("%v, %v", keys, err)
			}
			if rows, err := w.store.Keys(w.ctx, w.list); err != nil || len(rows) != 1 {
				t.Errorf("%d rows, %v", len(rows), err)
			}
		})
	}
}

// A certificate that renews another for the same key needs no private key.
func TestRenewedCertificate(t *testing.T) {
	w := newWorld(t)
	b := w.install("secret")
	id := w.ca.Renew(&smimetest.Identity{Address: address, Private: b.Private})
	key, err := w.keyring("secret").Add(w.ctx, w.list, keyring.Bundle{Certificate: id.Certificate}, keyring.Placing{})
	if err != nil || key.State != store.KeyActive || !key.Certificate.Equal(id.Certificate) {
		t.Fatal(key, err)
	}
	rows, err := w.store.Keys(w.ctx, w.list)
	if err != nil || len(rows) != 2 || rows[1].State != store.KeyDecryptOnly {
		t.Errorf("%d keys, %v", len(rows), err)
	}
}

func TestCertificateThatNobodyRequested(t *testing.T) {
	w := newWorld(t)
	k := w.keyring("secret")
	_, _, err := k.Request(w.ctx, w.list, "p256", keyring.Encrypt)
	w.must(err)
	b := w.bundle()
	b.Private = nil
	if _, err := k.Add(w.ctx, w.list, b, keyring.Placing{}); !errors.Is(err, keyring.ErrNoRequest) {
		t.Error(err)
	}
	if _, _, err := k.Request(w.ctx, w.list, "dsa", keyring.Both); err == nil {
		t.Error("a DSA key was made")
	}
	if _, _, err := w.keyring("wrong").Request(w.ctx, w.list, "p256", keyring.Both); !errors.Is(err, keyring.ErrPassword) {
		t.Error(err)
	}
}
