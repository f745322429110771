package bounce

import "strings"

// complaint reads a feedback report (RFC 5965), and those of before it.
func (m *message) complaint() (Report, bool) {
	switch {
	case m.feedback != nil:
		return m.feedbackReport(), true
	case m.returned != nil && len(m.returned.All("X-HmXmrOriginalRecipient")) > 0:
		// QUIRK: Microsoft's junk mail reports hold the message alone.
		return Report{Kind: ARF, Recipients: []Recipient{{Address: firstAddress(m.returned.Get("X-HmXmrOriginalRecipient")), Text: "complaint"}}}, true
	}
	subject := strings.ToLower(m.header.Get("Subject"))
	if m.returned != nil && (strings.Contains(subject, "complaint about message from") || strings.Contains(subject, "abuse report")) && len(m.statuses) == 0 {
		return Report{Kind: ARF, Recipients: []Recipient{{Address: m.mailedTo(), Text: "complaint"}}}, true
	}
	return Report{}, false
}

// feedbackReport reads the fields of a message/feedback-report.
func (m *message) feedbackReport() Report {
	fields := map[string]string{}
	for _, f := range unfolded(string(limit(m.feedback, maxTextOctets))) {
		name, value, ok := strings.Cut(f, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := fields[name]; ok && !twice {
			fields[name] = strings.TrimSpace(value)
		}
	}
	typ := strings.ToLower(fields["feedback-type"])
	if typ == "not-spam" || typ == "auth-failure" || typ == "dmarc" {
		return Report{Kind: AutoReply} // RFC 6430, RFC 6591: nobody complains
	}
	r := Recipient{Text: Brief("complaint: " + typ)}
	for _, name := range []string{"original-rcpt-to", "removal-recipient"} {
		if r.Address == "" {
			r.Address = firstAddress(fields[name])
		}
	}
	if r.Address == "" {
		r.Address = m.mailedTo()
	}
	return Report{Kind: ARF, Recipients: []Recipient{r}}
}

// mailedTo is whom the returned message was for, as far as its header tells.
func (m *message) mailedTo() string {
	for _, name := range []string{"X-Failed-Recipients", "X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "To"} {
		if a := firstAddress(m.returned.Get(name)); a != "" {
			return a
		}
	}
	return ""
}

func firstAddress(value string) string {
	if found := addresses(value); len(found) > 0 {
		return found[0].address
	}
	return ""
}
