package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// rediscoverAfter is how long servers that DNS named are asked before DNS is asked again.
const rediscoverAfter = time.Hour

// maxDiscovered bounds the servers of one directory that DNS names.
const maxDiscovered = 8

// LookupSRV is net.Resolver.LookupSRV.
type LookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)

// discovery finds the servers of a domain by DNS (RFC 2782). What DNS says is nobody's word: a server must lie within the
// domain and show a certificate with its name, is only asked over TLS, and never gets credentials.
type discovery struct {
	domain string
	lookup LookupSRV

	mu      sync.Mutex
	servers []*server
	base    string
	at      time.Time
}

// current returns the servers to be asked. That DNS has no answer is an outage, also if it says that there is none: a
// directory that is configured has servers.
func (c *Client) current(ctx context.Context) ([]*server, *Error) {
	if c.discovery == nil {
		return c.servers, nil
	}
	d := c.discovery
	d.mu.Lock()
	defer d.mu.Unlock()
	now := c.o.Clock()
	if len(d.servers) > 0 && now.Sub(d.at).Abs() < rediscoverAfter && !allDown(d.servers) {
		return d.servers, nil
	}
	targets, err := d.find(ctx)
	if err != nil {
		if len(d.servers) > 0 {
			return d.servers, nil // those that were known
		}
		return nil, &Error{Server: "DNS of " + d.domain, Stage: StageDiscover, Code: -1, Err: err}
	}
	var servers []*server
	for _, t := range targets {
		s := newServer(t, &c.o)
		for _, known := range d.servers {
			if known.target == t {
				s = known
			}
		}
		servers = append(servers, s)
	}
	d.servers, d.at = servers, now
	return servers, nil
}

func allDown(servers []*server) bool {
	for _, s := range servers {
		if s.health().State != "down" {
			return false
		}
	}
	return true
}

// find asks for LDAP over TLS, and then for LDAP, which is made TLS before anything else is said.
func (d *discovery) find(ctx context.Context) ([]target, error) {
	var errs []error
	for _, service := range []struct {
		name     string
		protocol protocol
	}{{"ldaps", implicit}, {"ldap", startTLS}} {
		_, records, err := d.lookup(ctx, service.name, "tcp", d.domain)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var targets []target
		for _, r := range records[:min(len(records), maxDiscovered)] {
			host := strings.ToLower(strings.TrimSuffix(r.Target, "."))
			if host == "" || host != d.domain && !strings.HasSuffix(host, "."+d.domain) {
				errs = append(errs, fmt.Errorf("the server %q lies outside of %s", host, d.domain))
				continue
			}
			scheme := "ldaps"
			if service.protocol == startTLS {
				scheme = "ldap"
			}
			address := net.JoinHostPort(host, fmt.Sprint(r.Port))
			targets = append(targets, target{url: scheme + "://" + address, network: "tcp", address: address, host: host, protocol: service.protocol})
		}
		if len(targets) > 0 {
			return targets, nil
		}
	}
	return nil, errors.Join(append(errs, errors.New("DNS names no LDAP server"))...)
}

// Base returns the entry under which a discovered directory is searched: what its root says (RFC 4512 section 5.1).
func (c *Client) base(ctx context.Context) (string, error) {
	d := c.discovery
	d.mu.Lock()
	base := d.base
	d.mu.Unlock()
	if base != "" {
		return base, nil
	}
	reply, err := c.Search(ctx, Request{Scope: BaseObject, Filter: "(objectClass=*)", Attributes: []string{"defaultNamingContext", "namingContexts"}, SizeLimit: 1})
	if err != nil {
		return "", err
	}
	for _, e := range reply.Entries {
		base = first(e, "defaultNamingContext")
		if contexts := e.Values("namingContexts"); base == "" && len(contexts) == 1 {
			base = string(contexts[0])
		}
	}
	if base == "" {
		return "", Errors{{Server: reply.Server, Stage: StageSearch, Code: -1, Err: errors.New("the server names no one naming context; set base_dn")}}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.base = base
	return base, nil
}
