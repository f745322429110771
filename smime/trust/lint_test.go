package trust_test

import (
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime/trust"
)

// firstCertificate reads the first certificate of a file; why it cannot be read is nil if it can.
func firstCertificate(t *testing.T, file string) (*x509.Certificate, error) {
	t.Helper()
	octets, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := trust.ParseCertificates(octets)
	if len(certs) == 0 {
		return nil, err
	}
	return certs[0], nil
}

// TestZLintKeyUsage: the names of zlint's certificates say which bits of keyUsage are set, so what they are good for.
func TestZLintKeyUsage(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora(t, "zlint-smime"), "smime", "*_ku.pem"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range append(files, filepath.Join(filepath.Dir(files[0]), "ec_no_key_usages.pem")) {
		name := filepath.Base(file)
		has := func(bit string) bool { return strings.Contains(name, bit) }
		signs := has("digital_signature") || has("content_commitment")
		encrypts := strings.HasPrefix(name, "rsa") && has("key_encipherment") || strings.HasPrefix(name, "ec_") && has("key_agreement") && !has("decipher_only")
		cert, err := firstCertificate(t, file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := trust.Usage(cert, trust.Signing) == ""; got != signs {
			t.Errorf("%s: for signing %v", name, got)
		}
		if got := trust.Usage(cert, trust.Encryption) == ""; got != encrypts {
			t.Errorf("%s: for encryption %v", name, got)
		}
	}
}

// TestLintedUsage: what zlint and pkilint find about usage, and what comes of it here. The Baseline Requirements are the
// rules of public CAs. Where they forbid what RFC 8550 allows, it counts, because the CAs of organisations are not bound by
// them; those cases have a reason.
func TestLintedUsage(t *testing.T) {
	const no = trust.WrongUsage
	for file, test := range map[string]struct {
		signing, encryption trust.Reason
		reason              string
	}{
		"pkilint-smime/smime_br/organization/strict/ed25519_bad_ku.crttest":                {no, no, ""},
		"pkilint-smime/smime_br/mailbox/legacy/invalid_ku_for_ecdsa.crttest":               {"", no, ""},
		"pkilint-smime/smime_br/individual/multipurpose/ecdsa_dual_use.crttest":            {"", no, "keyAgreement with decipherOnly: what is encrypted to it is not enciphered by it"},
		"pkilint-smime/smime_br/individual/strict/rsa_dataencipherment.crttest":            {"", "", "dataEncipherment does no harm beside keyEncipherment"},
		"pkilint-smime/smime_br/organization/strict/mldsa44.crttest":                       {"", no, "refused for its key: unsupported_algorithm"},
		"pkilint-smime/smime_br/organization/strict/mlkem512_key_with_mldsa44_sig.crttest": {no, "", "refused for its key: unsupported_algorithm"},
		"zlint-smime/smime/individualValidatedStrictWithServerAuthEKU.pem":                 {"", "", "emailProtection beside serverAuth, as corporate CAs issue"},
		"zlint-smime/smime/organizationValidatedMultipurposeWithServerAuthEKU.pem":         {"", "", "emailProtection beside serverAuth, as corporate CAs issue"},
		"zlint-smime/smime/mailboxValidatedLegacyWithCommonName.pem":                       {"", "", "no keyUsage: RFC 8550 section 4.4.2 asks for bits only where it is present"},
		"python-smime-certs/multiple_cn.pem":                                               {no, no, ""},
		"python-smime-certs/multiple_policies.pem":                                         {no, no, ""},
		"python-smime-certs/multiple_an.pem":                                               {"", "", "anyExtendedKeyUsage"},
	} {
		cert, err := firstCertificate(t, filepath.Join(corpora(t, filepath.Dir(file)), filepath.Base(file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if s, e := trust.Usage(cert, trust.Signing), trust.Usage(cert, trust.Encryption); s != test.signing || e != test.encryption {
			t.Errorf("%s: for signing %q, for encryption %q (%s)", file, s, e, test.reason)
		}
	}
}

// TestLintedNames: which addresses certificates name, whose subjectAltName the linters look at.
func TestLintedNames(t *testing.T) {
	const yamada, utf8Yamada = "hanako.yamada@example.com", "山田花子@example.com"
	for file, want := range map[string][]string{
		"pkilint-smime/smime_br/mailbox/multipurpose/smtputf8mailbox_only_cn_mismatch.crttest":               {utf8Yamada},
		"pkilint-smime/smime_br/mailbox/strict/smbr-cert-factory-mailbox-strict.crttest":                     {yamada, utf8Yamada},
		"pkilint-smime/smime_br/sponsored/strict/san_dirname_attribute_with_email_not_in_san.crttest":        {yamada, utf8Yamada}, // a directoryName's emailAddress is nobody's
		"pkilint-smime/smime_br/organization/multipurpose/invalid_email_address_domain_part_lengths.crttest": {yamada},             // the others have a domain of 319 octets
		"zlint-smime/smime/MailboxAddressFromSAN/WithOnlySANEmail.pem":                                       {"test@example.com"},
		"zlint-smime/smime/oneEmailAddressInSubjectDN.pem":                                                   {"zlint@example.com"},
		"zlint-smime/smime/MailboxAddressFromSAN/sponsorValidatedMultipurposeEmailInSubjectNotInSAN.pem":     {"diff@example.com", "zlint@example.com"}, // RFC 8550 section 3 lets the subject name one
		"zlint-smime/smime/email_with_multiple_values.pem":                                                   {"test+3@example.com"},                    // two in one value are none
		"zlint-smime/smime/no_email_present.pem":                                                             nil,
		"python-smime-certs/expiration_not_well_defined.pem":                                                 {"a@a.com"},
	} {
		cert, err := firstCertificate(t, filepath.Join(corpora(t, filepath.Dir(file)), filepath.Base(file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got := trust.Addresses(cert); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// TestUnreadable: certificates with broken encodings are refused, each by itself. Which, and why, is written down here,
// because the reader is not ours.
func TestUnreadable(t *testing.T) {
	want := map[string]string{
		"python-smime-certs/asn1_indefinite_length_encoding.pem":            "malformed tbs certificate", // RFC 5280 section 4.1: DER
		"python-smime-certs/cert_bad_utf8_subject.pem":                      "invalid UTF-8",
		"python-smime-certs/invalid_ip.pem":                                 "cannot parse IP address",
		"python-smime-certs/multiple_eku.pem":                               "duplicate extension", // RFC 5280 section 4.2
		"python-smime-certs/negative_serial.pem":                            "serial number",       // RFC 5280 section 4.1.2.2
		"python-smime-certs/null_chars.pem":                                 "cannot parse URI",
		"pkilint-smime/pkix/old_lamps_smime_example.crttest":                "negative serial number",
		"pkilint-smime/smime_br/individual/legacy/rsa_key_no_param.crttest": "missing NULL parameters", // RFC 3279 section 2.3.1
	}
	got := map[string]string{}
	for _, folder := range []string{"python-smime-certs", "pkilint-smime", "zlint-smime"} {
		root := corpora(t, folder)
		for _, pattern := range []string{"*.pem", "*/*.pem", "*/*/*.pem", "*/*.crttest", "*/*/*/*.crttest"} {
			files, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if _, err := firstCertificate(t, file); err != nil {
					relative, _ := filepath.Rel(root, file)
					got[filepath.Join(folder, relative)] = err.Error()
				}
			}
		}
	}
	for file, text := range want {
		if !strings.Contains(got[file], text) {
			t.Errorf("%s: %q, want %q", file, got[file], text)
		}
		delete(got, file)
	}
	for _, file := range slices.Sorted(maps.Keys(got)) {
		t.Errorf("%s: %s", file, got[file])
	}
}
