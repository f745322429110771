package trust_test

import (
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestCacheDoesNotPoison: what was asked before never changes a verdict.
func TestCacheDoesNotPoison(t *testing.T) {
	root := smimetest.NewCA("Root")
	leaf := root.Sub("Sub").Issue("alice@corp.example", smimetest.SignOnly)
	policy := anchored(root)
	ask := func(what string, use trust.Use, extra []*x509.Certificate, want trust.Reason) {
		t.Helper()
		if v := policy.Judge(leaf.Certificate, use, now, extra); v.Reason != want {
			t.Errorf("%s: %q (%s), want %q", what, v.Reason, v.Detail, want)
		}
	}
	ask("a bare leaf first", trust.Signing, nil, trust.UnknownCA)
	ask("then with its issuer", trust.Signing, leaf.Chain, "")
	ask("the issuer is gone again", trust.Signing, nil, trust.UnknownCA)
	ask("with its issuer, remembered", trust.Signing, leaf.Chain, "")
	ask("for the other use", trust.Encryption, leaf.Chain, trust.WrongUsage)
	if v := anchored(smimetest.NewCA("Other")).Judge(leaf.Certificate, trust.Signing, now, leaf.Chain); v.Reason != trust.UnknownCA {
		t.Errorf("with other anchors: %q", v.Reason)
	}
	configured := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(root), Intermediates: leaf.Chain})
	for range 2 {
		if v := configured.Judge(leaf.Certificate, trust.Signing, now, nil); !v.OK() {
			t.Errorf("with a configured intermediate: %q", v.Reason)
		}
	}
}

func TestCacheEndsWithThePath(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub", smimetest.Validity(now.Add(-time.Hour), now.Add(time.Hour)))
	leaf := sub.Issue("alice@corp.example", smimetest.Validity(now.Add(-48*time.Hour), now.Add(48*time.Hour)))
	policy := anchored(root)
	for _, test := range []struct {
		at   time.Time
		want trust.Reason
	}{{now, ""}, {now.Add(2 * time.Hour), trust.Expired}, {now.Add(-2 * time.Hour), trust.NotYetValid}, {now, ""}} {
		if v := policy.Judge(leaf.Certificate, trust.Encryption, test.at, leaf.Chain); v.Reason != test.want {
			t.Errorf("at %v: %q (%s), want %q", test.at.Sub(now), v.Reason, v.Detail, test.want)
		}
	}
}

func TestCacheIsBoundedAndShared(t *testing.T) {
	root := smimetest.NewCA("Root", smimetest.ECP256)
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(root), CacheSize: 4})
	var certs []*x509.Certificate
	for range 32 {
		certs = append(certs, root.Issue("alice@corp.example", smimetest.ECP256).Certificate)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, cert := range certs {
				if v := policy.Judge(cert, trust.Signing, now, nil); !v.OK() {
					t.Errorf("%q (%s)", v.Reason, v.Detail)
				}
			}
		})
	}
	wg.Wait()
	if n := policy.Cached(); n > 4 {
		t.Errorf("%d verdicts are kept, the most is 4", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	root := smimetest.NewCA("Root")
	leaf := root.Sub("Sub").Issue("alice@corp.example")
	for name, size := range map[string]int{"cold": -1, "warm": 0} {
		b.Run(name, func(b *testing.B) {
			policy := trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(root), Intermediates: leaf.Chain, CacheSize: size})
			b.ReportAllocs()
			for b.Loop() {
				if v := policy.Judge(leaf.Certificate, trust.Encryption, now, nil); !v.OK() {
					b.Fatal(v.Detail)
				}
			}
		})
	}
}
