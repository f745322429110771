package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// subtrees encodes a nameConstraints extension of GeneralNames.
func subtrees(permitted, excluded [][]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i, bases := range [][][]byte{permitted, excluded} {
			if len(bases) == 0 {
				continue
			}
			b.AddASN1(cbasn1.Tag(i).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				for _, base := range bases {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(base) })
				}
			})
		}
	})
	return b.BytesOrPanic()
}

func generalName(tag uint8, value []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(value) })
	return b.BytesOrPanic()
}

var oidNC = asn1.ObjectIdentifier{2, 5, 29, 30}

func subject(n pkix.Name) smimetest.Option {
	return func(t *smimetest.Template) { t.X509.Subject = n }
}

// TestDirectoryConstraints: critical constraints on directoryNames, as the bridge CAs of companies and states have them
// (RFC 5280 section 4.2.1.10). crypto/x509 refuses every such path.
func TestDirectoryConstraints(t *testing.T) {
	root := smimetest.NewCA("Root")
	corp := generalName(0xa4, name(rdn(attribute{o, utf8Text, "Corp"})))
	board := generalName(0xa4, name(rdn(attribute{o, printable, "CORP"}), rdn(attribute{cn, utf8Text, "Board"})))
	sub := root.Sub("Sub", smimetest.Extension(oidNC, true, subtrees([][]byte{corp}, [][]byte{board})), subject(pkix.Name{CommonName: "Sub"}))
	other := root.Sub("Other", smimetest.Extension(oidNC, true, subtrees([][]byte{generalName(0x81, []byte("corp.example")), corp}, nil)))
	unknown := root.Sub("Unknown", smimetest.Extension(oidNC, true, subtrees([][]byte{generalName(0x88, []byte{0x2a, 3})}, nil)))
	twice := sub.Sub("Twice", subject(pkix.Name{Organization: []string{"Corp"}, CommonName: "Twice"}),
		smimetest.Extension(oidNC, true, subtrees([][]byte{generalName(0x81, []byte("corp.example"))}, nil)))
	elsewhere := sub.Sub("Elsewhere", subject(pkix.Name{Organization: []string{"Other"}}))
	person := func(n pkix.Name) []smimetest.Option { return []smimetest.Option{subject(n)} }
	for _, test := range []struct {
		name string
		ca   *smimetest.CA
		with []smimetest.Option
		want trust.Reason
	}{
		{"within", sub, person(pkix.Name{Organization: []string{"Corp"}, CommonName: "Alice"}), ""},
		{"within, in other case", sub, person(pkix.Name{Organization: []string{" corp"}, CommonName: "Alice"}), ""},
		{"another organisation", sub, person(pkix.Name{Organization: []string{"Corporal"}, CommonName: "Alice"}), trust.BadPath},
		{"excluded", sub, person(pkix.Name{Organization: []string{"Corp"}, CommonName: "board"}), trust.BadPath},
		{"no subject", sub, person(pkix.Name{}), ""},
		{"both forms, good", other, person(pkix.Name{Organization: []string{"Corp"}}), ""},
		{"both forms, another organisation", other, person(pkix.Name{Organization: []string{"Other"}}), trust.BadPath},
		{"two CAs, good", twice, person(pkix.Name{Organization: []string{"Corp"}}), ""},
		{"two CAs, the upper one refuses", twice, person(pkix.Name{Organization: []string{"Other"}}), trust.BadPath},
		{"two CAs, the lower one refuses", twice, append(person(pkix.Name{Organization: []string{"Corp"}}), smimetest.Addresses("a@other.example")), trust.BadPath},
		{"a CA between is outside", elsewhere, person(pkix.Name{Organization: []string{"Corp"}}), trust.BadPath},
		{"a form that does not occur", unknown, person(pkix.Name{CommonName: "Alice"}), ""},
	} {
		leaf := test.ca.Issue("alice@corp.example", test.with...)
		if v := anchored(root).Judge(leaf.Certificate, trust.Signing, now, leaf.Chain); v.Reason != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, v.Reason, v.Detail, test.want)
		}
	}
}

