package admin

import (
	"context"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/resolver"
)

// Explanation is what every source has to say about an address.
type Explanation struct {
	resolver.Explanation
}

// ExplainedCertificate is one thing that a source has for the address.
type ExplainedCertificate = resolver.Certificate

// Sealable tells whether a copy would be sealed now.
func (e Explanation) Sealable() bool { return e.Verdict == resolver.VerdictUsable }

// Explain asks every source about an address and tells why each certificate would be used or not. fresh has directories
// asked now, whatever was kept of their answers. It judges as a list does that allows nothing special.
func (a *Admin) Explain(ctx context.Context, addressText string, fresh bool) (Explanation, error) {
	address, err := parseAddress(addressText)
	if err != nil {
		return Explanation{}, err
	}
	return Explanation{a.Resolver.Explain(ctx, address.String(), fresh, resolver.Allowances{})}, nil
}

// MemberCertificates is what a copy to one member would be sealed to.
type MemberCertificates struct {
	Address      list.Address `json:"address"`
	Verdict      string       `json:"verdict"` // usable, none, delayed, as cert explain has it
	Source       string       `json:"source,omitempty"`
	Certificates []string     `json:"certificates"`       // fingerprints
	Expires      time.Time    `json:"expires,omitzero"`   // when the last of them does
	Expiring     bool         `json:"expiring,omitempty"` // that is within the time asked about
	Refused      []string     `json:"refused,omitempty"`  // one reason for each certificate refused
	Error        string       `json:"error,omitempty"`    // the outage that delays
	Suspended    bool         `json:"suspended,omitzero"` // gets no copies anyway
}

// Sealable tells whether a copy would be sealed now.
func (m MemberCertificates) Sealable() bool { return m.Verdict == resolver.VerdictUsable }

// ListReach tells who of a list's members can be reached now.
type ListReach struct {
	List        list.Address         `json:"list"`
	Reachable   int                  `json:"reachable"`
	Expiring    int                  `json:"expiring"`    // of these, whose certificates all end within the time asked about
	Unreachable int                  `json:"unreachable"` // without a usable certificate
	Delayed     int                  `json:"delayed"`     // a source cannot be asked
	Sources     map[string]int       `json:"sources"`     // of the reachable, by the source that has the certificate
	Reasons     map[string]int       `json:"reasons"`     // of the unreachable, by reason; not_found where nothing was found
	Members     []MemberCertificates `json:"members"`
}

// resolveChunk is how many members are resolved in one go.
const resolveChunk = 500

// ExplainList tells for every member of a list what a copy would be sealed to, in the order of their addresses, and
// whose certificates end within a time.
func (a *Admin) ExplainList(ctx context.Context, listText string, within time.Duration) (ListReach, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return ListReach{}, err
	}
	members, err := a.Members(ctx, listText, string(list.RoleMember))
	if err != nil {
		return ListReach{}, err
	}
	reach := ListReach{List: l.Address, Sources: map[string]int{}, Reasons: map[string]int{}, Members: make([]MemberCertificates, 0, len(members))}
	for len(members) > 0 {
		chunk := members[:min(resolveChunk, len(members))]
		members = members[len(chunk):]
		addresses := make([]string, len(chunk))
		for i, m := range chunk {
			addresses[i] = m.Address.String()
		}
		for i, result := range a.Resolver.Resolve(ctx, addresses, resolver.Allowances{Expired: l.AllowExpired}) {
			reach.add(summary(chunk[i], result), a.Clock().Add(within))
		}
		if ctx.Err() != nil {
			return ListReach{}, Explain(ctx.Err())
		}
	}
	return reach, nil
}

// add counts one member.
func (r *ListReach) add(m MemberCertificates, end time.Time) {
	switch m.Verdict {
	case resolver.VerdictUsable:
		r.Reachable++
		r.Sources[m.Source]++
		if m.Expires.Before(end) {
			m.Expiring = true
			r.Expiring++
		}
	case resolver.VerdictDelayed:
		r.Delayed++
	default:
		r.Unreachable++
		if len(m.Refused) == 0 {
			r.Reasons["not_found"]++
		}
		seen := map[string]bool{}
		for _, reason := range m.Refused {
			if !seen[reason] {
				seen[reason] = true
				r.Reasons[reason]++
			}
		}
	}
	r.Members = append(r.Members, m)
}

// summary puts a result into a line.
func summary(m list.Member, r resolver.Result) MemberCertificates {
	s := MemberCertificates{Address: m.Address, Suspended: m.Suspended, Source: r.Source, Verdict: resolver.VerdictUsable, Certificates: []string{}}
	for _, c := range r.Certificates {
		s.Certificates = append(s.Certificates, c.Fingerprint)
		if c.NotAfter.After(s.Expires) {
			s.Expires = c.NotAfter.UTC()
		}
	}
	for _, refusal := range r.Refused {
		s.Refused = append(s.Refused, string(refusal.Reason))
	}
	switch {
	case r.Err != nil:
		s.Verdict, s.Error = resolver.VerdictDelayed, r.Err.Error()
	case len(r.Certificates) == 0:
		s.Verdict = resolver.VerdictNone
	}
	return s
}
