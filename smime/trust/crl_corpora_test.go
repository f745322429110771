package trust_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// TestPKITSWithCRLs runs every case of NIST's test suite with its CRLs, as `unknown: refuse` has it: a path counts only
// if every certificate on it is known not to be revoked.
func TestPKITSWithCRLs(t *testing.T) {
	dir := corpora(t, "pkits")
	expected, err := os.ReadFile(filepath.Join(dir, "EXPECTED.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	agree, all := 0, 0
	for line := range strings.Lines(string(expected)) {
		field := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(field) < 8 || field[0] == "test" {
			continue
		}
		all++
		v, states := judgeWithCRLs(t, dir, field, at)
		worst := trust.WorstRevocation(states)
		accepted := v.OK() && worst.State == trust.RevocationGood
		why, differs := refusedThoughValid[field[0]]
		switch valid := field[7] == "true"; {
		case accepted && !valid:
			t.Errorf("%s %s: accepted", field[0], field[1])
		case differs && accepted:
			t.Errorf("%s %s: accepted, although %s", field[0], field[1], why)
		case accepted == valid:
			agree++
		case !differs:
			t.Errorf("%s %s: refused: %s %s; %s %s", field[0], field[1], v.Reason, v.Detail, worst.State, worst.Detail)
		}
	}
	t.Logf("%d of %d agree", agree, all)
	if all != 247 || agree+len(refusedThoughValid) != all {
		t.Errorf("%d of %d agree", agree, all)
	}
}

// refusedThoughValid are the cases in which we refuse what NIST accepts, and why.
var refusedThoughValid = map[string]string{
	"4.1.4":   "DSA is not supported",
	"4.1.5":   "DSA is not supported",
	"4.14.4":  "crypto/x509 reads no certificate with a nameRelativeToCRLIssuer",
	"4.14.5":  "crypto/x509 reads no certificate with a nameRelativeToCRLIssuer",
	"4.14.29": "crypto/x509 reads no certificate with a nameRelativeToCRLIssuer",
	"4.14.30": "the CRL's signer is vouched for by nothing but its own CRL",
}

func judgeWithCRLs(t *testing.T, dir string, field []string, at time.Time) (trust.Verdict, []trust.RevocationStatus) {
	t.Helper()
	var path []*x509.Certificate
	for _, name := range strings.Split(field[2], ";") {
		octets, err := os.ReadFile(filepath.Join(dir, "certs", name+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		certs, err := trust.ParseCertificates(octets)
		if err != nil {
			return trust.Verdict{Reason: trust.ReasonUnparsed(err), Detail: err.Error()}, nil
		}
		path = append(path, certs[0])
	}
	var lists []*trust.CRL
	for _, name := range strings.Split(field[3], ";") {
		octets, err := os.ReadFile(filepath.Join(dir, "crls", name+".crl"))
		if err != nil {
			t.Fatal(err)
		}
		if block, _ := pem.Decode(octets); block != nil {
			octets = block.Bytes
		}
		if c, err := trust.ParseCRL(octets); err != nil {
			t.Logf("%s: %v", name, err)
		} else {
			lists = append(lists, c)
		}
	}
	last := len(path) - 1
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: path[:1], Policies: pkitsDemands(t, field)})
	v := policy.Judge(path[last], trust.Signing, at, path[1:last])
	if !v.OK() {
		return v, nil
	}
	return v, policy.RevocationFromCRLs(v.Path, lists, at, path[1:last], trust.RevocationLimits{})
}

// blocks reads the PEM blocks of a file, by their types.
func blocks(t *testing.T, file string) map[string][]byte {
	t.Helper()
	rest, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if found[block.Type] == nil {
			found[block.Type] = block.Bytes
		}
	}
	return found
}

func parsed(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestBoringSSLCRLs: the names of BoringSSL's cases begin with what its crl_unittest.cc expects of them at this date and
// with lists of at most a week.
func TestBoringSSLCRLs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "boringssl"), "crl", "*.pem"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	at := time.Date(2017, 3, 9, 0, 0, 0, 0, time.UTC)
	week := 7 * 24 * time.Hour
	for _, file := range files {
		name := filepath.Base(file)
		b := blocks(t, file)
		leaf, issuer := parsed(t, b["CERTIFICATE"]), parsed(t, b["CA CERTIFICATE"])
		path := []*x509.Certificate{leaf, issuer}
		if b["CA CERTIFICATE 2"] != nil {
			path = append(path, parsed(t, b["CA CERTIFICATE 2"]))
		}
		policy := trust.NewPolicy(trust.PolicyOptions{Anchors: path[len(path)-1:], RSAMinBits: 1024})
		state := trust.RevocationNoAnswer
		list, err := trust.ParseCRL(b["CRL"])
		if err == nil {
			limits := trust.RevocationLimits{MaxAge: week, MaxAgeOpen: week}
			s := policy.RevocationFromCRLs(path, []*trust.CRL{list}, at, nil, limits)[0]
			state, err = s.State, errors.New(s.Detail)
		}
		kind, _, _ := strings.Cut(name, "_")
		want := map[string]trust.RevocationState{"good": trust.RevocationGood, "revoked": trust.RevocationRevoked}[kind]
		switch {
		case name == "bad_idp_indirectcrl.pem":
			// BoringSSL supports no indirect CRLs. NIST's 4.14.22 is the same case and wants it to be good.
			if state != trust.RevocationGood {
				t.Errorf("%s: %s (%v)", name, state, err)
			}
		case want == "" && state != trust.RevocationGood && state != trust.RevocationRevoked:
		case state != want:
			t.Errorf("%s: %s (%v)", name, state, err)
		}
	}
}

