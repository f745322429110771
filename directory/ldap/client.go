package ldap

import (
	"context"
	"fmt"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// Client asks the servers of one directory. It is safe for concurrent use.
type Client struct {
	o         ClientOptions
	servers   []*server
	discovery *discovery // in their place; nil: the servers are configured
}

// NewClient checks the options. It does not connect: a server that is down now may be up when it is asked.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	c := &Client{o: o}
	if o.Discover != "" {
		c.discovery = &discovery{domain: strings.ToLower(o.Discover), lookup: o.LookupSRV}
	}
	for _, raw := range o.URLs {
		t, err := parseTarget(raw, o.StartTLS, o.Insecure)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, newServer(t, &c.o))
	}
	return c, nil
}

// Request is one search.
type Request struct {
	BaseDN     string
	Scope      Scope
	Filter     string   // RFC 4515; every value in it escaped
	Attributes []string // bare names; none asks for no attribute at all
	SizeLimit  int      // entries expected at most; more are ErrTruncated. 0: no limit of ours
}

// Reply is a complete answer.
type Reply struct {
	Server    string // its URL
	Trusted   bool   // it came over verified TLS or a unix socket
	Entries   []Entry
	Referrals []string // to other servers; never followed, because they would be asked with our credentials
}

// Entry is one directory entry.
type Entry struct {
	DN         string
	Attributes []Attribute
}

// Attribute is an attribute with its name as the server returned it.
type Attribute struct {
	Name   string
	Values [][]byte
}

// Values returns the values under a bare name, whether the server returned it with ";binary" or without. Other options,
// as ";lang-de" and ";range=0-1499", make other attributes.
func (e Entry) Values(name string) [][]byte {
	var values [][]byte
	for _, a := range e.Attributes {
		if strings.EqualFold(bareName(a.Name), name) {
			values = append(values, a.Values...)
		}
	}
	return values
}

// bareName takes away ";binary" and nothing else.
func bareName(name string) string {
	if cut := len(name) - len(";binary"); cut > 0 && strings.EqualFold(name[cut:], ";binary") {
		return name[:cut]
	}
	return name
}

// Search asks the servers in order until one gives a complete answer. Its error is an outage, and never says that there
// is no such entry; it is an Errors.
func (c *Client) Search(ctx context.Context, r Request) (Reply, error) {
	if _, err := ldap.CompileFilter(r.Filter); err != nil { // our fault: no server must be thought down for it
		return Reply{}, Errors{{Server: "filter " + r.Filter, Stage: StageSearch, Code: ldap.LDAPResultFilterError, Err: err}}
	}
	request := c.searchRequest(r)
	var errs Errors
	servers, undiscovered := c.current(ctx)
	if undiscovered != nil {
		return Reply{}, Errors{undiscovered}
	}
	for _, s := range servers {
		result, failed := s.search(ctx, request)
		if failed == nil {
			return c.reply(s.target, result), nil
		}
		errs = append(errs, failed)
		if ctx.Err() != nil || failed.conclusive() {
			break
		}
	}
	return Reply{}, errs
}

func (c *Client) searchRequest(r Request) *ldap.SearchRequest {
	attributes := r.Attributes
	if len(attributes) == 0 {
		attributes = []string{"1.1"} // RFC 4511 section 4.5.1.8
	}
	scope := ldap.ScopeWholeSubtree
	switch r.Scope {
	case SingleLevel:
		scope = ldap.ScopeSingleLevel
	case BaseObject:
		scope = ldap.ScopeBaseObject
	}
	return &ldap.SearchRequest{
		BaseDN: r.BaseDN, Scope: scope, DerefAliases: ldap.NeverDerefAliases, Filter: r.Filter, Attributes: attributes,
		SizeLimit: r.SizeLimit, EnforceSizeLimit: r.SizeLimit > 0,
		TimeLimit: max(1, int(c.o.Timeout/time.Second)-1), // the server gives up first, and the connection lives on
	}
}

func (c *Client) reply(t target, result *ldap.SearchResult) Reply {
	verified := c.o.TLS == nil || !c.o.TLS.InsecureSkipVerify
	r := Reply{Server: t.url, Referrals: result.Referrals}
	r.Trusted = t.protocol == local || t.protocol != clear && verified
	for _, e := range result.Entries {
		entry := Entry{DN: e.DN}
		for _, a := range e.Attributes {
			entry.Attributes = append(entry.Attributes, Attribute{Name: a.Name, Values: a.ByteValues})
		}
		r.Entries = append(r.Entries, entry)
	}
	return r
}

// Close closes the connections. A search after it opens them again.
func (c *Client) Close() error {
	for _, s := range c.known() {
		s.close()
	}
	return nil
}

// Health is the state of one server as this process knows it.
type Health struct {
	URL       string    `json:"url"`
	State     string    `json:"state"` // unused, up, down
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"` // down: when it is asked again
	Error     string    `json:"error,omitempty"`
}

// Health tells the state of each server, in their order.
func (c *Client) Health() []Health {
	servers := c.known()
	states := make([]Health, len(servers))
	for i, s := range servers {
		states[i] = s.health()
	}
	return states
}

// known are the servers, as far as they have been discovered.
func (c *Client) known() []*server {
	if c.discovery == nil {
		return c.servers
	}
	c.discovery.mu.Lock()
	defer c.discovery.mu.Unlock()
	return c.discovery.servers
}

func (s *server) health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{URL: s.target.url, State: "up", Since: s.since, Connected: s.conn != nil && !s.conn.closing()}
	switch {
	case s.last != nil:
		h.State, h.NotBefore = "down", s.breaker.until
		h.Error = fmt.Sprintf("%s: %v", s.last.Stage, s.last.Err)
	case s.since.IsZero():
		h.State = "unused"
	}
	return h
}
