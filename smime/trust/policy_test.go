package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func TestUsage(t *testing.T) {
	ca := smimetest.NewCA("CA")
	policy := anchored(ca)
	const (
		no = trust.WrongUsage
		ok = trust.Reason("")
	)
	ku := smimetest.KeyUsage
	tests := []struct {
		name             string
		options          []smimetest.Option
		signing, encrypt trust.Reason
	}{
		{"RSA without keyUsage", []smimetest.Option{ku()}, ok, ok},
		{"RSA keyEncipherment", []smimetest.Option{ku(x509.KeyUsageKeyEncipherment)}, no, ok},
		{"RSA digitalSignature", []smimetest.Option{ku(x509.KeyUsageDigitalSignature)}, ok, no},
		{"RSA nonRepudiation", []smimetest.Option{ku(x509.KeyUsageContentCommitment)}, ok, no},
		{"RSA both", []smimetest.Option{ku(x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment)}, ok, ok},
		{"RSA keyAgreement", []smimetest.Option{ku(x509.KeyUsageKeyAgreement)}, no, no},
		{"RSA dataEncipherment", []smimetest.Option{ku(x509.KeyUsageDataEncipherment)}, no, no},
		{"EC without keyUsage", []smimetest.Option{smimetest.ECP256, ku()}, ok, ok},
		{"EC keyAgreement", []smimetest.Option{smimetest.ECP256, ku(x509.KeyUsageKeyAgreement)}, no, ok},
		{"EC keyAgreement encipherOnly", []smimetest.Option{smimetest.ECP256, ku(x509.KeyUsageKeyAgreement, x509.KeyUsageEncipherOnly)}, no, ok},
		{"EC keyAgreement decipherOnly", []smimetest.Option{smimetest.ECP256, ku(x509.KeyUsageKeyAgreement, x509.KeyUsageDecipherOnly)}, no, no},
		{"EC keyEncipherment", []smimetest.Option{smimetest.ECP256, ku(x509.KeyUsageKeyEncipherment)}, no, no},
		{"EC digitalSignature", []smimetest.Option{smimetest.ECP384, ku(x509.KeyUsageDigitalSignature)}, ok, no},
		{"EC P-521 both", []smimetest.Option{smimetest.ECP521, ku(x509.KeyUsageDigitalSignature, x509.KeyUsageKeyAgreement)}, ok, ok},
		{"Ed25519 without keyUsage", []smimetest.Option{smimetest.Ed25519, ku()}, ok, no},
		{"Ed25519 digitalSignature", []smimetest.Option{smimetest.Ed25519, ku(x509.KeyUsageDigitalSignature)}, ok, no},
		{"X25519 without keyUsage", []smimetest.Option{smimetest.X25519, ku()}, no, ok},
		{"X25519 keyAgreement", []smimetest.Option{smimetest.X25519, ku(x509.KeyUsageKeyAgreement)}, no, ok},
		{"X25519 keyEncipherment", []smimetest.Option{smimetest.X25519, ku(x509.KeyUsageKeyEncipherment)}, no, no},
		{"no EKU", []smimetest.Option{smimetest.ExtKeyUsage()}, ok, ok},
		{"EKU emailProtection", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageEmailProtection)}, ok, ok},
		{"EKU any", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageAny)}, ok, ok},
		{"EKU TLS and mail", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageEmailProtection)}, ok, ok},
		{"EKU TLS", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageClientAuth)}, no, no},
		{"EKU unknown to crypto/x509", []smimetest.Option{smimetest.ExtKeyUsage(), unknownEKU}, no, no},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cert := ca.Issue("alice@corp.example", test.options...).Certificate
			for use, want := range map[trust.Use]trust.Reason{trust.Signing: test.signing, trust.Encryption: test.encrypt} {
				if v := policy.Judge(cert, use, now, nil); v.Reason != want || v.OK() != (want == "") {
					t.Errorf("%v: %q (%s), want %q", use, v.Reason, v.Detail, want)
				}
			}
		})
	}
}

func unknownEKU(t *smimetest.Template) {
	t.X509.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}} // smart card logon
}

// TestPSSKey: crypto/x509 does not know the identifier of a key that is for RSASSA-PSS alone.
func TestPSSKey(t *testing.T) {
	ca := smimetest.NewCA("CA")
	pss := func(size int) *x509.Certificate {
		return withPSSKey(t, ca, issue(t, ca, rsaWith(t, size, 65537), nil))
	}
	for _, test := range []struct {
		size int
		use  trust.Use
		want trust.Reason
	}{{2048, trust.Signing, ""}, {2048, trust.Encryption, trust.WrongUsage}, {1024, trust.Signing, trust.WeakAlgorithm}} {
		if v := anchored(ca).Judge(pss(test.size), test.use, now, nil); v.Reason != test.want {
			t.Errorf("%d bits for %v: %q (%s), want %q", test.size, test.use, v.Reason, v.Detail, test.want)
		}
	}
}

