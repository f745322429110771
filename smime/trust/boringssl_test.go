package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

var lineOf = func(name string) *regexp.Regexp { return regexp.MustCompile(`(?m)^` + name + `: *(\S+)`) }

// TestBoringSSLPaths: verify_certificate_chain_unittest. Its purposes are those of TLS, so that what it says of them is passed
// over: a path counts here if nothing but a purpose speaks against it. Only chains that are in the folder can be judged.
func TestBoringSSLPaths(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "boringssl"), "policies", "verify_certificate_chain_unittest", "*", "*.test"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	// Where Sealist judges otherwise, and why. It always refuses there.
	const sha1, anchor = "signed with SHA-1", "what an anchor says about itself holds (RFC 5937)"
	otherwise := map[string]string{
		"intermediate-eku-mlsclientauth-extra/mlsclientauth.test":              "a critical extension of another protocol",
		"intermediate-eku-server-gated-crypto/sha1-eku-any.test":               sha1,
		"intermediate-eku-server-gated-crypto/sha1-eku-clientAuth-strict.test": sha1,
		"intermediate-eku-server-gated-crypto/sha1-eku-serverAuth.test":        sha1,
		"issuer-and-subject-not-byte-for-byte-equal/target.test":               sha1,
		"root-lacks-keycertsign-key-usage/main.test":                           anchor,
		"violates-pathlen-1-from-root/main.test":                               anchor,
	}
	purpose := regexp.MustCompile(`(?i)key ?usage|key purpose|Basic Constraints indicates a CA|Certificate has Basic Constraints`)
	judged := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
		one := func(key string) string {
			found := lineOf(key).FindSubmatch(text)
			if found == nil {
				return ""
			}
			return string(found[1])
		}
		octets, err := os.ReadFile(filepath.Join(filepath.Dir(file), one("chain")))
		if err != nil || !strings.HasPrefix(one("last_cert_trust"), "TRUSTED_ANCHOR") || strings.Contains(one("last_cert_trust"), "LEAF") {
			continue
		}
		want := true
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "ERROR: ") && !purpose.MatchString(line) {
				want = false
			}
		}
		at := time.Date(2021, 10, 5, 12, 0, 0, 0, time.UTC)
		if s := one("utc_time"); s != "DEFAULT" {
			if at, err = time.Parse("060102150405Z", s); err != nil {
				t.Fatal(err)
			}
		}
		chain, err := trust.ParseCertificates(octets)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		last := len(chain) - 1
		if last == 0 {
			continue // a leaf for an anchor, which is allowed here: it may be a person's own certificate
		}
		judged++
		policy := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{chain[last]}})
		v := policy.Authorities(chain[0], chain[last], at, chain[1:last])
		switch reason, known := otherwise[name]; {
		case v.OK() && known:
			t.Errorf("%s: accepted, although: %s", name, reason)
		case v.OK() != want && !known:
			t.Errorf("%s: accepted %v: %s (%s)", name, v.OK(), v.Reason, v.Detail)
		}
	}
	t.Logf("%d of %d judged", judged, len(files))
}

