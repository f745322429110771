package smime_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestInspectRevocation is the table of what lists at hand say, in each mode.
func TestInspectRevocation(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub", smimetest.CRLURL("http://crl.corp.example/root.crl"))
	alice := sub.Issue("alice@corp.example", smimetest.CRLURL("http://crl.corp.example/sub.crl"))
	bob := root.Issue("bob@corp.example") // names nobody to ask
	now := time.Now()
	rootCRL, subCRL := root.CRL(now.Add(-time.Minute), time.Time{}), sub.CRL(now.Add(-time.Minute), time.Time{})
	revoked := sub.CRL(now.Add(-time.Minute), time.Time{}, alice.Certificate)
	stale := sub.CRL(now.Add(-48*time.Hour), time.Time{})
	staleRevoked := sub.CRL(now.Add(-48*time.Hour), time.Time{}, alice.Certificate)
	forged := smimetest.NewCA("Sub").CRL(now.Add(-time.Minute), time.Time{}, alice.Certificate)
	subRevoked := root.CRL(now.Add(-time.Minute), time.Time{}, sub.Certificate)
	for _, test := range []struct {
		name   string
		signer *smimetest.Identity
		crls   [][]byte
		state  trust.RevocationState
		known  trust.Reason
		strict trust.Reason // with require
	}{
		{"no list", alice, nil, "unknown", "", trust.RevocationUnknown},
		{"nobody to ask", bob, nil, "no_mechanism", "", trust.RevocationUnknown},
		{"nobody to ask, a list of the issuer", bob, [][]byte{rootCRL}, "good", "", ""},
		{"good", alice, [][]byte{rootCRL, subCRL}, "good", "", ""},
		{"the CA's list is missing", alice, [][]byte{subCRL}, "unknown", "", trust.RevocationUnknown},
		{"revoked", alice, [][]byte{revoked}, "revoked", trust.Revoked, trust.Revoked},
		{"the CA is revoked", alice, [][]byte{subRevoked, subCRL}, "revoked", trust.Revoked, trust.Revoked},
		{"out of date", alice, [][]byte{rootCRL, stale}, "stale", "", trust.RevocationUnknown},
		{"revoked, out of date", alice, [][]byte{rootCRL, staleRevoked}, "revoked", trust.Revoked, trust.Revoked},
		{"not on the newer list", alice, [][]byte{rootCRL, staleRevoked, subCRL}, "good", "", ""},
		{"forged", alice, [][]byte{rootCRL, forged}, "unknown", "", trust.RevocationUnknown},
		{"forged beside a good one", alice, [][]byte{rootCRL, forged, subCRL}, "good", "", ""},
		{"garbage", alice, [][]byte{nil, {0x30}, []byte("garbage")}, "unknown", "", trust.RevocationUnknown},
	} {
		octets := smimetest.Mail(test.signer.Address, "list@corp.example", "x", test.signer.Sign(smimetest.Text("x\r\n")))
		for mode, want := range map[string]trust.Reason{"": test.known, "known": test.known, "require": test.strict, "off": ""} {
			state := test.state
			if mode == "off" {
				state = trust.RevocationUnchecked
			}
			r := smime.Inspect(octets, smime.InspectOptions{CA: []*x509.Certificate{root.Certificate}, CRLs: test.crls, Revocation: mode})
			s := r.Layers[0].Signers[0]
			if r.Reason != want || r.Authenticated != (want == "") || s.Revocation != state || s.Trusted != (want == "") || !s.Valid || s.Reason != want {
				t.Errorf("%s, %q: %q, %+v; want %q and %s", test.name, mode, r.Reason, s, want, state)
			}
		}
	}
	r := smime.Inspect(smimetest.Mail(alice.Address, "list@corp.example", "x", smimetest.SelfSigned(alice.Address).Sign(smimetest.Text("x\r\n"))),
		smime.InspectOptions{CA: []*x509.Certificate{root.Certificate}, CRLs: [][]byte{subCRL}})
	if s := r.Layers[0].Signers[0]; s.Revocation != trust.RevocationUnchecked {
		t.Errorf("without a path: %+v", s)
	}
}