// TestSelfIssued: a CA that certifies its new key with its old one takes no place in the count of CAs (RFC 5280 section
// 6.1.4 (l)), and its own name is not held to the constraints above it (6.1.3 (b)).
func TestSelfIssued(t *testing.T) {
	root := smimetest.NewCA("Root")
	old := root.Sub("Sub", smimetest.PathLen(0), smimetest.Extension(oidNC, true, subtrees([][]byte{generalName(0xa4, name(rdn(attribute{o, utf8Text, "Corp"})))}, nil)))
	renewed := old.Sub("Sub", smimetest.FreshKey)
	again := renewed.Sub("Sub", smimetest.FreshKey)
	leaf := again.Issue("alice@corp.example", subject(pkix.Name{Organization: []string{"Corp"}}))
	if v := anchored(root).Judge(leaf.Certificate, trust.Signing, now, leaf.Chain); !v.OK() || len(v.Path) != 5 {
		t.Errorf("%q (%s) with a path of %d", v.Reason, v.Detail, len(v.Path))
	}
	below := again.Sub("Below", subject(pkix.Name{Organization: []string{"Corp"}})).Issue("alice@corp.example", subject(pkix.Name{Organization: []string{"Corp"}}))
	if v := anchored(root).Judge(below.Certificate, trust.Signing, now, below.Chain); v.Reason != trust.BadPath {
		t.Errorf("another CA below: %q (%s)", v.Reason, v.Detail)
	}
}

// explicit is a policyConstraints with requireExplicitPolicy 0. crypto/x509 reads such extensions and writes none.
var explicit = smimetest.Extension(asn1.ObjectIdentifier{2, 5, 29, 36}, true, []byte{0x30, 3, 0x80, 1, 0})

func policyMappings(pairs [][2]string) smimetest.Option {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, pair := range pairs {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, text := range pair {
					var oid asn1.ObjectIdentifier
					for arc := range strings.SplitSeq(text, ".") {
						n, err := strconv.Atoi(arc)
						if err != nil {
							panic(err)
						}
						oid = append(oid, n)
					}
					b.AddASN1ObjectIdentifier(oid)
				}
			})
		}
	})
	return smimetest.Extension(asn1.ObjectIdentifier{2, 5, 29, 33}, true, b.BytesOrPanic())
}

// TestCertificatePolicies: RFC 5280 section 6.1, on paths that PKITS does not have.
func TestCertificatePolicies(t *testing.T) {
	oid := func(s string) x509.OID {
		o, err := x509.ParseOID(s)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	one, two, anyOne := oid("1.2.3.1"), oid("1.2.3.2"), oid("2.5.29.32.0")
	with := func(policies ...x509.OID) smimetest.Option {
		return func(t *smimetest.Template) { t.X509.Policies = policies }
	}
	maps := func(from, to string) smimetest.Option { return policyMappings([][2]string{{from, to}}) }
	const p1, p2, any = "1.2.3.1", "1.2.3.2", "2.5.29.32.0"
	root := smimetest.NewCA("Root")
	for _, test := range []struct {
		name    string
		ca      *smimetest.CA
		leaf    []smimetest.Option
		demands trust.PolicyDemands
		want    trust.Reason
	}{
		{"none anywhere", root.Sub("A"), nil, trust.PolicyDemands{}, ""},
		{"none, and one is demanded", root.Sub("B"), nil, trust.PolicyDemands{RequireExplicit: true}, trust.BadPath},
		{"none, and a CA requires one", root.Sub("C", explicit), nil, trust.PolicyDemands{}, trust.BadPath},
		{"different ones", root.Sub("D", with(one), explicit), []smimetest.Option{with(two)}, trust.PolicyDemands{}, trust.BadPath},
		{"different ones, and nobody requires any", root.Sub("E", with(one)), []smimetest.Option{with(two)}, trust.PolicyDemands{}, ""},
		{"mapped", root.Sub("F", with(one), explicit, maps(p1, p2)), []smimetest.Option{with(two)}, trust.PolicyDemands{Set: []x509.OID{one}}, ""},
		{"mapped, and the other is demanded", root.Sub("G", with(one), explicit, maps(p1, p2)), []smimetest.Option{with(two)}, trust.PolicyDemands{Set: []x509.OID{two}}, trust.BadPath},
		{"mapped, which is inhibited", root.Sub("H", with(one), explicit, maps(p1, p2)), []smimetest.Option{with(two)}, trust.PolicyDemands{InhibitMapping: true}, trust.BadPath},
		{"anyPolicy", root.Sub("I", with(anyOne), explicit), []smimetest.Option{with(two)}, trust.PolicyDemands{Set: []x509.OID{two}}, ""},
		{"anyPolicy, which is inhibited", root.Sub("J", with(anyOne), explicit), []smimetest.Option{with(two)}, trust.PolicyDemands{InhibitAnyPolicy: true}, trust.BadPath},
		{"anyPolicy is mapped", root.Sub("K", with(anyOne), maps(any, p1)), []smimetest.Option{with(one)}, trust.PolicyDemands{}, trust.BadPath},
	} {
		leaf := test.ca.Issue("alice@corp.example", test.leaf...)
		policy := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(root), Policies: test.demands})
		if v := policy.Judge(leaf.Certificate, trust.Signing, now, leaf.Chain); v.Reason != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, v.Reason, v.Detail, test.want)
		}
	}
}

