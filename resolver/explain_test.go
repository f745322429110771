package resolver_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func TestExplain(t *testing.T) {
	ca := smimetest.NewCA("CA")
	const address = "alice@corp.example"
	ec := ca.Issue(address, smimetest.ECP256)
	rsa := ca.Issue(address)
	signing := ca.Issue(address, smimetest.SignOnly, smimetest.Validity(now.Add(-30*time.Hour), now.Add(time.Hour)))
	first := holding("first", signing)
	second := holding("second", ec, rsa)
	second.entries[address] = append(second.entries[address], directory.Candidate{Certificate: []byte("garbage")})
	third, fourth, fifth := holding("third", ca.Issue(address)), holding("fourth"), holding("fifth")
	fourth.fail[""], fifth.fail[""] = errors.New("no route to host"), directory.ErrNotSource
	r := resolver.New([]resolver.Source{first, second, third, fourth, fifth}, trusting(ca), resolver.Options{Clock: func() time.Time { return now }})

	e := r.Explain(t.Context(), address, false, resolver.Allowances{})
	if e.Verdict != resolver.VerdictUsable || e.Source != "second" || len(e.Sources) != 5 {
		t.Fatalf("%+v", e)
	}
	for i, want := range []struct {
		outcome string
		decides bool
		certs   int
	}{{"found", false, 1}, {"found", true, 3}, {"found", false, 1}, {"outage", false, 0}, {"not_served", false, 0}} {
		s := e.Sources[i]
		if s.Outcome != want.outcome || s.Decides != want.decides || len(s.Certificates) != want.certs {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
	if c := e.Sources[0].Certificates[0]; c.Usable || c.Used || c.Reason != trust.WrongUsage || c.Detail == "" {
		t.Errorf("a certificate for signing: %+v", c)
	}
	for _, c := range e.Sources[1].Certificates {
		switch c.Fingerprint {
		case trust.Fingerprint(rsa.Certificate):
			if !c.Usable || !c.Used || c.Key != "RSA 2048" || c.Detail != "" || c.Serial == "" || len(c.Addresses) != 1 {
				t.Errorf("the one that is used: %+v", c)
			}
		case trust.Fingerprint(ec.Certificate):
			if !c.Usable || c.Used || c.Key != "EC P-256" || !strings.Contains(c.Detail, "RSA") {
				t.Errorf("the one of another kind: %+v", c)
			}
		default:
			if c.Usable || c.Reason != trust.Malformed {
				t.Errorf("the unreadable one: %+v", c)
			}
		}
	}
	if c := e.Sources[2].Certificates[0]; !c.Usable || c.Used || !strings.Contains(c.Detail, "earlier source") {
		t.Errorf("behind the source that decides: %+v", c)
	}
	octets, err := json.Marshal(e)
	if err != nil || !strings.Contains(string(octets), `"verdict":"usable"`) || !strings.Contains(string(octets), `"outcome":"outage"`) {
		t.Errorf("%s, %v", octets, err)
	}
}

// TestExplainAgreesWithResolve in each verdict.
func TestExplainAgreesWithResolve(t *testing.T) {
	ca := smimetest.NewCA("CA")
	const address = "alice@corp.example"
	good := func() *source { return holding("good", ca.Issue(address)) }
	bad := func() *source { return holding("bad", ca.Issue(address, smimetest.SignOnly)) }
	down := func() *source {
		s := holding("down")
		s.fail[""] = errors.New("down")
		return s
	}
	for _, test := range []struct {
		sources []resolver.Source
		want    string
	}{
		{[]resolver.Source{good()}, resolver.VerdictUsable},
		{[]resolver.Source{good(), down()}, resolver.VerdictUsable},
		{[]resolver.Source{bad(), good(), down()}, resolver.VerdictUsable},
		{[]resolver.Source{down(), good()}, resolver.VerdictDelayed},
		{[]resolver.Source{bad(), down(), good()}, resolver.VerdictDelayed},
		{[]resolver.Source{bad(), holding("empty")}, resolver.VerdictNone},
		{nil, resolver.VerdictNone},
	} {
		r := resolver.New(test.sources, trusting(ca), resolver.Options{})
		e, result := r.Explain(t.Context(), address, false, resolver.Allowances{}), resolveOne(t, r, address)
		verdict := resolver.VerdictNone
		switch {
		case result.Err != nil:
			verdict = resolver.VerdictDelayed
		case len(result.Certificates) > 0:
			verdict = resolver.VerdictUsable
		}
		if e.Verdict != test.want || verdict != test.want || e.Source != result.Source {
			t.Errorf("%d sources: explained %q, resolved %q, want %q", len(test.sources), e.Verdict, verdict, test.want)
		}
	}
}