// TestEmptyKeyUsage: an extension without any bit is not an absent extension. crypto/x509 shows both as 0.
func TestEmptyKeyUsage(t *testing.T) {
	ca := smimetest.NewCA("CA")
	cert := ca.Issue("alice@corp.example", smimetest.KeyUsage(),
		smimetest.Extension(asn1.ObjectIdentifier{2, 5, 29, 15}, true, []byte{3, 1, 0})).Certificate
	for _, use := range []trust.Use{trust.Signing, trust.Encryption} {
		if v := anchored(ca).Judge(cert, use, now, nil); v.Reason != trust.WrongUsage {
			t.Errorf("%v: %q, want wrong_usage", use, v.Reason)
		}
	}
}

func TestDates(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.Validity(now.Add(-1000*time.Hour), now.Add(1000*time.Hour)))
	from, to := now.Add(-24*time.Hour).Truncate(time.Second), now.Add(24*time.Hour).Truncate(time.Second)
	cert := ca.Issue("alice@corp.example", smimetest.Validity(from, to)).Certificate
	policy := anchored(ca)
	for at, want := range map[time.Time]trust.Reason{
		from.Add(-time.Second): trust.NotYetValid, from: "", now: "", to: "", to.Add(time.Second): trust.Expired,
		ca.Certificate.NotAfter.Add(time.Hour): trust.Expired,
	} {
		for range 2 { // the second time with a warm cache
			if v := policy.Judge(cert, trust.Encryption, at, nil); v.Reason != want {
				t.Errorf("at %v: %q, want %q", at, v.Reason, want)
			}
		}
	}
	if v := policy.Judge(cert, trust.Encryption, now, nil); !v.Until.Equal(to) {
		t.Errorf("until %v, want the leaf's notAfter %v", v.Until, to)
	}
	short := smimetest.NewCA("Root").Sub("Short", smimetest.Validity(now.Add(-time.Hour), now.Add(time.Hour)))
	leaf := short.Issue("alice@corp.example")
	v := anchored(short.Root).Judge(leaf.Certificate, trust.Signing, now, leaf.Chain)
	if !v.Until.Equal(short.Certificate.NotAfter) || len(v.Path) != 3 {
		t.Errorf("until %v with a path of %d, want the intermediate's notAfter %v", v.Until, len(v.Path), short.Certificate.NotAfter)
	}
}

func TestStrength(t *testing.T) {
	ca := smimetest.NewCA("CA")
	policy := anchored(ca)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  any
		want trust.Reason
	}{
		"RSA 1024":          {rsaWith(t, 1024, 65537), trust.WeakAlgorithm},
		"RSA 2047":          {rsaWith(t, 2047, 65537), trust.WeakAlgorithm},
		"RSA 2048":          {rsaWith(t, 2048, 65537), ""},
		"RSA 8192":          {rsaWith(t, 8192, 65537), ""},
		"RSA 8193":          {rsaWith(t, 8193, 65537), trust.WeakAlgorithm},
		"exponent 3":        {rsaWith(t, 2048, 3), trust.WeakAlgorithm},
		"exponent 65535":    {rsaWith(t, 2048, 65535), trust.WeakAlgorithm},
		"an even exponent":  {rsaWith(t, 2048, 65538), trust.WeakAlgorithm},
		"a larger exponent": {rsaWith(t, 2048, 65539), ""},
		"P-224":             {&p224.PublicKey, trust.WeakAlgorithm},
	} {
		if v := policy.Judge(issue(t, ca, test.key, nil), trust.Encryption, now, nil); v.Reason != test.want {
			t.Errorf("%s: %q (%s), want %q", name, v.Reason, v.Detail, test.want)
		}
	}
	strict := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(ca), RSAMinBits: 3072})
	leaf := ca.Issue("alice@corp.example", smimetest.ECP256).Certificate
	if v := strict.Judge(leaf, trust.Signing, now, nil); v.Reason != trust.WeakAlgorithm || !strings.Contains(v.Detail, "CA") {
		t.Errorf("a CA below rsa_min_bits: %q (%s), want weak_algorithm that names the CA", v.Reason, v.Detail)
	}
}

