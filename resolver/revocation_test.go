package resolver_test

import (
	"crypto/x509"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// oracle says of each certificate what a test wants.
type oracle struct {
	mu       sync.Mutex
	verdicts map[string]trust.Verdict // by fingerprint
	asked    int
}

func (o *oracle) set(cert *x509.Certificate, v trust.Verdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.verdicts[trust.Fingerprint(cert)] = v
}

func (o *oracle) Judge(cert *x509.Certificate, _ trust.Use, _ time.Time, _ []*x509.Certificate) trust.Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	v, ok := o.verdicts[trust.Fingerprint(cert)]
	if !ok {
		v = trust.Verdict{Path: []*x509.Certificate{cert}, Revocation: trust.RevocationGood}
	}
	return v
}

func unknown(state trust.RevocationState) trust.Verdict {
	return trust.Verdict{Reason: trust.RevocationUnknown, Detail: "nobody answers", Revocation: state}
}

// TestRevocation: revoked is a refusal, not knowing an outage (invariant 2), and naming nobody to ask a refusal again.
func TestRevocation(t *testing.T) {
	ca := smimetest.NewCA("CA")
	const address = "alice@corp.example"
	for _, test := range []struct {
		name    string
		verdict trust.Verdict
		second  bool // another certificate that is good, in the same source
		delayed bool
		usable  int
	}{
		{"revoked", trust.Verdict{Reason: trust.Revoked, Detail: "gone", Revocation: trust.RevocationRevoked}, false, false, 0},
		{"revoked, beside a good one", trust.Verdict{Reason: trust.Revoked, Detail: "gone", Revocation: trust.RevocationRevoked}, true, false, 1},
		{"unknown", unknown(trust.RevocationNoAnswer), false, true, 0},
		{"stale", unknown(trust.RevocationStale), false, true, 0},
		{"unknown, beside a good one", unknown(trust.RevocationNoAnswer), true, false, 1},
		{"no mechanism", unknown(trust.RevocationNoMechanism), false, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := &oracle{verdicts: map[string]trust.Verdict{}}
			doubtful := ca.Issue(address)
			o.set(doubtful.Certificate, test.verdict)
			first, later := holding("first", doubtful), holding("later", ca.Issue(address))
			if test.second {
				first.add(address, ca.Issue(address).Certificate)
			}
			r := resolver.New([]resolver.Source{first, later}, o, resolver.Options{})
			result := resolveOne(t, r, address)
			if (result.Err != nil) != test.delayed || len(result.Refused) != 1 || result.Refused[0].Reason != test.verdict.Reason {
				t.Errorf("%+v", result)
			}
			if test.delayed && (len(result.Certificates) != 0 || len(later.asked) != 0) {
				t.Error("a later source was asked in the place of an answer that is missing")
			}
			if got := len(result.Certificates); !test.delayed && got != max(test.usable, 1) {
				t.Errorf("%d certificates", got)
			}
			want := resolver.VerdictUsable
			if test.delayed {
				want = resolver.VerdictDelayed
			}
			if e := r.Explain(t.Context(), address, false, resolver.Allowances{}); e.Verdict != want {
				t.Errorf("explained: %s (%s)", e.Verdict, e.Detail)
			}
		})
	}
}

// TestAnswersOnTheirWay: a batch waits for answers about revocation, for all at the same time, and judges again only what
// needs it.
func TestAnswersOnTheirWay(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	o := &oracle{verdicts: map[string]trust.Verdict{}}
	s := holding("ldap")
	var addresses []string
	var late []*x509.Certificate
	pending := make(chan struct{})
	for i := range 50 {
		id := ca.Issue(fmt.Sprintf("m%d@corp.example", i), smimetest.ECP256)
		s.add(id.Address, id.Certificate)
		addresses = append(addresses, id.Address)
		if i%5 == 0 {
			v := unknown(trust.RevocationNoAnswer)
			v.Pending = pending
			o.set(id.Certificate, v)
			late = append(late, id.Certificate)
		}
	}
	r := resolver.New([]resolver.Source{s}, o, resolver.Options{})
	finished := make(chan []resolver.Result)
	go func() { finished <- r.Resolve(t.Context(), addresses, resolver.Allowances{}) }()
	for i, cert := range late {
		if i == 0 {
			o.set(cert, trust.Verdict{Reason: trust.Revoked, Detail: "gone", Revocation: trust.RevocationRevoked})
			continue
		}
		o.set(cert, trust.Verdict{Path: []*x509.Certificate{cert}})
	}
	close(pending)
	for i, result := range <-finished {
		if want := 1 - boolInt(i == 0); result.Err != nil || len(result.Certificates) != want || len(result.Asked) != 1 {
			t.Errorf("%s: %+v", result.Address, result)
		}
	}
	if o.asked > 60 {
		t.Errorf("judged %d times", o.asked)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
