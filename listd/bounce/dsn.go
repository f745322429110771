package bounce

import (
	"strings"
)

// status reads the delivery-status parts of a report (RFC 3464).
func (m *message) status() Report {
	r := Report{Kind: DSN}
	for _, part := range m.statuses {
		r.Recipients = append(r.Recipients, statusFields(string(limit(part, maxTextOctets)))...)
	}
	if len(r.Recipients) == 0 {
		// QUIRK: Amazon WorkMail and others write the fields into their text.
		r.Recipients = statusFields(strings.Join(m.words, "\n"))
	}
	if len(r.Recipients) == 0 {
		r.Recipients = statusFields(m.rest) // QUIRK: gateways that wrap a whole report into text
	}
	r.Recipients = r.Recipients[:min(len(r.Recipients), MaxRecipients)]
	words := strings.ToLower(strings.Join(m.words, "\n"))
	for i := range r.Recipients {
		one := &r.Recipients[i]
		if one.Address == "" {
			one.Address = m.mailedTo()
		}
		if one.Action == "" {
			one.Action = Failed
			if one.Status.Class() == Success {
				one.Action = Delivered
			} else if containsAny(words, delayWords) {
				one.Action = Delayed
			}
		}
		if one.Text == "" {
			one.Text = Brief(strings.Join(m.about(one.Address), " "))
		}
		one.Status = better(better(one.Status, ParseStatus(one.Text)), guess(one.Text))
		if one.Status == "" && one.Action == Failed {
			one.Status = guess(words)
		}
	}
	return r
}

// statusFields reads groups of per-recipient fields (RFC 3464 section 2.3). A
// recipient begins another group, even where the empty line is missing.
func statusFields(text string) []Recipient {
	var all []Recipient
	var now Recipient
	var named, original bool // what this group has so far
	flush := func() {
		if named || original {
			if now.Address == "" {
				now.Address, now.Original = now.Original, ""
			}
			all = append(all, now)
		}
		now, named, original = Recipient{}, false, false
	}
	for _, f := range unfolded(text) {
		if f == "" {
			if named || original {
				flush()
			}
			continue
		}
		name, value, ok := strings.Cut(f, ":")
		if !ok || strings.ContainsAny(name, " \t@<") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "final-recipient":
			if named {
				flush()
			}
			named = true
			if a := typedAddress(value); a != "" {
				now.Address = a
			}
		case "original-recipient":
			if original || named && now.Action != "" && now.Status != "" {
				flush()
			}
			original, now.Original = true, typedAddress(value)
		case "x-actual-recipient":
			if a := typedAddress(value); a != "" && now.Address == "" {
				now.Address = a
			}
		case "action":
			now.Action = parseAction(value)
		case "status":
			now.Status = ParseStatus(value)
		case "diagnostic-code":
			if _, said, ok := strings.Cut(value, ";"); ok {
				value = said
			}
			if now.Text == "" {
				now.Text = Brief(value)
			}
		}
		if len(all) >= MaxRecipients {
			return all
		}
	}
	flush()
	return all
}

// parseAction reads an Action field.
func parseAction(value string) Action {
	word := strings.ToLower(value)
	if i := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
		word = word[:i]
	}
	switch word {
	case "failed", "failure", "fail", "error", "bounced", "rejected", "expired", "undeliverable", "notdelivered":
		return Failed // QUIRK: all but the first are no words of the RFC
	case "delayed", "delay", "deferred":
		return Delayed
	case "delivered", "deliverable":
		return Delivered
	case "relayed":
		return Relayed
	case "expanded":
		return Expanded
	}
	return ""
}

// typedAddress reads "rfc822; local@domain"; "" if there is no address in it.
func typedAddress(value string) string {
	if _, address, ok := strings.Cut(value, ";"); ok {
		value = address
	}
	if found := addresses(value); len(found) > 0 {
		return found[0].address
	}
	return ""
}

// unfolded splits text into header fields, an empty line being "".
func unfolded(text string) []string {
	var all []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r")
		folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		line = strings.TrimSpace(line)
		if n := len(all); folded && line != "" && n > 0 && all[n-1] != "" && len(all[n-1]) < 4*MaxText {
			all[n-1] += " " + line
			continue
		}
		all = append(all, line)
	}
	return all
}
