package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory"
)

// template is a filter with placeholders for an address.
type template struct {
	text string

	// rules say how an entry shows whose it is, if the template allows that: only then many addresses can be asked for
	// in one search.
	rules []rule
}

// rule is an equality assertion with a placeholder in it: the entry has the attribute with the expanded value.
type rule struct {
	attribute string
	value     string // with placeholders, not escaped
}

var placeholders = []string{"{addr}", "{local}", "{domain}"}

// parseTemplate checks a filter: it is one, its placeholders are known and stand in values, and it asks for an address
// at all.
func parseTemplate(text string) (template, error) {
	if !strings.Contains(text, "{addr}") && !strings.Contains(text, "{local}") {
		return template{}, fmt.Errorf("filter %s: neither {addr} nor {local} is in it, so it would find the same entry for everybody", text)
	}
	if name, ok := unknownPlaceholder(text); ok {
		return template{}, fmt.Errorf("filter %s: %s is none of %s", text, name, strings.Join(placeholders, ", "))
	}
	// Marks that need no escaping stand for the placeholders, so that they are found again in the parsed filter.
	marked := strings.NewReplacer("{addr}", mark+"a", "{local}", mark+"l", "{domain}", mark+"d").Replace(text)
	tree, err := ldap.CompileFilter(marked)
	if err != nil {
		return template{}, fmt.Errorf("filter %s: %w", text, err)
	}
	if err := checkPlaceholders(tree); err != nil {
		return template{}, fmt.Errorf("filter %s: %w", text, err)
	}
	rules, _ := rulesOf(tree)
	return template{text: text, rules: rules}, nil
}

const mark = "zq7placeholder"

func unmark(value string) string {
	return strings.NewReplacer(mark+"a", "{addr}", mark+"l", "{local}", mark+"d", "{domain}").Replace(value)
}

func unknownPlaceholder(text string) (string, bool) {
	for rest := text; ; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			return "", false
		}
		end := strings.IndexByte(rest[open:], '}')
		if end < 0 {
			return rest[open:], true
		}
		if name := rest[open : open+end+1]; !slices.Contains(placeholders, name) {
			return name, true
		}
		rest = rest[open+end+1:]
	}
}

// expand puts an address in, escaped.
func (t template) expand(address string) string {
	return substitute(t.text, address, ldap.EscapeFilter)
}

// batch is a filter that any of the addresses satisfies.
func (t template) batch(addresses []string) string {
	if len(addresses) == 1 {
		return t.expand(addresses[0])
	}
	var b strings.Builder
	b.WriteString("(|")
	for _, a := range addresses {
		b.WriteString(t.expand(a))
	}
	b.WriteString(")")
	return b.String()
}

// attributes are those that sort looks at.
func (t template) attributes() []string {
	var names []string
	for _, r := range t.rules {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, r.attribute) }) {
			names = append(names, r.attribute)
		}
	}
	return names
}

// sort tells whose entries are whose: of entries that satisfy the filter of several addresses, which satisfy that of each
// one. A server may compare more generously than this; then an address goes without, and the caller asks again for fewer.
func (t template) sort(entries []Entry, addresses []string) map[string][]Entry {
	type shown struct {
		rule  int
		value string
	}
	index := map[shown][]int{}
	for i, e := range entries {
		for n, r := range t.rules {
			for _, value := range e.Values(r.attribute) {
				key := shown{n, directory.Normalise(string(value))}
				index[key] = append(index[key], i)
			}
		}
	}
	own := map[string][]Entry{}
	for _, address := range addresses {
		var hits []int
		for n, r := range t.rules {
			hits = append(hits, index[shown{n, directory.Normalise(substitute(r.value, address, verbatim))}]...)
		}
		slices.Sort(hits)
		for _, i := range slices.Compact(hits) {
			own[address] = append(own[address], entries[i])
		}
	}
	return own
}

func verbatim(s string) string { return s }

func substitute(text, address string, escape func(string) string) string {
	local, domain, _ := directory.Split(address)
	return strings.NewReplacer("{addr}", escape(address), "{local}", escape(local), "{domain}", escape(domain)).Replace(text)
}

func checkPlaceholders(p *ber.Packet) error {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		for _, child := range p.Children {
			if err := checkPlaceholders(child); err != nil {
				return err
			}
		}
		return nil
	case ldap.FilterPresent:
		if strings.Contains(text(p), mark) {
			return errors.New("a placeholder stands in the place of an attribute")
		}
		return nil
	case ldap.FilterExtensibleMatch:
		for _, child := range p.Children {
			if child.Tag != ldap.MatchingRuleAssertionMatchValue && strings.Contains(text(child), mark) {
				return errors.New("a placeholder stands in the place of an attribute or matching rule")
			}
		}
		return nil
	}
	if len(p.Children) > 0 && strings.Contains(text(p.Children[0]), mark) {
		return errors.New("a placeholder stands in the place of an attribute")
	}
	return nil
}

// rulesOf derives the rules of a filter whose part with placeholders is one equality or an "or" of them, alone or within
// an "and" with parts that are the same for everybody. Such a filter is satisfied for an address by exactly those
// entries found for many that match a rule for it. ok is false for any other filter.
func rulesOf(p *ber.Packet) (rules []rule, ok bool) {
	if p.Tag == ldap.FilterAnd {
		var dependent *ber.Packet
		for _, child := range p.Children {
			if !depends(child) {
				continue
			}
			if dependent != nil {
				return nil, false
			}
			dependent = child
		}
		if dependent == nil {
			return nil, false
		}
		return rulesOf(dependent)
	}
	return alternatives(p)
}

func alternatives(p *ber.Packet) (rules []rule, ok bool) {
	switch p.Tag {
	case ldap.FilterOr:
		for _, child := range p.Children {
			more, ok := alternatives(child)
			if !ok {
				return nil, false
			}
			rules = append(rules, more...)
		}
		return rules, true
	case ldap.FilterEqualityMatch:
		if len(p.Children) == 2 && depends(p) {
			return []rule{{attribute: text(p.Children[0]), value: unmark(text(p.Children[1]))}}, true
		}
	}
	return nil, false
}

func depends(p *ber.Packet) bool {
	return strings.Contains(text(p), mark) || slices.ContainsFunc(p.Children, depends)
}

// text is the string of a filter's leaf.
func text(p *ber.Packet) string {
	if p.Data == nil || len(p.Children) > 0 {
		return ""
	}
	return p.Data.String()
}