// TestBoringSSLOCSP holds the answers to what BoringSSL's ocsp_unittest.cc expects.
func TestBoringSSLOCSP(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "boringssl"), "ocsp", "*.pem"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	good := map[string]bool{"good_response": true, "good_response_invalid_serial": true, "good_response_next_update": true,
		"good_response_sha256": true, "has_critical_ct_extension": true, "has_single_extension": true, "has_version": true, "ocsp_sign_indirect": true}
	at := time.Date(2017, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pem")
		b := blocks(t, file)
		leaf, err := x509.ParseCertificate(b["CERTIFICATE"])
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		a, err := trust.StatusFromOCSP(b["OCSP RESPONSE"], leaf, parsed(t, b["CA CERTIFICATE"]), at,
			trust.RevocationLimits{AllowSHA1: true, MaxAgeOpen: 7 * 24 * time.Hour})
		if isGood := err == nil && a.State == trust.RevocationGood; isGood != good[name] {
			t.Errorf("%s: %s %v", name, a.State, err)
		}
	}
}

// TestOpenSSLOCSP runs responses of OpenSSL's 80-test_ocsp.t that we have with their certificates.
func TestOpenSSLOCSP(t *testing.T) {
	dir := filepath.Join(corpora(t, "openssl"), "ocsp-tests")
	for _, test := range []struct {
		response, cert, issuer string
		day                    int // of October 2012
		good                   bool
	}{
		{"D1", "D1_Cert_EE", "D1_Issuer_ICA", 25, true},
		{"ISOP_D1", "D1_Cert_EE", "D1_Issuer_ICA", 25, false},
		{"WINH_D1", "D1_Cert_EE", "D1_Issuer_ICA", 25, false},
		{"ND1", "ND1_Cert_EE", "ND1_Issuer_ICA", 12, true},
		{"ND1", "ND1_Cert_EE", "ND1_Issuer_ICA-Cross", 12, true},
		{"ND1", "D1_Cert_EE", "D1_Issuer_ICA", 25, false},
	} {
		octets, err := os.ReadFile(filepath.Join(dir, test.response+".ors"))
		if err != nil {
			t.Fatal(err)
		}
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(octets)), ""))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2012, 10, test.day, 12, 0, 0, 0, time.UTC)
		cert := parsed(t, blocks(t, filepath.Join(dir, test.cert+".pem"))["CERTIFICATE"])
		issuer := parsed(t, blocks(t, filepath.Join(dir, test.issuer+".pem"))["CERTIFICATE"])
		for _, sha1 := range []bool{true, false} {
			a, err := trust.StatusFromOCSP(der, cert, issuer, at, trust.RevocationLimits{AllowSHA1: sha1})
			if good := err == nil && a.State == trust.RevocationGood; good != (test.good && sha1) {
				t.Errorf("%s about %s by %s, SHA-1 %v: %s %v", test.response, test.cert, test.issuer, sha1, a.State, err)
			}
		}
	}
}
