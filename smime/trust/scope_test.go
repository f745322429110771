package trust_test

import (
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestAnchorScope: a partner's authority speaks for the partner's people and for nobody else.
func TestAnchorScope(t *testing.T) {
	partner, corp, both := smimetest.NewCA("Partner"), smimetest.NewCA("Corp"), smimetest.NewCA("Both")
	scoped := func(domains ...string) trust.ScopedAnchors {
		return trust.ScopedAnchors{Anchors: certificates(partner, both), Domains: domains}
	}
	policy := trust.NewPolicy(trust.PolicyOptions{
		Anchors: certificates(corp, both),
		Scoped:  []trust.ScopedAnchors{scoped("partner.example", "Bücher.example"), scoped("other.example")},
	})
	sub := partner.Sub("Partner's issuing CA")
	for _, test := range []struct {
		name string
		id   *smimetest.Identity
		want trust.Reason
	}{
		{"its domain", partner.Issue("pat@partner.example"), ""},
		{"its domain in capitals", partner.Issue("pat@PARTNER.example"), ""},
		{"another of its entries", partner.Issue("pat@other.example"), ""},
		{"through an intermediate", sub.Issue("pat@partner.example"), ""},
		{"our domain", partner.Issue("ceo@corp.example"), trust.BadPath},
		{"our domain through an intermediate", sub.Issue("ceo@corp.example"), trust.BadPath},
		{"a domain below its", partner.Issue("pat@mail.partner.example"), trust.BadPath},
		{"a domain that ends alike", partner.Issue("pat@evilpartner.example"), trust.BadPath},
		{"both", partner.Issue("pat@partner.example", smimetest.Addresses("pat@partner.example", "ceo@corp.example")), trust.BadPath},
		{"ours in the subject alone", partner.Issue("pat@partner.example", smimetest.DNEmail("ceo@corp.example")), trust.BadPath},
		{"no address", partner.Issue("pat@partner.example", smimetest.NoSAN), trust.BadPath},
		{"everywhere and here", both.Issue("ceo@corp.example"), ""},
		{"an anchor for everybody", corp.Issue("ceo@corp.example"), ""},
	} {
		for range 2 { // the second time from the cache
			if v := policy.Judge(test.id.Certificate, trust.Encryption, now, test.id.Chain); v.Reason != test.want {
				t.Errorf("%s: %q (%s), want %q", test.name, v.Reason, v.Detail, test.want)
			}
		}
	}
	if v := trust.NewPolicy(trust.PolicyOptions{Scoped: []trust.ScopedAnchors{scoped()}}).Judge(partner.Issue("pat@partner.example").Certificate, trust.Signing, now, nil); v.OK() {
		t.Error("an anchor without domains speaks for somebody")
	}
	// The other way to an anchor for everybody stays open, even if the partner's certificate is tried first.
	cross := corp.Sub("Partner", smimetest.WithKey(partner.Key))
	leaf := partner.Issue("ceo@corp.example")
	if v := policy.Judge(leaf.Certificate, trust.Signing, now, certificates(cross)); !v.OK() {
		t.Errorf("certified by our authority: %q (%s)", v.Reason, v.Detail)
	}
}