// TestSHA1 and the like: crypto/x509 finds no path, and the reason says why.
func TestSHA1(t *testing.T) {
	ca := smimetest.NewCA("CA")
	cert := issue(t, ca, rsaWith(t, 2048, 65537), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	if v := anchored(ca).Judge(cert, trust.Signing, now, nil); v.Reason != trust.WeakAlgorithm {
		t.Errorf("%q (%s), want weak_algorithm", v.Reason, v.Detail)
	}
	sub := ca.Sub("Sub", func(t *smimetest.Template) { t.X509.SignatureAlgorithm = x509.SHA1WithRSA })
	leaf := sub.Issue("alice@corp.example")
	if v := anchored(ca).Judge(leaf.Certificate, trust.Signing, now, leaf.Chain); v.Reason != trust.WeakAlgorithm {
		t.Errorf("an intermediate signed with SHA-1: %q (%s), want weak_algorithm", v.Reason, v.Detail)
	}
}

func TestPath(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub")
	deep := sub.Sub("Deep")
	other := smimetest.NewCA("Other")
	leaf := deep.Issue("alice@corp.example")
	self := smimetest.SelfSigned("self@corp.example")

	short := root.Sub("Short", smimetest.PathLen(0))
	tooDeep := short.Sub("Below").Issue("alice@corp.example")
	old := root.Sub("Old", smimetest.Validity(now.Add(-1000*time.Hour), now.Add(-time.Hour))).Issue("alice@corp.example")
	early := root.Sub("Early", smimetest.Validity(now.Add(time.Hour), now.Add(1000*time.Hour))).Issue("alice@corp.example")
	tls := root.Sub("TLS", smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth)).Issue("alice@corp.example")
	mail := root.Sub("Mail", smimetest.ExtKeyUsage(x509.ExtKeyUsageEmailProtection)).Issue("alice@corp.example")
	weak := root.Sub("Weak", smimetest.RSA(1024)).Issue("alice@corp.example")
	crlOnly := root.Sub("CRL", smimetest.KeyUsage(x509.KeyUsageCRLSign)).Issue("alice@corp.example")
	person := root.Issue("mallory@corp.example", smimetest.KeyUsage(x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature))
	personal := &smimetest.CA{Name: "mallory", Certificate: person.Certificate, Key: person.Key, Root: root}
	byPerson := personal.Issue("alice@corp.example")
	oldOther := other.Sub("Old", smimetest.Validity(now.Add(-1000*time.Hour), now.Add(-time.Hour))).Issue("alice@corp.example")
	critical := root.Issue("alice@corp.example", smimetest.Extension(asn1.ObjectIdentifier{1, 2, 3, 4}, true, []byte{5, 0}))
	namesake := smimetest.NewCA("Root").Issue("alice@corp.example")
	pretended := *root.Certificate
	pretended.PublicKey = other.Certificate.PublicKey
	forged := &smimetest.CA{Name: "Root", Certificate: &pretended, Key: other.Key, Root: root}

	tests := []struct {
		name   string
		policy *trust.Policy
		cert   *x509.Certificate
		extra  []*x509.Certificate
		want   trust.Reason
		length int
	}{
		{"below the root", anchored(root), root.Issue("alice@corp.example").Certificate, nil, "", 2},
		{"two intermediates beside it", anchored(root), leaf.Certificate, leaf.Chain, "", 4},
		{"an intermediate is missing", anchored(root), leaf.Certificate, leaf.Chain[1:], trust.UnknownCA, 0},
		{"an intermediate as the anchor", anchored(deep), leaf.Certificate, nil, "", 2},
		{"helpers are no anchors", anchored(other), leaf.Certificate, append(leaf.Chain, root.Certificate), trust.UnknownCA, 0},
		{"no anchor at all", anchored(), leaf.Certificate, append(leaf.Chain, root.Certificate), trust.UnknownCA, 0},
		{"a person's own certificate", anchored(root), self.Certificate, []*x509.Certificate{self.Certificate}, trust.UnknownCA, 0},
		{"a person's own certificate as the anchor", trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{self.Certificate}}), self.Certificate, nil, "", 1},
		{"too many CAs", anchored(root), tooDeep.Certificate, tooDeep.Chain, trust.BadPath, 0},
		{"an expired intermediate", anchored(root), old.Certificate, old.Chain, trust.Expired, 0},
		{"an intermediate not yet valid", anchored(root), early.Certificate, early.Chain, trust.NotYetValid, 0},
		{"an expired intermediate of a stranger", anchored(root), oldOther.Certificate, oldOther.Chain, trust.UnknownCA, 0},
		{"an intermediate for TLS", anchored(root), tls.Certificate, tls.Chain, trust.WrongUsage, 0},
		{"an intermediate for mail", anchored(root), mail.Certificate, mail.Chain, "", 3},
		{"a weak intermediate", anchored(root), weak.Certificate, weak.Chain, trust.WeakAlgorithm, 0},
		{"an intermediate that may only sign CRLs", anchored(root), crlOnly.Certificate, crlOnly.Chain, trust.BadPath, 0},
		{"issued by a person", anchored(root), byPerson.Certificate, []*x509.Certificate{person.Certificate}, trust.BadPath, 0},
		{"an unknown critical extension", anchored(root), critical.Certificate, nil, trust.BadPath, 0},
		{"another CA of the same name", anchored(root), namesake.Certificate, nil, trust.UnknownCA, 0},
		{"a forged signature", anchored(root), forged.Issue("alice@corp.example").Certificate, nil, trust.BadPath, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				v := test.policy.Judge(test.cert, trust.Signing, now, test.extra)
				if v.Reason != test.want || len(v.Path) != test.length {
					t.Errorf("%q (%s) with a path of %d, want %q and %d", v.Reason, v.Detail, len(v.Path), test.want, test.length)
				}
				if !v.OK() && v.Detail == "" {
					t.Error("a refusal without a detail")
				}
				if v.OK() && v.Path[0] != test.cert {
					t.Error("the path does not begin with the certificate")
				}
			}
		})
	}
}

