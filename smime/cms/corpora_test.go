package cms

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// corpora is the folder of messages written by others, whose INDEX.tsv says what must come of them.
func corpora(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SEALIST_CORPORA")
	if dir == "" {
		t.Skip("SEALIST_CORPORA names no folder of messages written by others")
	}
	return dir
}

// row is a line of INDEX.tsv.
type row struct {
	path, kind, details, expected, observed, key string
}

func index(t testing.TB, dir string) []row {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []row
	for lines := bufio.NewScanner(f); lines.Scan(); {
		f := strings.Split(lines.Text(), "\t")
		rows = append(rows, row{path: f[0], kind: f[3], details: f[4], expected: f[5], observed: f[7], key: f[8]})
	}
	if len(rows) < 2 {
		t.Fatal("an empty index")
	}
	return rows[1:]
}

// cmsOctets returns the file's CMS object, nil where the file is a mail or something else.
func cmsOctets(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(data); block != nil && (block.Type == "PKCS7" || block.Type == "CMS") {
		return block.Bytes
	}
	if len(data) == 0 || data[0] != tagSequence {
		return nil
	}
	return data
}

// within runs f and fails if it takes more than a second or allocates more than 64 MB. On a machine
// that others use too, a run that was too slow has two more chances. The race detector has its own
// idea of time and memory; under it f only runs.
func within(t testing.TB, what string, f func()) {
	t.Helper()
	for try := 1; ; try++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		f()
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		mb := (after.TotalAlloc - before.TotalAlloc) >> 20
		if raceEnabled || took < time.Second && mb < 64 {
			return
		}
		if mb >= 64 || try == 3 {
			t.Errorf("%s: %v and %d MB", what, took, mb)
			return
		}
	}
}

// exercise does with octets whatever this package can do with them.
func exercise(octets []byte, keys []Key, certs []*x509.Certificate) {
	b := NewBudget(Limits{})
	c, err := Read(octets, b)
	if err != nil {
		return
	}
	c.ContentType()
	switch c := c.(type) {
	case *SignedData:
		for _, info := range c.Verify(nil, certs, VerifyPolicy{AllowSHA1: true}, b) {
			_ = info.ID.String()
			ParseCapabilities(info.Capabilities)
		}
		c.Verify([]byte("something else"), certs, VerifyPolicy{}, b)
	case *EnvelopedData:
		_ = fmt.Sprint(c.Recipients(), c.ContentAlgorithm())
		c.Decrypt(keys, b, DecryptPolicy{Allow3DES: true})
	case *AuthEnvelopedData:
		_ = fmt.Sprint(c.Recipients(), c.ContentAlgorithm())
		c.Decrypt(keys, b, DecryptPolicy{})
	case *CompressedData:
		c.Decompress(b)
	}
}

// TestCorporaFuzzSeeds: what broke other readers parses or errors within a second and 64 MB.
func TestCorporaFuzzSeeds(t *testing.T) {
	dir := corpora(t)
	var keys []Key
	for _, name := range []string{"rsa2048", "p256", "x25519"} {
		keys = append(keys, Key{Private: who(t, name).key})
	}
	n := 0
	for _, r := range index(t, dir) {
		if r.kind != "fuzz-seed" {
			continue
		}
		n++
		data, err := os.ReadFile(filepath.Join(dir, r.path))
		if err != nil {
			t.Fatal(err)
		}
		within(t, r.path, func() { exercise(data, keys, nil) })
		within(t, r.path, func() { CertificatesOnly(data, nil) })
	}
	if n == 0 {
		t.Fatal("no seeds found")
	}
	t.Logf("%d seeds", n)
}

var (
	reCount = regexp.MustCompile(`(signers|recips|certs|crls)=(\d+)`)
	reClear = regexp.MustCompile(`decrypt-ok\((\d+)B sha256=([0-9a-f]+)\)`)
)