// TestPolicyExplosion: mappings that double the standard's tree at every certificate cost no more than their number.
func TestPolicyExplosion(t *testing.T) {
	const width, depth = 40, 9
	var policies []x509.OID
	for i := range uint64(width) {
		oid, err := x509.OIDFromInts([]uint64{1, 2, 3, i})
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, oid)
	}
	var all [][2]string
	for _, from := range policies {
		for _, to := range policies {
			all = append(all, [2]string{from.String(), to.String()})
		}
	}
	mappings, withAll := policyMappings(all), func(t *smimetest.Template) { t.X509.Policies = policies }
	root := smimetest.NewCA("Root", smimetest.ECP256)
	ca := root
	for range depth {
		ca = ca.Sub("Sub", smimetest.ECP256, smimetest.FreshKey, withAll, explicit, mappings)
	}
	leaf := ca.Issue("alice@corp.example", smimetest.ECP256, withAll)
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(root), Policies: trust.PolicyDemands{Set: []x509.OID{policies[width-1]}}})
	began := time.Now()
	v := policy.Judge(leaf.Certificate, trust.Signing, now, leaf.Chain)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if !v.OK() {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
}

// TestUnknownCriticalExtension: in any certificate on a path, wherever it stands (RFC 5280 section 4.2).
func TestUnknownCriticalExtension(t *testing.T) {
	odd := func(critical bool) smimetest.Option {
		return smimetest.Extension(asn1.ObjectIdentifier{1, 2, 3, 4}, critical, []byte{5, 0})
	}
	root := smimetest.NewCA("Root")
	for what, leaf := range map[string]*smimetest.Identity{
		"leaf":         root.Sub("A").Issue("alice@corp.example", odd(true)),
		"intermediate": root.Sub("B", odd(true)).Issue("alice@corp.example"),
		"issuerAltName": root.Sub("C").Issue("alice@corp.example",
			smimetest.Extension(asn1.ObjectIdentifier{2, 5, 29, 18}, true, []byte{0x30, 2, 0x82, 0})),
	} {
		if v := anchored(root).Judge(leaf.Certificate, trust.Encryption, now, leaf.Chain); v.Reason != trust.BadPath {
			t.Errorf("%s: %q (%s)", what, v.Reason, v.Detail)
		}
	}
	anchor := smimetest.NewCA("Odd root", odd(true))
	leaf := anchor.Issue("alice@corp.example")
	if v := anchored(anchor).Judge(leaf.Certificate, trust.Encryption, now, nil); v.Reason != trust.BadPath {
		t.Errorf("anchor: %q (%s)", v.Reason, v.Detail)
	}
	harmless := root.Sub("D", odd(false)).Issue("alice@corp.example", odd(false))
	if v := anchored(root).Judge(harmless.Certificate, trust.Encryption, now, harmless.Chain); !v.OK() {
		t.Errorf("not critical: %q (%s)", v.Reason, v.Detail)
	}
}

