package distribute

import (
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// automatic tells whether a machine wrote a message. RFC 3834 section 5 has
// Auto-Submitted for it; bounces are RFC 3464 reports; and older programs say it
// in their own ways.
func automatic(h entity.Header) bool {
	auto, _, _ := strings.Cut(h.Get("Auto-Submitted"), ";")
	if auto = strings.TrimSpace(auto); auto != "" {
		return !strings.EqualFold(auto, "no")
	}
	typ := strings.ToLower(h.Get("Content-Type"))
	for _, report := range []string{"multipart/report", "message/delivery-status", "message/disposition-notification", "message/feedback-report"} {
		if strings.HasPrefix(typ, report) {
			return true
		}
	}
	if strings.EqualFold(strings.TrimSpace(h.Get("Precedence")), "auto_reply") {
		return true
	}
	if slices.ContainsFunc(h, func(f entity.Field) bool { return slices.ContainsFunc(machineFields, f.Is) }) {
		return true
	}
	return machineFrom(h)
}

// challenge tells whether a message is that of a certification authority which
// wants to know whose an address is (RFC 8823 section 3.1). It is for one person:
// whoever can answer it gets a certificate for the list's address.
func challenge(h entity.Header) bool {
	_, parameters, _ := strings.Cut(strings.ToLower(h.Get("Auto-Submitted")), ";")
	return slices.ContainsFunc(strings.Split(parameters, ";"), func(p string) bool {
		name, value, _ := strings.Cut(p, "=")
		return strings.TrimSpace(name) == "type" && strings.Trim(value, " \t\"") == "acme"
	})
}

// machineFields are fields that only automatic mail has. QUIRK: qmail-autoresponder,
// vacation programs, Exim, Exchange and webmail services of before RFC 3834.
var machineFields = []string{
	"X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply", "X-Auto-Reply-From", "X-AutoReply-From", "X-Mail-Autoreply",
	"X-Failed-Recipients", "X-Failed-Addresses", "X-Delivery-Status", "X-Loop-Autoreply", "X-Qmail-Bounce", "Failed-Recipient", "X-MS-Exchange-Message-Is-Ndr",
	"X-Apple-Action", "X-MLServer", "X-HmXmrOriginalRecipient",
}

// bounced tells whether a message came as bounces do: with the null reverse-path
// (RFC 5321 section 4.5.5), or, QUIRK: qmail and some gateways, with that of a
// mail system.
func bounced(item store.Item) bool {
	local, _, _ := strings.Cut(strings.ToLower(item.ReversePath), "@")
	return local == "" || local == "mailer-daemon" || local == "postmaster"
}

// machines are local parts of addresses from which machines write.
var machines = []string{"mailer-daemon", "mail-daemon", "mailerdaemon", "double-bounce", "listserv", "majordomo", "mailman", "smartlist"}

// machineFrom tells whether From names a machine.
func machineFrom(h entity.Header) bool {
	from := strings.ToLower(h.Get("From"))
	for _, m := range machines {
		if strings.Contains(from, m+"@") || strings.HasPrefix(strings.Trim(from, "<> \""), m) {
			return true
		}
	}
	return false
}
