package distribute

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/entity"
)

// TXT asks DNS for TXT records. *net.Resolver is one.
type TXT interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// How DMARC policies are asked for.
const (
	dmarcTime = 5 * time.Second // an answer takes at most
	dmarcKept = time.Hour       // it is kept
	dmarcLost = time.Minute     // until one that did not come is asked for again
	dmarcMost = 10_000          // domains, before all are forgotten
)

// dmarcPolicies keeps what domains publish (RFC 7489 section 6).
type dmarcPolicies struct {
	mu    sync.Mutex
	known map[string]dmarcPolicy
}

type dmarcPolicy struct {
	strict bool
	until  time.Time
}

// rewritesFrom tells whether the list stands in the From field of a post's
// copies.
func (d *Distributor) rewritesFrom(ctx context.Context, l list.List, outer *entity.Entity) bool {
	switch l.Policy.FromPolicy {
	case list.FromAlways:
		return true
	case list.FromDMARC:
		from := outer.Header().All("From")
		if len(from) != 1 {
			return true // receivers refuse it as it is
		}
		addrs, err := entity.Addresses(from[0].Value())
		if err != nil || len(addrs) != 1 {
			return true
		}
		_, domain, _ := strings.Cut(addrs[0], "@")
		return d.strictDMARC(ctx, strings.ToLower(domain))
	}
	return false
}

// strictDMARC tells whether receivers are to quarantine or reject mail from the
// domain that its own servers did not sign. Where DNS gives no answer they are
// taken to be: a copy with the list in From arrives in any case.
func (d *Distributor) strictDMARC(ctx context.Context, domain string) bool {
	now := d.Clock()
	d.dmarc.mu.Lock()
	known, ok := d.dmarc.known[domain]
	d.dmarc.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.strict
	}
	asking, cancel := context.WithTimeout(ctx, dmarcTime)
	defer cancel()
	policy, err := d.askDMARC(asking, domain)
	strict, kept := policy == "quarantine" || policy == "reject", dmarcKept
	switch {
	case ctx.Err() != nil: // the server stops: that says nothing of DNS
		return true
	case err != nil:
		d.log.Warn("the DMARC policy of a domain cannot be had; the list stands in From", "domain", domain, "err", err)
		strict, kept = true, dmarcLost
	}
	d.dmarc.mu.Lock()
	defer d.dmarc.mu.Unlock()
	if d.dmarc.known == nil || len(d.dmarc.known) >= dmarcMost {
		d.dmarc.known = map[string]dmarcPolicy{}
	}
	d.dmarc.known[domain] = dmarcPolicy{strict, now.Add(kept)}
	return strict
}

// askDMARC returns the policy that counts for a domain, "" if there is none:
// its own, or what its organisation says of subdomains (RFC 7489 section 6.6.3).
func (d *Distributor) askDMARC(ctx context.Context, domain string) (string, error) {
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", err
	}
	tags, err := d.dmarcRecord(ctx, domain)
	if err != nil || tags != nil {
		return tags["p"], err
	}
	organisation, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil || organisation == domain {
		return "", nil
	}
	if tags, err = d.dmarcRecord(ctx, organisation); tags["sp"] != "" {
		return tags["sp"], err
	}
	return tags["p"], err
}

// dmarcRecord returns the tags of a domain's one record, nil if it has none.
func (d *Distributor) dmarcRecord(ctx context.Context, domain string) (map[string]string, error) {
	texts, err := d.DNS.LookupTXT(ctx, "_dmarc."+domain+".") // with the dot no search domain is tried behind it
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []map[string]string
	for _, text := range texts {
		if len(text) > 4096 || !strings.HasPrefix(strings.ReplaceAll(text, " ", ""), "v=DMARC1") {
			continue
		}
		tags := map[string]string{}
		for _, tag := range strings.Split(text, ";") {
			name, value, _ := strings.Cut(tag, "=")
			tags[strings.ToLower(strings.TrimSpace(name))] = strings.ToLower(strings.TrimSpace(value))
		}
		found = append(found, tags)
	}
	if len(found) != 1 {
		return nil, nil
	}
	return found[0], nil
}
