package smime_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/csv"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// row is a line of the corpora's INDEX.tsv.
type row struct {
	path, kind, expected, basis, observed, key string
}

// corpora returns the folder that SEALIST_CORPORA names, or skips.
func corpora(t testing.TB) string {
	root := os.Getenv("SEALIST_CORPORA")
	if root == "" {
		t.Skip("SEALIST_CORPORA is not set")
	}
	return root
}

func readIndex(t testing.TB, root string) (rows []row, passwords map[string]string) {
	f, err := os.Open(filepath.Join(root, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	passwords = map[string]string{}
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return rows, passwords
		}
		if err != nil {
			t.Fatal(err)
		}
		for len(rec) < 9 {
			rec = append(rec, "")
		}
		rows = append(rows, row{path: rec[0], kind: rec[3], expected: rec[5], basis: rec[6], observed: rec[7], key: rec[8]})
		if m := regexp.MustCompile(`password='(.*)'`).FindStringSubmatch(rec[4]); m != nil {
			passwords[rec[0]] = m[1]
		}
	}
}

// readKey reads PKCS#12, PKCS#8 or PKCS#1, in DER or PEM.
func readKey(t testing.TB, path, password string) cms.Key {
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".p12") {
		key, cert := decodeP12(t, octets, password)
		return cms.Key{Certificate: cert, Private: key}
	}
	if block, _ := pem.Decode(octets); block != nil {
		octets = block.Bytes
	}
	if key, err := x509.ParsePKCS8PrivateKey(octets); err == nil {
		return cms.Key{Private: key}
	}
	key, err := x509.ParsePKCS1PrivateKey(octets)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return cms.Key{Private: key}
}

// anchors are the CA certificates shipped in a folder of the corpora.
func anchors(root, folder string) (cas, others []*x509.Certificate) {
	filepath.WalkDir(filepath.Join(root, folder), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".pem", ".crt", ".cer":
		default:
			return nil
		}
		octets, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if block, _ := pem.Decode(octets); block != nil {
			octets = block.Bytes
		}
		cert, err := x509.ParseCertificate(octets)
		switch {
		case err != nil:
		case cert.IsCA:
			cas = append(cas, cert)
		default:
			others = append(others, cert)
		}
		return nil
	})
	return cas, others
}

// at is the date a row was judged at by others.
func (r row) at() time.Time {
	if m := regexp.MustCompile(`(?:@|at )(\d{4}-\d\d-\d\d)`).FindStringSubmatch(r.observed + " " + r.basis); m != nil {
		at, _ := time.Parse("2006-01-02", m[1])
		return at
	}
	return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
}

var messageKind = regexp.MustCompile(`^(signed-|enveloped|authenveloped|certs-only|digested|encrypted|cms-malformed)`)

// differs lists the rows whose stated outcome is not what invariant 4 gives, each with its reason. The invariant rules.
var differs = map[string]struct {
	reason trust.Reason // ours; "" is authenticated
	why    string
}{
	"thunderbird/smime/alice.env.sig.SHA256.opaque.dave.sig.SHA256.opaque.eml": {trust.SignedOutsideEncryption,
		"upstream: valid; both signatures are around an encryption, and those name nobody (4 (c), RFC 8551 section 3.7)"},
	"thunderbird/smime/alice.plain.dsig.SHA256.multipart.dave.dsig.SHA256.multipart.eml": {"",
		"upstream does not show the inner signature's state; both hold, and dave, who is From, covers the content"},
	"thunderbird/smime/alice.plain.dsig.SHA256.multipart.dave.sig.SHA256.opaque.eml": {"", "as above"},
	"thunderbird/smime/alice.plain.sig.SHA256.opaque.dave.dsig.SHA256.multipart.eml": {"", "as above"},
	"thunderbird/smime/alice.env.sig.SHA1.opaque.dave.sig.SHA1.opaque.eml":           {trust.SignedOutsideEncryption, "refused for the structure before the digest matters"},
	"rfc4134/5.2.bin": {trust.Unsigned, "RC2 is refused as every decryption that fails: decrypt_failed"},
}

