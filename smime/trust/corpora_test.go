package trust_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// corpora is the folder of messages and certificates made by others.
func corpora(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("SEALIST_CORPORA")
	if dir == "" {
		t.Skip("SEALIST_CORPORA names no folder with " + name)
	}
	return filepath.Join(dir, name)
}

// TestPKITS: of NIST's certification paths none is accepted that NIST refuses, in the sections that need neither
// revocation nor policies: signatures, dates, names, basic constraints, name constraints. What is refused although NIST
// accepts it is a limit of crypto/x509, and is counted.
func TestPKITS(t *testing.T) {
	dir := corpora(t, "pkits")
	expected, err := os.ReadFile(filepath.Join(dir, "EXPECTED.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	judged := regexp.MustCompile(`^4\.(1|2|3|6|13)\.`)
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	agree, all := 0, 0
	for line := range strings.Lines(string(expected)) {
		field := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(field) < 8 || !judged.MatchString(field[0]) || strings.Contains(field[1], "CRL") {
			continue
		}
		all++
		valid := field[7] == "true"
		v := judgePath(t, dir, strings.Split(field[2], ";"), at)
		switch {
		case v.OK() == valid:
			agree++
		case v.OK():
			t.Errorf("%s %s: accepted", field[0], field[1])
		default:
			t.Logf("%s %s: refused: %s (%s)", field[0], field[1], v.Reason, v.Detail)
		}
	}
	t.Logf("%d of %d agree", agree, all)
	if all < 70 || agree < 55 {
		t.Errorf("%d of %d agree", agree, all)
	}
}

// judgePath reads a path that begins with the trust anchor. One that cannot be read is refused.
func judgePath(t *testing.T, dir string, names []string, at time.Time) trust.Verdict {
	t.Helper()
	var path []*x509.Certificate
	for _, name := range names {
		octets, err := os.ReadFile(filepath.Join(dir, "certs", name+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		certs, err := trust.ParseCertificates(octets)
		if err != nil {
			return trust.Verdict{Reason: trust.ReasonUnparsed(err), Detail: err.Error()}
		}
		path = append(path, certs[0])
	}
	last := len(path) - 1
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: path[:1]})
	return policy.Judge(path[last], trust.Signing, at, path[1:last])
}
