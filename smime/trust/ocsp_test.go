package trust_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

var noCheck = smimetest.Extension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, false, []byte{5, 0})

// TestStatusFromOCSP is the table of RFC 6960 section 3.2.
func TestStatusFromOCSP(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	namesake := smimetest.NewCA("CA", smimetest.ECP256)
	alice := ca.Issue("alice@corp.example", smimetest.ECP256).Certificate
	bob := ca.Issue("bob@corp.example", smimetest.ECP256).Certificate
	signer := func(of *smimetest.CA, o ...smimetest.Option) *smimetest.Identity {
		return of.Issue("ocsp@corp.example", append([]smimetest.Option{smimetest.ECP256, smimetest.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), noCheck}, o...)...)
	}
	delegate := signer(ca)
	answer := func(change func(*ocsp.Response)) ocsp.Response {
		r := ocsp.Response{Status: ocsp.Good, SerialNumber: alice.SerialNumber, ThisUpdate: now.Add(-time.Hour).Truncate(time.Second), NextUpdate: now.Add(time.Hour).Truncate(time.Second)}
		if change != nil {
			change(&r)
		}
		return r
	}
	byCA := func(change func(*ocsp.Response)) []byte {
		der, err := ocsp.CreateResponse(ca.Certificate, ca.Certificate, answer(change), ca.Key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	by := func(id *smimetest.Identity) []byte {
		der, err := ocsp.CreateResponse(ca.Certificate, id.Certificate, answer(func(r *ocsp.Response) { r.Certificate = id.Certificate }), id.Key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	foreign, err := ocsp.CreateResponse(namesake.Certificate, namesake.Certificate, answer(nil), namesake.Key)
	if err != nil {
		t.Fatal(err)
	}
	sub := ca.Sub("Sub", smimetest.ECP256)
	const good, revoked, stale, unknown, none = trust.RevocationGood, trust.RevocationRevoked, trust.RevocationStale, trust.RevocationNoAnswer, trust.RevocationState("")
	for _, test := range []struct {
		name string
		der  []byte
		want trust.RevocationState // none: it does not count
	}{
		{"good", byCA(nil), good},
		{"good, hashed with SHA-256", byCA(func(r *ocsp.Response) { r.IssuerHash = crypto.SHA256 }), good},
		{"revoked", byCA(func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, now }), revoked},
		{"unknown", byCA(func(r *ocsp.Response) { r.Status = ocsp.Unknown }), unknown},
		{"out of date", byCA(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = now.Add(-5*time.Hour), now.Add(-time.Hour) }), stale},
		{"out of date, revoked", byCA(func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.ThisUpdate, r.NextUpdate = ocsp.Revoked, now, now.Add(-5*time.Hour), now.Add(-time.Hour)
		}), revoked},
		{"without nextUpdate", byCA(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), good},
		{"without nextUpdate, old", byCA(func(r *ocsp.Response) { r.NextUpdate, r.ThisUpdate = time.Time{}, now.Add(-25*time.Hour) }), stale},
		{"of a time to come", byCA(func(r *ocsp.Response) { r.ThisUpdate = now.Add(30 * time.Minute) }), none},
		{"about another certificate", byCA(func(r *ocsp.Response) { r.SerialNumber = bob.SerialNumber }), none},
		{"about the namesake's certificate", foreign, none},
		{"a critical extension", byCA(func(r *ocsp.Response) {
			r.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), none},
		{"a delegate", by(delegate), good},
		{"a delegate of the namesake", by(signer(namesake)), none},
		{"a delegate of a CA below", by(signer(sub)), none},
		{"a person", by(signer(ca, smimetest.ExtKeyUsage(x509.ExtKeyUsageEmailProtection))), none},
		{"a certificate for any purpose", by(signer(ca, smimetest.ExtKeyUsage(x509.ExtKeyUsageAny))), none},
		{"a certificate without a purpose", by(signer(ca, smimetest.ExtKeyUsage())), none},
		{"an expired delegate", by(signer(ca, smimetest.Validity(now.Add(-5*time.Hour), now.Add(-time.Hour)))), none},
		{"a delegate that may not sign", by(signer(ca, smimetest.KeyUsage(x509.KeyUsageKeyAgreement))), none},
		{"tryLater", ocsp.TryLaterErrorResponse, none},
		{"unauthorized", ocsp.UnauthorizedErrorResponse, none},
		{"nothing", nil, none},
	} {
		a, err := trust.StatusFromOCSP(test.der, alice, ca.Certificate, now, trust.RevocationLimits{})
		switch {
		case (err != nil) != (test.want == none) || a.State != test.want:
			t.Errorf("%s: %q %v, want %q", test.name, a.State, err, test.want)
		case err != nil && !errors.Is(err, trust.ErrOCSP):
			t.Errorf("%s: %v", test.name, err)
		case err == nil && (a.Detail == "") != (a.State == good) || a.Responder != nil:
			t.Errorf("%s: %+v", test.name, a)
		}
	}
	toAsk := ca.Issue("ocsp@corp.example", smimetest.ECP256, smimetest.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning))
	if a, err := trust.StatusFromOCSP(by(toAsk), alice, ca.Certificate, now, trust.RevocationLimits{}); err != nil || a.Responder == nil || !a.Responder.Equal(toAsk.Certificate) {
		t.Errorf("a delegate without id-pkix-ocsp-nocheck: %+v, %v", a, err)
	}
	whole := by(delegate)
	for n := range len(whole) {
		if _, err := trust.StatusFromOCSP(whole[:n], alice, ca.Certificate, now, trust.RevocationLimits{}); err == nil {
			t.Fatalf("the first %d octets of it count", n)
		}
		changed := append([]byte(nil), whole...)
		changed[n] ^= 0x10
		if a, err := trust.StatusFromOCSP(changed, alice, ca.Certificate, now, trust.RevocationLimits{}); err == nil && a.State != good {
			t.Fatalf("with octet %d changed it says %s", n, a.State)
		}
	}
}

func FuzzOCSP(f *testing.F) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	alice := ca.Issue("alice@corp.example", smimetest.ECP256).Certificate
	for _, status := range []int{ocsp.Good, ocsp.Revoked, ocsp.Unknown} {
		der, err := ocsp.CreateResponse(ca.Certificate, ca.Certificate, ocsp.Response{Status: status, SerialNumber: alice.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), RevokedAt: now}, ca.Key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	other := smimetest.NewCA("CA", smimetest.ECP256).Certificate
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := trust.StatusFromOCSP(der, alice, ca.Certificate, now, trust.RevocationLimits{}); err != nil && !errors.Is(err, trust.ErrOCSP) {
			t.Errorf("%v does not wrap ErrOCSP", err)
		}
		if a, err := trust.StatusFromOCSP(der, alice, other, now, trust.RevocationLimits{}); err == nil {
			t.Errorf("nobody signed it: %+v", a)
		}
	})
}
