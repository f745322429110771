package listd

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
)

var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

// at is a moment so many days from noon.
func at(days float64) time.Time { return noon.Add(time.Duration(days * 24 * float64(time.Hour))) }

// TestStage: the most urgent one counts that has been reached, and none long after the end.
func TestStage(t *testing.T) {
	usual := []int{30, 14, 3, 0}
	for _, c := range []struct {
		stages []int
		left   float64 // days
		want   int
		told   bool
	}{
		{usual, 400, 0, false}, {usual, 30.01, 0, false},
		{usual, 30, 30, true}, {usual, 14.5, 30, true}, {usual, 14, 14, true}, {usual, 3.1, 14, true}, {usual, 3, 3, true},
		{usual, 0.001, 3, true}, {usual, 0, 0, true}, {usual, -10, 0, true}, {usual, -37, 0, true}, {usual, -37.1, 0, false},
		{[]int{0, 3, 30}, 2, 3, true}, {[]int{7}, -1, 7, true}, {[]int{7}, -15, 0, false}, {[]int{0}, 0.5, 0, false}, {nil, 1, 0, false},
	} {
		got, told := expiry{c.stages}.stage(at(c.left), noon)
		if got != c.want || told != c.told {
			t.Errorf("stages %v, %v days left: %d %v, want %d %v", c.stages, c.left, got, told, c.want, c.told)
		}
	}
}

// TestEndings: what has a successor is not told, whatever source it is from.
func TestEndings(t *testing.T) {
	one := func(name string, from, to float64, uses use) owned {
		return owned{certificate: &x509.Certificate{NotBefore: at(from), NotAfter: at(to)}, fingerprint: name, uses: uses}
	}
	old := one("old", -355, 10, toEncrypt)
	for name, c := range map[string]struct {
		all  []owned
		want []string // fingerprint and stage
	}{
		"nothing":                       {nil, nil},
		"alone":                         {[]owned{old}, []string{"old 14"}},
		"still good for long":           {[]owned{one("young", -5, 360, toEncrypt)}, nil},
		"with a newer one":              {[]owned{old, one("new", -5, 360, toEncrypt)}, nil},
		"with one that ends sooner":     {[]owned{old, one("older", -400, 2, toEncrypt)}, []string{"old 14"}},
		"with one that ends with it":    {[]owned{old, one("twin", -355, 10, toEncrypt)}, []string{"old 14", "twin 14"}},
		"with one for tomorrow":         {[]owned{old, one("new", 1, 360, toEncrypt)}, nil},
		"with one that leaves a gap":    {[]owned{old, one("new", 11, 360, toEncrypt)}, []string{"old 14"}},
		"with one for another use":      {[]owned{old, one("new", -5, 360, toSign)}, []string{"old 14"}},
		"with one for both":             {[]owned{old, one("new", -5, 360, toSign|toEncrypt)}, nil},
		"for both, each half followed":  {[]owned{one("old", -355, 10, toSign|toEncrypt), one("s", -5, 360, toSign), one("e", -5, 360, toEncrypt)}, nil},
		"for both, one half followed":   {[]owned{one("old", -355, 10, toSign|toEncrypt), one("s", -5, 360, toSign)}, []string{"old 14"}},
		"expired, replaced after a gap": {[]owned{one("old", -355, -5, toEncrypt), one("new", -1, 360, toEncrypt)}, nil},
		"expired, and so its successor": {[]owned{one("old", -355, -5, toEncrypt), one("new", -300, -1, toEncrypt)}, []string{"old 0", "new 0"}},
		"the successor ends, too":       {[]owned{one("old", -355, 1, toEncrypt), one("new", -300, 20, toEncrypt)}, []string{"new 30"}},
		"found twice":                   {[]owned{old, old}, []string{"old 14"}},
	} {
		var got []string
		for _, e := range (expiry{[]int{30, 14, 3, 0}}).endings(c.all, noon) {
			got = append(got, fmt.Sprint(e.fingerprint, " ", e.stage))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestHolderHears: by source, and the most generous word of those that have the certificate.
func TestHolderHears(t *testing.T) {
	for _, c := range []struct {
		words string
		hears []int // of the stages 30, 14, 3, 0
	}{
		{"all", []int{30, 14, 3, 0}}, {"last", []int{3, 0}}, {"none", nil},
		{"none last", []int{3, 0}}, {"last all", []int{30, 14, 3, 0}}, {"all none", []int{30, 14, 3, 0}},
	} {
		var all []owned
		for word := range slices.Values([]string{config.HolderAll, config.HolderLast, config.HolderNone}) {
			if strings.Contains(c.words, word) {
				all = append(all, owned{fingerprint: "x", holderMail: word})
			}
		}
		one := joined(all)
		if len(one) != 1 {
			t.Fatal(one)
		}
		var hears []int
		for _, stage := range []int{30, 14, 3, 0} {
			if (ending{one[0], stage}).holderHears() {
				hears = append(hears, stage)
			}
		}
		if !slices.Equal(hears, c.hears) {
			t.Errorf("%s: %v, want %v", c.words, hears, c.hears)
		}
	}
}
