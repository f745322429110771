package list

import "fmt"

// Agent says whether a list is a mail list agent of RFC 2634 section 4: whether
// it signs what it distributes, with an mlExpansionHistory. An agent has to
// obey security labels; the word says how.
type Agent string

// The kinds of mail list agents.
const (
	NoAgent      Agent = ""       // the default
	RefuseLabels Agent = "refuse" // messages with a security label are refused
	CarryLabels  Agent = "carry"  // they go to all members, who are taken to be cleared for them
)

// ParseAgent reads "refuse" or "carry"; "" is NoAgent.
func ParseAgent(s string) (Agent, error) {
	switch a := Agent(s); a {
	case NoAgent, RefuseLabels, CarryLabels:
		return a, nil
	}
	return "", fmt.Errorf("%.40q is nothing to do with security labels: write refuse or carry", s)
}
