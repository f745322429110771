package distribute

import (
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// actionDecide is what the audit log calls the decision on a post.
const actionDecide = "decide"

// nobody stands for the author of a post who is not known: there is no From that
// names one.
const nobody = "unknown"

// claimed marks an address that nothing but a From field names.
const claimed = " (claimed)"

// maxRule is how much of a rule's text an entry quotes, in octets.
const maxRule = 300

// entry is what the audit log keeps of the decision on a post: on whose post, by
// which rule, and how it was known that it is his. It holds facts and words of
// the scenario's file, nothing of the post (invariant 1), and who is not
// authenticated is marked so. What was signed beneath an encryption by somebody
// who is not its author counts as content. Only listmasters see it (invariant 3).
func (v verdict) entry(s Submission, author list.Address) *store.AuditEntry {
	e := store.AuditEntry{Actor: nobody, Action: actionDecide, Detail: map[string]string{}}
	switch {
	case !author.IsZero():
		e.Actor = author.String()
	case !v.sender.IsZero():
		e.Actor = v.sender.String() + claimed
	}
	facts := map[string]string{
		"state": string(v.state), "reason": v.reason, "method": string(v.method), "action": string(v.action), "rule": v.rule,
		"rule_text": v.ruleText[:min(len(v.ruleText), maxRule)], "signature": string(v.signature),
		"approved_by": s.Item.Approved.String(),
	}
	if s.Author.Authenticated && s.Author.Signer != nil {
		facts["signer"] = trust.Fingerprint(s.Author.Signer.Certificate)
	}
	for name, value := range facts {
		if value != "" {
			e.Detail[name] = value
		}
	}
	return &e
}