// TestBoringSSLNameConstraints: the extensions and names of name_constraints_unittest, each extension held to each name. The
// unit test's own expectations are in its code; these are ours, and where they differ the line says why.
func TestBoringSSLNameConstraints(t *testing.T) {
	dir := filepath.Join(corpora(t, "boringssl"), "name_constraints")
	read := func(name string) []byte {
		found := blocks(t, filepath.Join(dir, name+".pem"))
		for _, octets := range found {
			return octets
		}
		t.Fatalf("%s holds nothing", name)
		return nil
	}
	withSAN := func(name string) *x509.Certificate {
		return &x509.Certificate{RawSubject: read("name-empty"), Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: read(name)}}}
	}
	withSubject := func(name string) *x509.Certificate {
		var rdns pkix.RDNSequence
		octets := read(name)
		if _, err := asn1.Unmarshal(octets, &rdns); err != nil {
			t.Fatal(err)
		}
		cert := &x509.Certificate{RawSubject: octets}
		cert.Subject.FillFromRDNSequence(&rdns)
		return cert
	}
	for _, extension := range []string{
		"dnsname-with_max", "dnsname-with_min_0_and_max", "dnsname-with_min_1", "dnsname-with_min_1_and_max", "invalid-no_subtrees",
		"ipaddress-invalid_addr", "ipaddress-invalid_mask_not_contiguous_1", "ipaddress-invalid_mask_not_contiguous_2",
		// A local part that is empty: BoringSSL reads these as matching nothing.
		"rfc822name-excluded-hostnamewithat", "rfc822name-permitted-hostnamewithat",
	} {
		if _, err := trust.Permits(read(extension), withSAN("san-rfc822name")); err == nil {
			t.Errorf("%s is taken for good", extension)
		}
	}
	if _, err := trust.Permits(read("dnsname-with_min_0"), withSAN("san-rfc822name")); err != nil {
		t.Errorf("dnsname-with_min_0: %v", err)
	}
	for _, test := range []struct {
		extension string
		permitted []string
		refused   []string
	}{
		{"rfc822name-excluded", []string{"san-rfc822name-subdomain", "san-rfc822name-subdomaincase"},
			[]string{"san-rfc822name", "san-rfc822name-domaincase", "san-rfc822name-localpartcase", "san-rfc822name-empty", "san-rfc822name-no-at", "san-rfc822name-empty-localpart", "san-rfc822name-subdomain-two-ats"}},
		{"rfc822name-excluded-quoted", []string{"san-rfc822name-subdomain"}, []string{"san-rfc822name", "san-rfc822name-localpartcase"}},
		{"rfc822name-excluded-hostname", []string{"san-rfc822name-subdomain", "san-rfc822name-subdomaincase"}, []string{"san-rfc822name", "san-rfc822name-domaincase", "san-rfc822name-localpartcase", "san-rfc822name-no-at", "san-rfc822name-subdomain-two-ats"}},
		{"rfc822name-excluded-empty", nil, []string{"san-rfc822name", "san-rfc822name-subdomain", "san-rfc822name-empty"}},
		{"rfc822name-permitted-hostname", []string{"san-rfc822name", "san-rfc822name-domaincase", "san-rfc822name-localpartcase"},
			[]string{"san-rfc822name-subdomain", "san-rfc822name-subdomaincase", "san-rfc822name-no-at", "san-rfc822name-subdomain-no-at", "san-rfc822name-subdomain-two-ats", "san-rfc822name-empty", "san-rfc822name-empty-localpart"}},
		{"rfc822name-permitted-quoted", nil, []string{"san-rfc822name", "san-rfc822name-subdomain"}},
		{"dnsname-excludeall", []string{"san-rfc822name"}, []string{"san-excluded-directoryname"}},
		{"dnsname-exclude_dot", []string{"san-rfc822name"}, []string{"san-excluded-directoryname"}}, // "." excludes everything
		{"dnsname-excluded", []string{"san-excluded-directoryname"}, nil},
		{"dnsname-excluded_with_leading_dot", []string{"san-excluded-directoryname"}, nil},
		{"directoryname", []string{"san-rfc822name"}, []string{"san-excluded-directoryname"}},
		{"directoryname-excludeall", []string{"san-rfc822name"}, []string{"san-excluded-directoryname"}},
		{"edipartyname-excluded", []string{"san-rfc822name"}, nil},
		{"edipartyname-permitted", []string{"san-rfc822name"}, nil},
	} {
		for _, name := range test.permitted {
			if ok, err := trust.Permits(read(test.extension), withSAN(name)); !ok || err != nil {
				t.Errorf("%s refuses %s (%v)", test.extension, name, err)
			}
		}
		for _, name := range test.refused {
			if ok, err := trust.Permits(read(test.extension), withSAN(name)); ok || err != nil {
				t.Errorf("%s permits %s (%v)", test.extension, name, err)
			}
		}
	}
	for _, test := range []struct {
		extension, subject string
		want               bool
	}{
		{"directoryname", "name-us-arizona", true},
		{"directoryname", "name-us-california-192.168.1.1", false}, // of the permitted US, but excluded
		{"directoryname-excludeall", "name-us-arizona", false},
		{"rfc822name-permitted-hostname", "name-us-arizona-email-multiple", true},
		{"rfc822name-excluded", "name-us-arizona-email-localpartcase", false},
		{"rfc822name-excluded", "name-us-arizona-email-multiple", false},
		{"dnsname-excludeall", "name-us-california-permitted.example.com", true}, // a commonName is no dNSName
	} {
		if ok, err := trust.Permits(read(test.extension), withSubject(test.subject)); ok != test.want || err != nil {
			t.Errorf("%s and %s: %v (%v)", test.extension, test.subject, ok, err)
		}
	}
}
