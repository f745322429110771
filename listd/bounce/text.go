package bounce

import (
	"regexp"
	"slices"
	"strings"
)

// text reads a bounce in a mail system's own words. It must come from what calls
// itself one, or hold an SMTP reply; and it must say that something failed.
func (m *message) text() Report {
	words := strings.ToLower(strings.Join(m.words, "\n"))
	subject := strings.ToLower(decodedText(m.header.Get("Subject")))
	failed := m.header.Get("X-Failed-Recipients")
	daemon := strings.Contains(strings.ToLower(m.header.Get("From")), "mailer-daemon")
	said := containsAny(words, failureWords) || containsAny(words, delayWords)
	machine := failed != "" || fromMachine(m.header.Get("From")) || containsAny(subject, bounceSubjects)
	replied := slices.ContainsFunc(m.words, isTranscript)
	switch {
	case machine && (said || replied || failed != "" || containsAny(subject, bounceSubjects)):
	case daemon && m.returned != nil: // in a language that is not known here
	case said && (replied || m.returned != nil) && !m.autoReply():
	default:
		return Report{}
	}
	r := Report{Kind: Text}
	for _, a := range m.recipients(failed) {
		why := strings.Join(m.about(a), " ")
		one := Recipient{Address: a, Action: Failed, Text: Brief(why), Status: refusal(why)}
		if one.Status == "" {
			if one.Status = guess(why); one.Status == "" {
				one.Status = better(refusal(strings.Join(m.replies(), "\n")), guess(subject+"\n"+words))
			}
		}
		one.Status = better(one.Status, guess(why))
		if containsAny(words, delayWords) && !containsAny(words, finalWords) {
			one.Action = Delayed
		}
		if one.Status == "" {
			one.Status = "5.0.0" // it was given up, and nobody says that it may be better later
		}
		if one.Action == Delayed && one.Status.Class() == Permanent && !one.Status.specific() {
			one.Status = "4.0.0"
		}
		r.Recipients = append(r.Recipients, one)
	}
	return r
}

// guess is the status that common words stand for; "" if none does.
func guess(text string) Status {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for _, g := range guesses {
		if containsAny(text, g.words) {
			return g.status
		}
	}
	return ""
}

// replies are the lines of a transcript.
func (m *message) replies() (all []string) {
	for _, line := range m.words {
		if isTranscript(line) {
			all = append(all, line)
		}
	}
	return all
}

var transcript = regexp.MustCompile(`(?i)^[\s>*|-]*(?:<<<\s*|remote host said:\s*|\S+ (?:said|responded with failure|replied):\s*)?[45][0-9][0-9][ :-]\s*\S|` +
	`: (?:host \S+ .*said: )?[45][0-9][0-9][ -](?:#?[45]\.|<)|\b[45][0-9][0-9][ -]#?[45]\.[0-9]{1,3}\.[0-9]{1,3}\b|` +
	`(?:said|reason|response|replied|failure|error(?: message)?|code|result|host):\s*[45][0-9][0-9]\b`)

// isTranscript tells whether a line holds a refusing SMTP reply.
func isTranscript(line string) bool { return transcript.MatchString(limitText(line)) }

func limitText(line string) string { return line[:min(len(line), 2*MaxText)] }

// recipients finds whom a report is about, by the first way that names anybody.
func (m *message) recipients(failed string) []string {
	self := map[string]bool{}
	for _, name := range []string{"To", "From", "Return-Path", "Reply-To"} {
		for _, f := range addresses(m.header.Get(name)) {
			self[strings.ToLower(f.address)] = true
		}
	}
	var all []string
	add := func(a string, evenSelf bool) {
		key := strings.ToLower(a)
		if len(all) >= MaxRecipients || !evenSelf && (self[key] || isMachine(a)) {
			return
		}
		if !slices.ContainsFunc(all, func(b string) bool { return strings.EqualFold(a, b) }) {
			all = append(all, a)
		}
	}
	for _, f := range addresses(failed) {
		add(f.address, true)
	}
	for _, way := range []func(i int, f found) bool{m.stands, m.labelled, m.refused, m.mentioned} {
		if len(all) > 0 {
			break
		}
		for i, line := range m.words {
			for _, f := range addresses(line) {
				if way(i, f) {
					add(f.address, false)
				}
			}
		}
	}
	if len(all) == 0 {
		for i, line := range m.words { // somebody wrote to himself, or to a postmaster
			for _, f := range addresses(line) {
				if m.stands(i, f) || m.labelled(i, f) || m.refused(i, f) {
					add(f.address, true)
				}
			}
		}
	}
	if len(all) == 0 {
		all = append(all, m.mailedTo())
	}
	return all
}

// stands: the line is the address, or begins with it and says why.
func (m *message) stands(i int, f found) bool {
	line := m.words[i]
	before := strings.Trim(line[:f.start], " \t>*<\"'-•·–(")
	after := strings.TrimLeft(line[f.end:], ">\"')")
	if before != "" || strings.HasPrefix(strings.TrimSpace(line), "---") {
		return false
	}
	after = strings.TrimSpace(after)
	return after == "" || strings.IndexByte(":;,.([<-", after[0]) >= 0 || strings.HasPrefix(strings.ToLower(after), "on ") || containsAny(strings.ToLower(after), failureWords) ||
		refusal(after) != ""
}