// TestCAsOfOneName: during a migration two CAs, or two certificates of one CA, have the same name (RFC 8550 section 4).
func TestCAsOfOneName(t *testing.T) {
	first, second := smimetest.NewCA("Corp CA"), smimetest.NewCA("Corp CA")
	renewed := smimetest.NewCA("Corp CA", smimetest.WithKey(first.Key))
	expired := smimetest.NewCA("Corp CA", smimetest.WithKey(first.Key), smimetest.Validity(now.Add(-1000*time.Hour), now.Add(-time.Hour)))
	certs := []*x509.Certificate{first.Issue("a@corp.example").Certificate, second.Issue("b@corp.example").Certificate,
		renewed.Issue("c@corp.example").Certificate, expired.Issue("d@corp.example").Certificate}
	for _, order := range [][]*smimetest.CA{{first, second, renewed, expired}, {expired, renewed, second, first}, {expired, second, renewed}} {
		for i, cert := range certs {
			if v := anchored(order...).Judge(cert, trust.Encryption, now, nil); !v.OK() {
				t.Errorf("certificate %d: %q (%s)", i, v.Reason, v.Detail)
			}
		}
	}
	cross := first.Sub("Issuing CA")
	twin := second.Sub("Issuing CA", smimetest.WithKey(cross.Key))
	leaf := cross.Issue("a@corp.example")
	if v := anchored(second).Judge(leaf.Certificate, trust.Encryption, now, []*x509.Certificate{cross.Certificate, twin.Certificate}); !v.OK() {
		t.Errorf("cross-certified: %q (%s)", v.Reason, v.Detail)
	}
}

// TestSystemRootsAreNotTrusted: a CA among the machine's TLS roots says nothing about mail.
func TestSystemRootsAreNotTrusted(t *testing.T) {
	ca := smimetest.NewCA("TLS root")
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	t.Setenv("SSL_CERT_DIR", filepath.Dir(file))
	leaf := ca.Issue("alice@corp.example").Certificate
	if _, err := leaf.Verify(x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Fatalf("the test's root is not one of the system's: %v", err)
	}
	for _, policy := range []*trust.Policy{trust.NewPolicy(trust.PolicyOptions{}), anchored(smimetest.NewCA("Other"))} {
		if v := policy.Judge(leaf, trust.Signing, now, []*x509.Certificate{ca.Certificate}); v.Reason != trust.UnknownCA {
			t.Errorf("%q, want unknown_ca", v.Reason)
		}
	}
}

func TestManyHelpers(t *testing.T) {
	root := smimetest.NewCA("Root", smimetest.ECP256)
	var extra []*x509.Certificate
	for range 100 {
		extra = append(extra, smimetest.NewCA("Sub", smimetest.ECP256).Certificate)
	}
	sub := root.Sub("Sub", smimetest.ECP256)
	leaf := sub.Issue("alice@corp.example", smimetest.ECP256).Certificate
	// One hundred namesakes must neither hide the right one among the first 64 nor take long.
	if v := anchored(root).Judge(leaf, trust.Signing, now, append([]*x509.Certificate{sub.Certificate}, extra...)); !v.OK() {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
	if v := anchored(root).Judge(leaf, trust.Signing, now, extra); v.OK() {
		t.Error("trusted without its issuer")
	}
}
