package trust_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// TestPKITS: NIST's certification paths in the sections that need no revocation: signatures, dates, names, basic
// constraints, key usage, policies and name constraints. None is accepted that NIST refuses, and all are accepted that
// NIST accepts but for DSA keys, which are not supported.
func TestPKITS(t *testing.T) {
	dir := corpora(t, "pkits")
	unsupported := []string{"4.1.4", "4.1.5"} // DSA
	agree, all := 0, 0
	for _, field := range rows(t, filepath.Join(dir, "EXPECTED.tsv"), 8) {
		if !regexp.MustCompile(`^4\.(1|2|3|6|8|9|10|11|12|13)\.`).MatchString(field[0]) {
			continue
		}
		all++
		valid := field[7] == "true"
		v := judgePath(t, dir, field, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
		switch {
		case v.OK() == valid && !slices.Contains(unsupported, field[0]):
			agree++
		case v.OK() == valid || v.OK() || !slices.Contains(unsupported, field[0]):
			t.Errorf("%s %s (policies %s; %s): accepted %v: %s (%s)", field[0], field[1], field[4], field[5], v.OK(), v.Reason, v.Detail)
		}
	}
	t.Logf("%d of %d agree", agree, all)
	if all != 167 || agree != all-len(unsupported) {
		t.Errorf("%d of %d agree", agree, all)
	}
}

// rows reads a table without its header.
func rows(t *testing.T, file string, columns int) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var table [][]string
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(field) >= columns {
			table = append(table, field)
		}
	}
	return table[1:]
}

// pkitsDemands reads the columns initial_policy_set and flags.
func pkitsDemands(t *testing.T, field []string) trust.PolicyDemands {
	t.Helper()
	d := trust.PolicyDemands{
		RequireExplicit:  strings.Contains(field[5], "InitialExplicitPolicy=true"),
		InhibitMapping:   strings.Contains(field[5], "InitialPolicyMappingInhibit=true"),
		InhibitAnyPolicy: strings.Contains(field[5], "InitialInhibitAnyPolicy=true"),
	}
	for name := range strings.SplitSeq(field[4], ",") {
		number, named := strings.CutPrefix(name, "NIST-test-policy-")
		text := "2.5.29.32.0"
		if named {
			text = "2.16.840.1.101.3.2.1.48." + number
		}
		oid, err := x509.ParseOID(text)
		if err != nil {
			t.Fatal(err)
		}
		d.Set = append(d.Set, oid)
	}
	return d
}

// judgePath reads a path that begins with the trust anchor. One that cannot be read is refused.
func judgePath(t *testing.T, dir string, field []string, at time.Time) trust.Verdict {
	t.Helper()
	var path []*x509.Certificate
	for name := range strings.SplitSeq(field[2], ";") {
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
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: path[:1], Policies: pkitsDemands(t, field)})
	return policy.Judge(path[last], trust.Signing, at, path[1:last])
}
