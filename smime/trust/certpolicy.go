package trust

import (
	"crypto/x509"
	"slices"
)

// anyPolicy of RFC 5280 section 4.2.1.4, in the form in which policies are compared here.
const anyPolicy = "2.5.29.32.0"

// certificatePolicies follows the policies down a path (RFC 5280 section 6.1.2 (a) to (f), 6.1.3 (d) to (f), 6.1.4 (a), (b),
// (h) to (j), 6.1.5 (a), (b), (g)). Without demands of the Policy, a path is refused only if one of its CAs requires an
// explicit policy and none is left.
//
// The standard's tree grows without bound under mappings, so it is kept as a graph: one node a policy and certificate, with
// the nodes above that it stands for.
func (p *Policy) certificatePolicies(path []*x509.Certificate) Verdict {
	g := newPolicyGraph(len(path)-1, p.policies)
	for i := len(path) - 2; i >= 0; i-- {
		if complaint := g.certificate(path[i], i == 0); complaint != "" {
			return refuse(BadPath, "%s: %s", describe(path[i]), complaint)
		}
	}
	return Verdict{}
}

// PolicyDemands are the inputs (c) and (e) to (g) of RFC 5280 section 6.1.1. The zero value demands nothing, as every mail
// client does.
type PolicyDemands struct {
	Set              []x509.OID // user-initial-policy-set; empty: any policy
	RequireExplicit  bool       // initial-explicit-policy
	InhibitMapping   bool       // initial-policy-mapping-inhibit
	InhibitAnyPolicy bool       // initial-any-policy-inhibit
}

type policyNode struct {
	expected []string
	parents  []*policyNode // none: the root, or an anyPolicy above
	policy   string
}

type policyGraph struct {
	wanted []string
	nodes  []*policyNode // of the certificate before
	any    bool          // whether the certificate before has anyPolicy, and all above it
	none   bool          // the standard's valid_policy_tree is NULL

	explicit, mapping, inhibitAny int // certificates until the demand holds
}

func newPolicyGraph(certificates int, d PolicyDemands) *policyGraph {
	g := &policyGraph{any: true, explicit: certificates + 1, mapping: certificates + 1, inhibitAny: certificates + 1}
	for _, oid := range d.Set {
		g.wanted = append(g.wanted, oid.String())
	}
	if slices.Contains(g.wanted, anyPolicy) {
		g.wanted = nil
	}
	if d.RequireExplicit {
		g.explicit = 0
	}
	if d.InhibitMapping {
		g.mapping = 0
	}
	if d.InhibitAnyPolicy {
		g.inhibitAny = 0
	}
	return g
}

const noPolicyLeft = "a certificate policy is required, and none is valid for the whole path"

func (g *policyGraph) certificate(cert *x509.Certificate, last bool) (complaint string) {
	self := selfIssued(cert)
	if len(cert.Policies) == 0 { // 6.1.3 (e)
		g.empty()
	} else if !g.none {
		g.descend(cert, last, self)
	}
	if g.explicit == 0 && g.none { // 6.1.3 (f)
		return noPolicyLeft
	}
	if last {
		return g.wrapUp(cert)
	}
	if !g.mappings(cert) {
		return "it maps anyPolicy, which RFC 5280 forbids"
	}
	if !self { // 6.1.4 (h)
		g.explicit, g.mapping, g.inhibitAny = max(g.explicit-1, 0), max(g.mapping-1, 0), max(g.inhibitAny-1, 0)
	}
	// 6.1.4 (i), (j)
	g.explicit = limit(g.explicit, cert.RequireExplicitPolicy, cert.RequireExplicitPolicyZero)
	g.mapping = limit(g.mapping, cert.InhibitPolicyMapping, cert.InhibitPolicyMappingZero)
	g.inhibitAny = limit(g.inhibitAny, cert.InhibitAnyPolicy, cert.InhibitAnyPolicyZero)
	return ""
}

// limit takes crypto/x509's way to say absent: -1, or 0 without the flag.
func limit(counter, value int, zero bool) int {
	if value > 0 || value == 0 && zero {
		return min(counter, value)
	}
	return counter
}

func (g *policyGraph) empty() { g.nodes, g.any, g.none = nil, false, true }

// descend is 6.1.3 (d).
func (g *policyGraph) descend(cert *x509.Certificate, last, self bool) {
	expecting := map[string][]*policyNode{}
	for _, n := range g.nodes {
		for _, e := range n.expected {
			expecting[e] = append(expecting[e], n)
		}
	}
	var nodes []*policyNode
	have := map[string]bool{}
	add := func(policy string, parents []*policyNode) {
		if !have[policy] {
			have[policy] = true
			nodes = append(nodes, &policyNode{policy: policy, expected: []string{policy}, parents: parents})
		}
	}
	withAny := false
	for _, oid := range cert.Policies {
		policy := oid.String()
		parents, expected := expecting[policy]
		switch {
		case policy == anyPolicy:
			withAny = g.inhibitAny > 0 || !last && self
		case expected || g.any: // (1)
			add(policy, parents)
		}
	}
	if withAny { // (2)
		for policy, parents := range expecting {
			add(policy, parents)
		}
	}
	g.nodes, g.any = nodes, g.any && withAny
	if len(g.nodes) == 0 && !g.any { // (3)
		g.empty()
	}
}

// mappings is 6.1.4 (a) and (b).
func (g *policyGraph) mappings(cert *x509.Certificate) (ok bool) {
	mapped := map[string][]string{}
	for _, m := range cert.PolicyMappings {
		issuer, subject := m.IssuerDomainPolicy.String(), m.SubjectDomainPolicy.String()
		if issuer == anyPolicy || subject == anyPolicy {
			return false
		}
		mapped[issuer] = append(mapped[issuer], subject)
	}
	if len(mapped) == 0 || g.none {
		return true
	}
	if g.mapping == 0 {
		g.nodes = slices.DeleteFunc(g.nodes, func(n *policyNode) bool { return mapped[n.policy] != nil })
		if len(g.nodes) == 0 && !g.any {
			g.empty()
		}
		return true
	}
	for _, n := range g.nodes {
		if to := mapped[n.policy]; to != nil {
			n.expected = to
			delete(mapped, n.policy)
		}
	}
	if g.any {
		for issuer, to := range mapped {
			g.nodes = append(g.nodes, &policyNode{policy: issuer, expected: to})
		}
	}
	return true
}

// wrapUp is 6.1.5 (a), (b) and (g).
func (g *policyGraph) wrapUp(cert *x509.Certificate) (complaint string) {
	explicit := max(g.explicit-1, 0)
	if cert.RequireExplicitPolicyZero && cert.RequireExplicitPolicy == 0 {
		explicit = 0
	}
	if explicit > 0 || !g.none && (len(g.wanted) == 0 || g.any || g.leadsToWanted()) {
		return ""
	}
	return noPolicyLeft
}

// leadsToWanted says whether a policy of the leaf stands for a wanted one where the path leaves anyPolicy.
func (g *policyGraph) leadsToWanted() bool {
	seen := map[*policyNode]bool{}
	todo := slices.Clone(g.nodes)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		if len(n.parents) == 0 && slices.Contains(g.wanted, n.policy) {
			return true
		}
		todo = append(todo, n.parents...)
	}
	return false
}
