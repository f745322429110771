package relay_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/relay"
)

// certificate makes a self-signed server certificate and a pool that trusts it.
func certificate(t testing.TB, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hop"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	if len(names) > 0 {
		template.IPAddresses = nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// pemPair is a server certificate and its key as PEM.
func pemPair(t testing.TB) (cert, key []byte) {
	t.Helper()
	pair, _ := certificate(t)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestTLS(t *testing.T) {
	good, trusted := certificate(t)
	other, _ := certificate(t, "elsewhere.example")
	serve := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	for _, c := range []struct {
		name string
		sink peer.SinkOptions
		mode relay.TLSMode
		tls  bool   // the mail came encrypted
		err  string // or Send says this
	}{
		{"none, offered", peer.SinkOptions{TLS: serve(good)}, relay.TLSNone, false, ""},
		{"opportunistic, not offered", peer.SinkOptions{}, relay.TLSOpportunistic, false, ""},
		{"opportunistic, offered", peer.SinkOptions{TLS: serve(good)}, relay.TLSOpportunistic, true, ""},
		{"opportunistic, unverifiable", peer.SinkOptions{TLS: serve(other)}, relay.TLSOpportunistic, true, ""},
		{"opportunistic, refused", peer.SinkOptions{TLS: serve(good), Behave: peer.Answer("STARTTLS", "454 4.7.0 no")}, relay.TLSOpportunistic, false, ""},
		{"opportunistic, broken", peer.SinkOptions{TLS: &tls.Config{}}, relay.TLSOpportunistic, false, ""},
		{"required, offered", peer.SinkOptions{TLS: serve(good)}, relay.TLSRequired, true, ""},
		{"required, LMTP", peer.SinkOptions{TLS: serve(good), LMTP: true}, relay.TLSRequired, true, ""},
		{"required, not offered", peer.SinkOptions{}, relay.TLSRequired, false, "does not offer STARTTLS"},
		{"required, refused", peer.SinkOptions{TLS: serve(good), Behave: peer.Answer("STARTTLS", "454 4.7.0 no")}, relay.TLSRequired, false, "454 4.7.0 no"},
		{"required, unverifiable", peer.SinkOptions{TLS: serve(other)}, relay.TLSRequired, false, "x509"},
		{"implicit", peer.SinkOptions{TLS: serve(good), ImplicitTLS: true}, relay.TLSImplicit, true, ""},
		{"implicit, unverifiable", peer.SinkOptions{TLS: serve(other), ImplicitTLS: true}, relay.TLSImplicit, false, "x509"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := peer.StartSink(t, c.sink)
			r, err := relay.New(relay.Config{URL: sink.URL, TLS: c.mode, TLSConfig: &tls.Config{RootCAs: trusted}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			o := sendOver(t, r, append(transactions(2), relay.Transaction{
				ForwardPath: "a@b.example", Body: segments("big\r\n", strings.Repeat(strings.Repeat("x", 76)+"\r\n", 30_000)),
			})...)
			closeRelay(t, r)
			if c.err != "" {
				if o.err == nil || !strings.Contains(o.err.Error(), c.err) || o.pulled != 0 || len(sink.Mails()) > 0 {
					t.Fatalf("%v, %d taken, %d mails", o.err, o.pulled, len(sink.Mails()))
				}
				return
			}
			mails := sink.Mails()
			if o.err != nil || len(mails) != 3 {
				t.Fatalf("%v, %d mails", o.err, len(mails))
			}
			for i, m := range mails {
				if m.TLS != c.tls || o.results[i].TLS != c.tls {
					t.Errorf("TLS %v, reported as %v, want %v", m.TLS, o.results[i].TLS, c.tls)
				}
			}
			if mails[2].Size != 5+78*30_000 {
				t.Errorf("the large one has %d octets", mails[2].Size)
			}
		})
	}
}

// Invariant 6: octets that a man in the middle put behind the answer to
// STARTTLS end the connection, in every mode that uses it.
func TestOctetsBehindSTARTTLS(t *testing.T) {
	for _, mode := range []relay.TLSMode{relay.TLSOpportunistic, relay.TLSRequired} {
		glued := func(d *dialogue) {
			d.greet("PIPELINING", "STARTTLS")
			d.hear("STARTTLS")
			d.say("220 go ahead", "250-injected", "250 SMTPUTF8")
			if _, err := d.in.ReadByte(); err == nil {
				t.Errorf("%s: the relay went on", mode)
			}
		}
		o := sendTo(t, newFake(t, glued), relay.Config{TLS: mode}, 1)
		if o.err == nil || !strings.Contains(o.err.Error(), "octets behind its answer to STARTTLS") || o.pulled != 0 {
			t.Errorf("%s: %+v", mode, o)
		}
	}
}