var labels = regexp.MustCompile(`(?i)(?:rcpt to|recipient(?:s|\(s\))?|address(?:es|\(es\))?|delivered to|deliver (?:the |your )?(?:e-?mail|message|mail) to|deliver to|delivery to|mail to|message to|` +
	`unknown user|user unknown|unknown|invalid|attempts|full|to|gateway for|user|userid|mailbox|account|rejected|addressed|generated from|smtp|rfc822|empf[aä]nger|destinataires?|destinatarios?|получател[а-я]*|宛先|收件人)[^a-z0-9@]{0,12}$`)

// labelled: what stands before the address says that it is a recipient's.
func (m *message) labelled(i int, f found) bool {
	line := m.words[i]
	if hasPrefix(line, "to:") && slices.ContainsFunc(m.words[max(0, i-3):min(len(m.words), i+4)], func(l string) bool {
		return hasPrefix(l, "subject:") || hasPrefix(l, "sent:") || hasPrefix(l, "your message")
	}) {
		return false // of the message, which is described so
	}
	return labels.MatchString(line[max(0, f.start-60):f.start]) && !isSender(line[:f.start])
}

// hasPrefix tells whether a line begins with a lower-case word, white space and
// letter case aside.
func hasPrefix(line, word string) bool {
	line = strings.TrimLeft(line, " \t")
	return len(line) >= len(word) && strings.EqualFold(line[:len(word)], word)
}

// refused: the line holds a refusing reply.
func (m *message) refused(i int, f found) bool {
	return isTranscript(m.words[i]) && !isSender(m.words[i][:f.start])
}

// mentioned: the line says that something failed, or stands beside one that does.
func (m *message) mentioned(i int, f found) bool {
	if isSender(m.words[i][:f.start]) {
		return false
	}
	near := strings.ToLower(strings.Join(m.words[max(0, i-2):min(len(m.words), i+3)], " "))
	return containsAny(near, failureWords) || containsAny(near, delayWords)
}

var senders = regexp.MustCompile(`(?i)(?:mail from|from|sender|envelope-from|return-path|reply-to|cc|contact|message-id|postmaster|write to|reply to)[^a-z0-9@]{0,12}$`)

func isSender(before string) bool {
	if strings.HasSuffix(strings.ToLower(strings.TrimRight(before, " <")), "generated from") {
		return false
	}
	return senders.MatchString(before[max(0, len(before)-60):])
}

// about are the lines that say why, for one recipient: from the one that names
// him to the next that names another, or to the second empty line.
func (m *message) about(address string) []string {
	if address == "" {
		return m.reasons()
	}
	var best []string
	for i, line := range m.words {
		if !strings.Contains(strings.ToLower(line), strings.ToLower(address)) {
			continue
		}
		some, empty := []string{line}, 0
		for _, next := range m.words[i+1 : min(len(m.words), i+20)] {
			if strings.TrimSpace(next) == "" {
				if empty++; empty > 1 || len(some) > 1 {
					break
				}
				continue
			}
			if others := addresses(next); len(others) > 0 && !strings.EqualFold(others[0].address, address) && m.beginsWith(next, others[0]) {
				break
			}
			some = append(some, next)
		}
		if best == nil || !tells(best) && tells(some) {
			best = some
		}
		if tells(best) && refusal(strings.Join(best, " ")) != "" {
			return best
		}
	}
	if !tells(best) {
		best = append(best, m.reasons()...)
	}
	return best
}

func (m *message) beginsWith(line string, f found) bool {
	return strings.Trim(line[:f.start], " \t>*<\"'") == ""
}

// tells tells whether lines say why something failed.
func tells(lines []string) bool {
	text := strings.Join(lines, " ")
	return refusal(text) != "" || guess(text) != ""
}

// reasons are the lines of a report that say why, whoever it is about.
func (m *message) reasons() (some []string) {
	for _, line := range m.words {
		if len(some) < 6 && (isTranscript(line) || guess(line) != "" || enhancedCode.MatchString(limitText(line))) {
			some = append(some, strings.TrimSpace(line))
		}
	}
	return some
}

// returnedAt finds where in lines a returned message begins: n lines are the
// report's own, and from from on there is the message.
func returnedAt(lines []string) (n, from int) {
	for i, line := range lines {
		low := strings.ToLower(strings.TrimLeft(limitText(line), " \t"))
		if containsAny(low, returnedMarks) && looksLikeHeader(lines[i+1:]) {
			return i, min(len(lines), i+1)
		}
		if i > 0 && slices.ContainsFunc(traceFields, func(f string) bool { return strings.HasPrefix(low, f) }) && looksLikeHeader(lines[i:]) {
			return i, i
		}
	}
	return len(lines), len(lines)
}

// looksLikeHeader tells whether lines begin, after some that are empty or a
// rule, with a message's header.
func looksLikeHeader(lines []string) bool {
	fields, known := 0, 0
	for i, line := range lines[:min(len(lines), 30)] {
		line = strings.TrimPrefix(line, ">")
		folded := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		switch {
		case fields == 0 && (strings.Trim(line, " \t-=*_") == "" || strings.HasPrefix(line, "From ") || i == 0 && folded):
		case fields > 0 && folded:
		case fieldLine(line):
			fields++
			name, _, _ := strings.Cut(strings.ToLower(line), ":")
			if slices.Contains(headerNames, name) {
				known++
			}
		default:
			return known >= 2
		}
		if known >= 3 {
			return true
		}
	}
	return known >= 2
}

// fieldLine tells whether a line begins a header field.
func fieldLine(line string) bool {
	name, _, ok := strings.Cut(limitText(line), ":")
	return ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
