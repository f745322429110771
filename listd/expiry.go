package listd

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/smime/trust"
)

// expiry is the rule by which people are told that a certificate comes to its
// end. It is a pure function of what is known.
type expiry struct {
	stages []int // days before the end, in any order
}

// use is what a certificate is used for.
type use uint8

const (
	toEncrypt use = 1 << iota
	toSign
)

// owned is a certificate that somebody, or a list, has.
type owned struct {
	certificate *x509.Certificate
	fingerprint string
	uses        use
	holderMail  string // a word of config.HolderMail; "": nobody holds it who could get mail
}

// ending is a certificate whose end is to be told.
type ending struct {
	owned
	stage int // days that were left at most; 0: it has expired
}

// holderHears tells whether the person whose certificate it is gets a mail.
func (e ending) holderHears() bool {
	return e.holderMail == config.HolderAll || e.holderMail == config.HolderLast && e.stage <= config.LastDays
}

// longest is the largest number of days at which somebody is told.
func (x expiry) longest() int { return slices.Max(append([]int{0}, x.stages...)) }

// stage is the most urgent one that a certificate has reached. There is none
// while it has longer to live, and none for one that expired long ago: whoever
// begins to use Sealist hears nothing of certificates of past years.
func (x expiry) stage(notAfter, now time.Time) (stage int, reached bool) {
	if now.After(notAfter.Add(time.Duration(x.longest()+quietAfter) * 24 * time.Hour)) {
		return 0, false
	}
	for _, days := range x.stages {
		if !now.Before(notAfter.Add(-time.Duration(days)*24*time.Hour)) && (!reached || days < stage) {
			stage, reached = days, true
		}
	}
	return stage, reached
}

// quietAfter is how many days after its end, beside the longest stage, nothing is
// said of a certificate any more.
const quietAfter = 7

// endings are the certificates among all of one address's that come to their end
// with nothing in their place, each with the stage that it has reached.
func (x expiry) endings(all []owned, now time.Time) []ending {
	var some []ending
	for i, o := range all {
		stage, reached := x.stage(o.certificate.NotAfter, now)
		if !reached || replaced(o, all, now) ||
			slices.ContainsFunc(all[:i], func(other owned) bool { return other.fingerprint == o.fingerprint }) {
			continue
		}
		some = append(some, ending{o, stage})
	}
	return some
}

// replaced tells whether others stand in for a certificate: for each thing that it
// is used for there is one that lasts longer, and begins before it ends, or has
// begun.
func replaced(o owned, all []owned, now time.Time) bool {
	var covered use
	for _, next := range all {
		begins, ends := next.certificate.NotBefore, next.certificate.NotAfter
		if ends.After(o.certificate.NotAfter) && ends.After(now) && !begins.After(later(o.certificate.NotAfter, now)) {
			covered |= next.uses
		}
	}
	return o.uses&^covered == 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// joined makes one of what several sources have: the most generous word about
// mail to the holder counts.
func joined(all []owned) []owned {
	var distinct []owned
	for _, o := range all {
		i := slices.IndexFunc(distinct, func(d owned) bool { return d.fingerprint == o.fingerprint })
		if i < 0 {
			distinct = append(distinct, o)
			continue
		}
		for _, word := range []string{config.HolderAll, config.HolderLast} {
			if o.holderMail == word || distinct[i].holderMail == word {
				distinct[i].holderMail = word
				break
			}
		}
	}
	return distinct
}

// ownedByList makes what a list has of one of its key pairs.
func ownedByList(cert *x509.Certificate, u keyring.Use) owned {
	o := owned{certificate: cert, fingerprint: trust.Fingerprint(cert)}
	if u.Signs() {
		o.uses |= toSign
	}
	if u.Encrypts() {
		o.uses |= toEncrypt
	}
	return o
}