// TestNamesOfCAs: a CA's name written in another way is still its name (RFC 5280 section 7.1).
func TestNamesOfCAs(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub", subject(pkix.Name{Organization: []string{"Corp  Ltd"}, CommonName: "Issuing CA"}))
	respelled := *sub.Certificate // what a CA thinks its own name is when it issues
	respelled.RawSubject = name(rdn(attribute{o, utf8Text, "corp LTD "}), rdn(attribute{cn, utf8Text, "ISSUING ca"}))
	leaf := issue(t, &smimetest.CA{Certificate: &respelled, Key: sub.Key}, rsaWith(t, 2048, 65537), nil)
	if slices.Equal(leaf.RawIssuer, sub.Certificate.RawSubject) {
		t.Fatal("the names are written alike")
	}
	if v := anchored(root).Judge(leaf, trust.Encryption, now, sub.Chain); !v.OK() {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
}

func TestAllowSHA1(t *testing.T) {
	ca := smimetest.NewCA("CA")
	cert := issue(t, ca, rsaWith(t, 2048, 65537), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	lenient := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(ca), AllowSHA1: true})
	if v := lenient.Judge(cert, trust.Encryption, now, nil); !v.OK() {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
	forged := smimetest.NewCA("CA")
	cert = issue(t, forged, rsaWith(t, 2048, 65537), func(c *x509.Certificate) {
		c.SignatureAlgorithm, c.AuthorityKeyId = x509.SHA1WithRSA, ca.Certificate.SubjectKeyId
	})
	if v := lenient.Judge(cert, trust.Encryption, now, nil); v.OK() {
		t.Error("a SHA-1 signature of another key counts")
	}
}

// TestWeakSignatureAnywhere: one weak signature spoils a path, wherever it stands on it.
func TestWeakSignatureAnywhere(t *testing.T) {
	root := smimetest.NewCA("Root")
	weak := func(t *smimetest.Template) { t.X509.SignatureAlgorithm = x509.SHA1WithRSA }
	for what, leaf := range map[string]*smimetest.Identity{
		"leaf":  root.Sub("A").Sub("B").Issue("alice@corp.example", weak),
		"lower": root.Sub("C").Sub("D", weak).Issue("alice@corp.example"),
		"upper": root.Sub("E", weak).Sub("F").Issue("alice@corp.example"),
	} {
		if v := anchored(root).Judge(leaf.Certificate, trust.Signing, now, leaf.Chain); v.Reason != trust.WeakAlgorithm {
			t.Errorf("%s: %q (%s)", what, v.Reason, v.Detail)
		}
	}
}

// TestNoBasicConstraints: a certificate without the extension is no CA's, whatever its keyUsage says (RFC 5280 section
// 6.1.4 (k)).
func TestNoBasicConstraints(t *testing.T) {
	root, key := smimetest.NewCA("Root"), smimetest.NewCA("Sub").Key
	sub := issue(t, root, key.Public(), func(c *x509.Certificate) {
		c.Subject, c.KeyUsage, c.SubjectKeyId = pkix.Name{CommonName: "Sub"}, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature, []byte{1, 2, 3}
	})
	if hasBasicConstraints(sub) {
		t.Fatal("it has the extension")
	}
	leaf := issue(t, &smimetest.CA{Certificate: sub, Key: key}, rsaWith(t, 2048, 65537), nil)
	if v := anchored(root).Judge(leaf, trust.Encryption, now, []*x509.Certificate{sub}); v.Reason != trust.BadPath {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
}

func hasBasicConstraints(cert *x509.Certificate) bool {
	return slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 19}) })
}

// TestPSSAuthority: a CA whose key is for RSASSA-PSS alone (RFC 4055 section 1.2).
func TestPSSAuthority(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub")
	pss := withPSSKey(t, root, sub.Certificate)
	for algorithm, want := range map[x509.SignatureAlgorithm]trust.Reason{x509.SHA256WithRSAPSS: "", x509.SHA256WithRSA: trust.UnknownCA} {
		leaf := issue(t, sub, rsaWith(t, 2048, 65537), func(c *x509.Certificate) { c.SignatureAlgorithm = algorithm })
		if v := anchored(root).Judge(leaf, trust.Encryption, now, []*x509.Certificate{pss}); v.Reason != want {
			t.Errorf("%v: %q (%s), want %q", algorithm, v.Reason, v.Detail, want)
		}
	}
}