// TestCorporaMessages reads every CMS object of the index (mails are for the packages above), and
// compares what is found with what the index says.
func TestCorporaMessages(t *testing.T) {
	dir := corpora(t)
	n := make(map[string]int)
	for _, r := range index(t, dir) {
		outer, _, _ := strings.Cut(r.kind, ">")
		wanted := []string{"signed-opaque", "signed-detached", "certs-only", "enveloped", "authenveloped", "digested", "encrypted(sym)", "cms-malformed"}
		if !slices.Contains(wanted, outer) {
			continue
		}
		octets := cmsOctets(t, filepath.Join(dir, r.path))
		if octets == nil {
			continue
		}
		n[outer]++
		t.Run(r.path, func(t *testing.T) {
			c, err := Read(octets, nil)
			if outer == "cms-malformed" {
				wantErr(t, r.path, err, ErrMalformed)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			counts := make(map[string]int)
			details, _, _ := strings.Cut(r.details, ">>")
			for _, m := range reCount.FindAllStringSubmatch(details, -1) {
				counts[m[1]], _ = strconv.Atoi(m[2])
			}
			switch c := c.(type) {
			case *SignedData:
				checkSigned(t, dir, r, c, counts)
			case *EnvelopedData:
				checkEnveloped(t, dir, r, c, counts)
			case *OtherData:
				if outer != "digested" && outer != "encrypted(sym)" {
					t.Errorf("a %s", c.Type)
				}
			default:
				t.Errorf("a %T", c)
			}
		})
	}
	for _, kind := range []string{"signed-opaque", "enveloped", "certs-only"} {
		if n[kind] == 0 {
			t.Errorf("no %s found", kind)
		}
	}
	t.Logf("%v", n)
}

func checkSigned(t *testing.T, dir string, r row, sd *SignedData, counts map[string]int) {
	detached := strings.HasPrefix(r.kind, "signed-detached") || r.kind == "certs-only"
	switch {
	case len(sd.signers) != counts["signers"], len(sd.CRLs) != counts["crls"]:
		t.Errorf("%d signers, %d CRLs; want %v", len(sd.signers), len(sd.CRLs), counts)
	case len(sd.Certificates)+sd.Unreadable != counts["certs"]:
		t.Errorf("%d+%d certificates, want %v", len(sd.Certificates), sd.Unreadable, counts)
	case sd.Detached != detached && r.kind != "certs-only":
		t.Errorf("detached %v", sd.Detached)
	}
	if r.expected == "" {
		return
	}
	var content []byte
	if sd.Detached { // of the raw objects only RFC 4134's have one
		var err error
		if content, err = os.ReadFile(filepath.Join(dir, "rfc4134/ExContent.bin")); err != nil {
			t.Fatal(err)
		}
	}
	for _, info := range sd.Verify(content, nil, VerifyPolicy{AllowSHA1: true}, nil) {
		var want error
		switch {
		case strings.Contains(r.details, "dsa"):
			want = ErrUnsupportedAlgorithm
		case strings.HasPrefix(r.expected, "valid"), r.expected == "sig-valid":
		default:
			t.Errorf("what does %q mean here?", r.expected)
		}
		if want == nil && info.Err != nil || want != nil {
			wantErr(t, r.path, info.Err, want)
		}
	}
	if strings.Contains(r.details, "sha1+rsa") {
		for _, info := range sd.Verify(content, nil, VerifyPolicy{}, nil) {
			wantErr(t, r.path, info.Err, ErrWeakAlgorithm)
		}
	}
}

func checkEnveloped(t *testing.T, dir string, r row, ed *EnvelopedData, counts map[string]int) {
	if got := len(ed.recipients) + ed.unknown; got != counts["recips"] {
		t.Errorf("%d recipients, want %d", got, counts["recips"])
	}
	for _, info := range ed.Recipients() {
		if info.ID.String() == "" || info.KeyEncryption == "" {
			t.Errorf("recipient %+v", info)
		}
	}
	if r.key == "" || r.key == "none" {
		return
	}
	keys := corporaKeys(t, filepath.Join(dir, r.key))
	for _, strict := range []bool{false, true} {
		got, err := ed.Decrypt(keys, nil, DecryptPolicy{Allow3DES: !strict})
		if strict && strings.Contains(r.details, "tripledes") || r.expected == "decrypt-fail" || r.expected == "policy-reject" {
			if err != ErrDecrypt {
				t.Errorf("%v, want ErrDecrypt", err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		m := reClear.FindStringSubmatch(r.observed)
		if m == nil {
			t.Errorf("decrypted, and the index says %q", r.observed)
			continue
		}
		digest := sha256.Sum256(got)
		if strconv.Itoa(len(got)) != m[1] || !strings.HasPrefix(hex.EncodeToString(digest[:]), m[2]) {
			t.Errorf("%d octets, sha256 %x; want %v", len(got), digest, m[1:])
		}
	}
}

// corporaKeys reads a PKCS #12, PKCS #8 or PEM file.
func corporaKeys(t testing.TB, path string) []Key {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".p12") {
		key, cert, _, err := pkcs12.DecodeChain(data, "nss")
		if err != nil {
			t.Fatal(err)
		}
		return []Key{{Certificate: cert, Private: key}}
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	key, err := x509.ParsePKCS8PrivateKey(bytes.TrimSpace(data))
	if err != nil {
		t.Fatal(err)
	}
	return []Key{{Private: key}}
}