// unverifiable lists rows with signatures that this program cannot compute, and says so in the signer's reason.
var unverifiable = map[string]trust.Reason{
	"rfc4134/4.1.bin":  trust.UnsupportedAlgorithm, // DSA
	"rfc4134/4.4.bin":  trust.UnsupportedAlgorithm,
	"rfc4134/4.6.bin":  trust.UnsupportedAlgorithm,
	"rfc4134/4.7.bin":  trust.UnsupportedAlgorithm,
	"rfc4134/4.8.eml":  trust.UnsupportedAlgorithm,
	"rfc4134/4.9.eml":  trust.UnsupportedAlgorithm,
	"rfc4134/4.10.bin": trust.UnsupportedAlgorithm,
	"pkits/smime/SignedValidDSAParameterInheritanceTest5.eml": trust.UnsupportedAlgorithm,
	// crypto/x509 cannot read a CRL distribution point with nameRelativeToCRLIssuer, so the signer's certificate is not there.
	"pkits/smime/SignedValiddistributionPointTest5.eml": trust.UnknownCA,
}

// TestCorpora walks the messages of other projects: each gives the outcome that is stated for it.
func TestCorpora(t *testing.T) {
	root := corpora(t)
	rows, passwords := readIndex(t, root)
	walked := map[string]int{}
	for _, r := range rows {
		if !messageKind.MatchString(r.kind) {
			continue
		}
		folder := strings.Split(r.path, "/")[0]
		walked[folder]++
		t.Run(r.path, func(t *testing.T) {
			octets, err := os.ReadFile(filepath.Join(root, r.path))
			if err != nil {
				t.Fatal(err)
			}
			o := smime.InspectOptions{At: r.at()}
			switch folder {
			case "pkits":
				o.CA, _ = anchors(root, "pkits/certs/TrustAnchorRootCertificate.crt")
			case "derived-hp":
				o.CA, o.Intermediates = anchors(root, "rfc9216")
			default:
				o.CA, o.Intermediates = anchors(root, folder)
			}
			if r.key != "" && r.key != "none" {
				o.Keys = []cms.Key{readKey(t, filepath.Join(root, r.key), passwords[r.key])}
			}
			start := time.Now()
			report := smime.Inspect(octets, o)
			if took := time.Since(start); took > second {
				t.Errorf("took %s", took)
			}
			checkKind(t, r, report)
			checkOutcome(t, r, report)
			checkCleartext(t, r, octets, o.Keys)
		})
	}
	for _, folder := range []string{"thunderbird", "nss-interop", "rfc4134", "derived-hp", "gini", "james-smime", "mimekit", "pyca", "pkits"} {
		if walked[folder] == 0 {
			t.Errorf("no message of %s was read", folder)
		}
	}
	t.Log(walked)
}

// checkKind compares the layers with the kind, such as "enveloped>signed-detached".
func checkKind(t *testing.T, r row, report smime.Report) {
	if r.kind == "cms-malformed" || r.expected == "not-decryptable" {
		return
	}
	var got []string
	for _, l := range report.Layers {
		s := strings.ToLower(string(l.Type))
		if l.Form != "" {
			s += "-" + string(l.Form)
		}
		if l.Counts {
			got = append(got, s)
		}
	}
	want := strings.NewReplacer("certs-only", "certsonly", "digested", "other", "encrypted(sym)", "other").Replace(r.kind)
	if strings.Join(got, ">") != want {
		t.Errorf("layers %v, want %s", got, r.kind)
	}
}

