package trust_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// FuzzRules gives any two certificates to all rules, the second as a CA above the first, below a real root. Nothing crashes, a
// refusal has its reason, the cache does not change a verdict, and nobody is believed whose certificate the root did not
// issue.
func FuzzRules(f *testing.F) {
	root := smimetest.NewCA("Root", smimetest.ECP256)
	constrained := root.Sub("Sub", smimetest.ECP256, explicit, policyMappings([][2]string{{"1.2.3", "1.2.4"}}), smimetest.Extension(oidNC, true,
		subtrees([][]byte{generalName(0x81, []byte("corp.example")), generalName(0x87, make([]byte, 8)), generalName(0xa4, name(rdn(attribute{o, utf8Text, "Corp"})))},
			[][]byte{generalName(0x86, []byte(".corp.example")), generalName(0x82, []byte("www.corp.example"))})))
	plain := root.Sub("Sub", smimetest.ECP256, smimetest.PathLen(0))
	for _, ca := range []*smimetest.CA{constrained, plain} {
		leaf := ca.Issue("alice@corp.example", smimetest.ECP256, smimetest.DNEmail("Alice@Corp.example"), func(t *smimetest.Template) {
			t.X509.DNSNames, t.X509.Policies = []string{"*.corp.example"}, []x509.OID{}
		})
		f.Add(leaf.Certificate.Raw, ca.Certificate.Raw)
	}
	f.Add(constrained.Issue("a@xn--bcher-kva.example", smimetest.ECP256).Certificate.Raw, root.Certificate.Raw)
	genuine := func(cert *x509.Certificate) bool { return cert.CheckSignatureFrom(root.Certificate) == nil }
	f.Fuzz(func(t *testing.T, leafDER, caDER []byte) {
		leaf, err := x509.ParseCertificate(leafDER)
		if err != nil {
			return
		}
		ca, err := x509.ParseCertificate(caDER)
		if err != nil {
			return
		}
		policy := anchored(root)
		for _, use := range []trust.Use{trust.Signing, trust.Encryption} {
			v := policy.Judge(leaf, use, now, []*x509.Certificate{ca})
			again := policy.Judge(leaf, use, now, []*x509.Certificate{ca})
			switch {
			case v.OK() != (v.Reason == "") || !v.OK() && v.Detail == "":
				t.Fatalf("%+v", v)
			case v.Reason != again.Reason:
				t.Fatalf("%q, then %q", v.Reason, again.Reason)
			case v.OK() && len(v.Path) > 1 && !genuine(v.Path[len(v.Path)-2]):
				t.Fatalf("a path that the root did not sign: %+v", v)
			}
		}
		if v := policy.Validate([]*x509.Certificate{leaf, ca, root.Certificate}, trust.Signing, now); v.Reason != "" && v.Detail == "" {
			t.Fatalf("%+v", v)
		}
		for _, address := range trust.Addresses(leaf) {
			if strings.Count(address, "@") != 1 || !trust.Names(leaf, address) || !trust.EqualAddress(address, address) {
				t.Fatalf("%q", address)
			}
		}
		if !trust.SameName(leaf.RawSubject, leaf.RawSubject) {
			t.Fatal("a name differs from itself")
		}
	})
}
