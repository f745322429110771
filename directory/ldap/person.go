package ldap

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealist/sealist/directory"
)

// Attributes that tell whether an entry is a person's and whether the account may be used. They are asked for of every
// server: one that does not know them returns nothing.
const (
	attributeClass    = "objectClass"
	attributeControl  = "userAccountControl"   // Active Directory: bits, 2 is ACCOUNTDISABLE
	attributeExpires  = "accountExpires"       // Active Directory: 100 ns since 1601; 0 and 2^63-1 are never
	attributeLock     = "nsAccountLock"        // 389 DS: "true"
	attributeLockedAt = "pwdAccountLockedTime" // OpenLDAP's password policy: 000001010000Z is for ever; operational
	attributeCA       = "cACertificate"        // beside a person's certificates: intermediates
)

var personAttributes = []string{attributeClass, attributeControl, attributeExpires, attributeLock, attributeLockedAt, attributeCA}

// notPeople are classes of entries that have mail addresses and are nobody. A contact may have the address of a user of
// another directory, and any certificate.
var notPeople = []string{"contact", "group", "groupOfNames", "groupOfUniqueNames", "groupOfURLs", "posixGroup", "computer"}

// Reasons for which what an entry holds is not used; the words are trust.Reason's.
const (
	reasonDisabled = "account_disabled"
	reasonNobody   = "not_a_person"
)

// unfit says why nothing of an entry is used, whatever certificates it holds.
func unfit(e Entry, now time.Time) (reason, detail string) {
	for _, value := range e.Values(attributeClass) {
		for _, class := range notPeople {
			if strings.EqualFold(string(value), class) {
				return reasonNobody, "the entry is of the class " + class + ", and no person's"
			}
		}
	}
	switch {
	case control(e)&2 != 0:
		return reasonDisabled, "the account is disabled (userAccountControl)"
	case expired(e, now):
		return reasonDisabled, "the account has expired (accountExpires)"
	case strings.EqualFold(first(e, attributeLock), "true"):
		return reasonDisabled, "the account is disabled (nsAccountLock)"
	case strings.HasPrefix(first(e, attributeLockedAt), "00000101"):
		return reasonDisabled, "the account is locked for ever (pwdAccountLockedTime)"
	}
	return "", ""
}

func first(e Entry, name string) string {
	for _, v := range e.Values(name) {
		return strings.TrimSpace(string(v))
	}
	return ""
}

func control(e Entry) int64 {
	n, err := strconv.ParseInt(first(e, attributeControl), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// secondsTo1970 lie between the epochs of Active Directory and Unix.
const secondsTo1970 = 11_644_473_600

func expired(e Entry, now time.Time) bool {
	n, err := strconv.ParseInt(first(e, attributeExpires), 10, 64)
	if err != nil || n <= 0 || n == 1<<63-1 {
		return false
	}
	return now.After(time.Unix(n/10_000_000-secondsTo1970, 0))
}

// addresses are those that an entry shows in the attributes by which the filter finds it: the values of (mail={addr}),
// and those of (proxyAddresses=smtp:{addr}) without their prefix.
func (t template) addresses(e Entry) []string {
	var all []string
	seen := map[string]bool{}
	for _, r := range t.rules {
		prefix, suffix, ok := strings.Cut(r.value, "{addr}")
		if !ok || strings.ContainsAny(prefix+suffix, "{}") {
			continue
		}
		for _, v := range e.Values(r.attribute) {
			value := string(v)
			if len(value) < len(prefix)+len(suffix) || !strings.EqualFold(value[:len(prefix)], prefix) || !strings.EqualFold(value[len(value)-len(suffix):], suffix) {
				continue
			}
			address := directory.Normalise(value[len(prefix) : len(value)-len(suffix)])
			if _, _, ok := directory.Split(address); ok && !seen[address] {
				seen[address] = true
				all = append(all, address)
			}
		}
	}
	return all
}

// aliases are the other addresses of a person that stand for the one asked about: a certificate that names one of them is
// hers. They count only if hers is the one entry that answered, over a connection that cannot be tampered with, and if the
// directory is said to speak for the domains of both: else whoever may write an address into his entry would read
// another's mail. note says why there are none where there might be.
func (d *Directory) aliases(e Entry, address string, f finding) (aliases []string, note string) {
	address = directory.Normalise(address)
	for _, other := range d.template.addresses(e) {
		if other == address {
			continue
		}
		switch {
		case len(f.entries) > 1:
			return nil, fmt.Sprintf("%d entries answer for the address, so only certificates that name it count", len(f.entries))
		case !f.trusted:
			note = "the entry's other addresses do not count, because they came neither over verified TLS nor a unix socket"
		case len(d.o.Domains) == 0:
			note = "the entry's other addresses do not count, because the directory's domains are not set"
		case !directory.Serves(d.o.Domains, address) || !directory.Serves(d.o.Domains, other):
			note = "an address of the entry outside the directory's domains does not count: " + other
		default:
			aliases = append(aliases, other)
		}
	}
	return aliases, note
}