func checkOutcome(t *testing.T, r row, report smime.Report) {
	is := func(authenticated bool, reasons ...trust.Reason) {
		t.Helper()
		if report.Authenticated != authenticated || len(reasons) > 0 && !slices.Contains(reasons, report.Reason) {
			t.Errorf("%s: authenticated %t, reason %q, error %q", r.expected, report.Authenticated, report.Reason, report.Error)
		}
	}
	intact := func() {
		t.Helper()
		signers := 0
		for _, l := range report.Layers {
			for _, s := range l.Signers {
				signers++
				if want, odd := unverifiable[r.path]; odd && s.Reason != want || !odd && !s.Valid {
					t.Errorf("%s: a signature does not hold: %q", r.expected, s.Reason)
				}
			}
		}
		if signers == 0 {
			t.Error("no signer")
		}
	}
	if d, ok := differs[r.path]; ok {
		is(d.reason == "", d.reason)
		return
	}
	bare := len(report.From) == 0 // a CMS object or an entity without a mail around it
	switch {
	case strings.HasPrefix(r.path, "pkits/"):
		// Paths are the business of trust. Here: the mathematics hold, and hardly a certificate names the From.
		intact()
		if report.Authenticated && r.expected != "valid" {
			t.Error("authenticated")
		}
	case r.path == "rfc4134/4.3.bin", bare && r.kind == "signed-detached" && report.Error == "malformed":
		is(false, trust.Malformed) // a signature without the content it signs
	case r.expected == "valid", r.expected == "decryptable+valid":
		intact()
		is(true)
	case r.expected == "sig-valid":
		intact()
		is(false)
	case r.expected == "must-reject":
		is(false, trust.Altered, trust.Malformed)
	case r.expected == "policy-reject":
		intact()
		is(false, trust.WeakAlgorithm)
	case r.expected == "valid-weak":
		intact()
		is(false, trust.WeakAlgorithm, trust.Unsigned)
	case r.expected == "decryptable":
		is(false, trust.Unsigned, trust.SignedOutsideEncryption, trust.Altered)
		if report.Error != "" || report.ContentSHA256 == "" {
			t.Errorf("error %q", report.Error)
		}
	case r.expected == "unsigned":
		is(false, trust.Unsigned)
	case r.expected == "not-decryptable", r.expected == "decrypt-fail":
		is(false)
		if report.Error != "decrypt_failed" {
			t.Errorf("error %q", report.Error)
		}
	default:
		is(false)
	}
}

// checkCleartext compares what an encryption held with the length and hash that OpenSSL saw.
func checkCleartext(t *testing.T, r row, octets []byte, keys []cms.Key) {
	seen := regexp.MustCompile(`decrypt-ok\((\d+)B sha256=([0-9a-f]+)\)`).FindStringSubmatch(r.observed)
	if seen == nil {
		return
	}
	if octets[0] == 0x30 {
		octets = append([]byte("Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n"), octets...)
	}
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	m := smime.Open(e, smime.Options{Keys: keys, Decrypt: cms.DecryptPolicy{Allow3DES: true}})
	if m.Err != nil {
		t.Fatal(m.Err)
	}
	sum := sha256.Sum256(m.Payload.Octets())
	if got := hex.EncodeToString(sum[:]); !strings.HasPrefix(got, seen[2]) || fmt.Sprint(len(m.Payload.Octets())) != seen[1] {
		t.Errorf("%d octets %s, want %s octets %s", len(m.Payload.Octets()), got, seen[1], seen[2])
	}
}

// TestCorporaNeverCrash gives every file of the folders with broken octets to Inspect: as it is, and as the CMS object of a message.
func TestCorporaNeverCrash(t *testing.T) {
	root := corpora(t)
	for _, folder := range []string{"openssl", "openssl-fuzz", "pyca", "mimekit", "mime4j", "mikel-mail", "stalwart-mail-parser", "bounces-sisimai", "gini"} {
		files := 0
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			octets, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			p7m := "From: a@b.example\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + string(octets)
			for _, in := range [][]byte{octets, []byte(p7m)} {
				start := time.Now()
				report := smime.Inspect(in, smime.InspectOptions{})
				if took := time.Since(start); took > second {
					t.Errorf("%s: took %s", path, took)
				}
				if report.Authenticated {
					t.Errorf("%s: authenticated without an anchor", path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if files == 0 {
			t.Errorf("%s: no files", folder)
		}
	}
}
