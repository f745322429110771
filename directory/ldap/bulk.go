package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// Bounds of a bulk reading.
const (
	pageSize      = 500      // what OpenLDAP gives by default; Active Directory gives up to 1000
	maxEmptyPages = 100      // in a row, which a server may send while it searches
	maxBulkOctets = 32 << 20 // of one answer
)

// ErrReferral says that a part of the answer lies on other servers. They are not asked, because they would be asked with
// our credentials; so the answer is not complete.
var ErrReferral = errors.New("a part of the answer lies on other servers")

// ErrNoObject says that the entry which was to be read, or the base of a search, does not exist.
var ErrNoObject = errors.New("there is no such entry")

// ErrGarbled says that a server's answer contradicts itself.
var ErrGarbled = errors.New("the answer contradicts itself")

// Bulk reads much from one server over a connection of its own, so that lookups do not wait behind it. It is for one
// goroutine.
type Bulk struct {
	client *Client
	server *server
	conn   *connection
}

// Bulk calls do with the first server that can be reached. If that server fails while do reads, do is called anew with the
// next: half of an answer from one and half from another would be the truth of no moment. Any other error of do ends it.
func (c *Client) Bulk(ctx context.Context, do func(context.Context, *Bulk) error) error {
	var errs Errors
	for _, s := range c.servers {
		err := c.bulk(ctx, s, do)
		var failed *Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &failed) || !failed.down() {
			return err
		}
		errs = append(errs, failed)
	}
	return errs
}

func (c *Client) bulk(ctx context.Context, s *server, do func(context.Context, *Bulk) error) error {
	if failed := s.resting(); failed != nil {
		return failed
	}
	within, cancel := context.WithTimeoutCause(ctx, s.o.ConnectTimeout, errTimeout)
	conn, failed := dial(within, s.target, s.o)
	cancel()
	if failed != nil {
		if ctx.Err() == nil {
			s.report(failed)
		}
		return failed
	}
	defer conn.close()
	conn.limit.most.Store(maxBulkOctets)
	return do(ctx, &Bulk{client: c, server: s, conn: conn})
}

// Server returns the URL of the server that is read.
func (b *Bulk) Server() string { return b.server.target.url }

// Each searches page by page (RFC 2696) and calls each for every entry as its page comes; an error of each ends the
// search. A server that does not know pages sends all at once. Whoever collects must throw away what he has if Each
// returns an error: a size limit (ErrTruncated, which OpenLDAP's hard limit is even with pages) is known only at the end.
// The referrals are URLs of other servers that hold further parts of the answer.
//
// QUIRK: Active Directory refers each search at the root of a domain to the partitions of its own configuration and DNS.
// Nobody is in them, so they are passed over.
func (b *Bulk) Each(ctx context.Context, r Request, each func(Entry) error) (referrals []string, err error) {
	if _, err := ldap.CompileFilter(r.Filter); err != nil {
		return nil, fmt.Errorf("filter %s: %w", r.Filter, err)
	}
	paging := ldap.NewControlPaging(pageSize)
	request := b.client.searchRequest(r)
	request.SizeLimit, request.EnforceSizeLimit = 0, false
	request.Controls = []ldap.Control{paging}
	for empty := 0; ; {
		result, err := b.ask(ctx, request)
		if err != nil {
			return nil, err
		}
		referrals = append(referrals, slices.DeleteFunc(result.Referrals, ownPartition)...)
		for _, e := range b.client.reply(b.server.target, result).Entries {
			if err := each(e); err != nil {
				return nil, err
			}
		}
		next, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return referrals, nil
		}
		if empty++; len(result.Entries) > 0 {
			empty = 0
		}
		if empty > maxEmptyPages {
			return nil, fmt.Errorf("%s: %w: one empty page follows the other", b.Server(), ErrGarbled)
		}
		paging.SetCookie(next.Cookie)
	}
}

// Entry reads one entry. ErrNoObject if there is none; ErrReferral if it lies elsewhere.
func (b *Bulk) Entry(ctx context.Context, dn string, attributes ...string) (Entry, error) {
	result, err := b.ask(ctx, b.client.searchRequest(Request{BaseDN: dn, Scope: BaseObject, Filter: "(objectClass=*)", Attributes: attributes}))
	if err != nil {
		return Entry{}, err
	}
	entries := b.client.reply(b.server.target, result).Entries
	switch {
	case len(entries) == 1:
		return entries[0], nil
	case len(entries) > 1:
		return Entry{}, fmt.Errorf("%s: %w: several entries are named %s", b.Server(), ErrGarbled, dn)
	case len(result.Referrals) > 0:
		return Entry{}, fmt.Errorf("%s: %s: %w: %.200s", b.Server(), dn, ErrReferral, result.Referrals[0])
	}
	return Entry{}, fmt.Errorf("%s: %s: %w", b.Server(), dn, ErrNoObject)
}

// Values gives all values of an attribute of an entry that was read with it. Where the server returned only the first of
// them, as "member;range=0-1499", the others are read (Active Directory, [MS-ADTS] section 3.1.1.3.1.3.3); more than most
// are ErrTruncated.
func (b *Bulk) Values(ctx context.Context, e Entry, name string, most int) ([][]byte, error) {
	var values [][]byte
	dn := e.DN
	for {
		whole := e.Values(name)
		part, ok, err := rangeOf(e, name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %s: %w: %w", b.Server(), dn, ErrGarbled, err)
		case len(values) == 0 && !ok:
			values = whole
		case len(whole) > 0, !ok, part.from != len(values):
			return nil, fmt.Errorf("%s: %s: %w: the values of %s from %d on were asked for and not given", b.Server(), dn, ErrGarbled, name, len(values))
		default:
			values = append(values, part.values...)
		}
		if len(values) > most {
			return nil, fmt.Errorf("%s: %s: %w: %s has more than %d values", b.Server(), dn, ErrTruncated, name, most)
		}
		if !ok || part.last {
			return values, nil
		}
		if e, err = b.Entry(ctx, dn, fmt.Sprintf("%s;range=%d-*", name, len(values))); err != nil {
			return nil, err
		}
	}
}

// valueRange is a part of an attribute's values.
type valueRange struct {
	from   int
	values [][]byte
	last   bool // nothing follows
}

// rangeOf finds the part of an attribute's values that an entry holds. ok is false if it holds none as a part.
func rangeOf(e Entry, name string) (part valueRange, ok bool, err error) {
	for _, a := range e.Attributes {
		bare, option, _ := strings.Cut(a.Name, ";")
		if !strings.EqualFold(bare, name) || len(option) < len("range=") || !strings.EqualFold(option[:len("range=")], "range=") {
			continue
		}
		if ok {
			return part, false, fmt.Errorf("two parts of %s at once", name)
		}
		from, to, _ := strings.Cut(option[len("range="):], "-")
		first, err := strconv.ParseUint(from, 10, 31)
		if err != nil {
			return part, false, fmt.Errorf("%.80q is no range", a.Name)
		}
		part, ok = valueRange{from: int(first), values: a.Values, last: to == "*"}, true
		if part.last {
			continue
		}
		if end, err := strconv.ParseUint(to, 10, 31); err != nil || end < first || int(end-first)+1 != len(a.Values) {
			return part, false, fmt.Errorf("%.80q holds %d values", a.Name, len(a.Values))
		}
	}
	return part, ok, nil
}

// Naming is what a server says about itself in its root DSE (RFC 4512 section 5.1).
type Naming struct {
	Contexts        []string // the roots of what it holds
	ActiveDirectory bool
}

// Naming reads it.
func (b *Bulk) Naming(ctx context.Context) (Naming, error) {
	e, err := b.Entry(ctx, "", "namingContexts", "supportedCapabilities")
	if errors.Is(err, ErrNoObject) {
		return Naming{}, nil // it hides that
	}
	var n Naming
	for _, value := range e.Values("namingContexts") {
		n.Contexts = append(n.Contexts, string(value))
	}
	for _, value := range e.Values("supportedCapabilities") {
		n.ActiveDirectory = n.ActiveDirectory || string(value) == "1.2.840.113556.1.4.800" // LDAP_CAP_ACTIVE_DIRECTORY_OID
	}
	return n, err
}

// ask sends one search within the time for one question.
func (b *Bulk) ask(ctx context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	within, cancel := context.WithTimeoutCause(ctx, b.server.o.Timeout, errTimeout)
	defer cancel()
	select {
	case a := <-b.conn.ask(r):
		if a.err == nil {
			b.server.up()
			return a.result, nil
		}
		return nil, b.failed(ctx, searchError(b.server.target, a.err))
	case <-within.Done():
		b.conn.close()
		return nil, b.failed(ctx, searchError(b.server.target, context.Cause(within)))
	}
}

func (b *Bulk) failed(ctx context.Context, failed *Error) *Error {
	switch failed.Code {
	case ldap.LDAPResultNoSuchObject:
		failed.Err = fmt.Errorf("%w: %w", ErrNoObject, failed.Err)
	case ldap.LDAPResultReferral:
		failed.Err = fmt.Errorf("%w: %w", ErrReferral, failed.Err)
	}
	if ctx.Err() == nil {
		b.server.report(failed)
	}
	return failed
}

// Answered says whether an error is a server's answer to a question, after which it may be asked another.
func Answered(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Code > 0 && !failed.down()
}

// resting is the error of a server whose breaker is open; nil if it may be asked.
func (s *server) resting() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock()
	if !s.breaker.open(now) {
		return nil
	}
	return s.notAsked(now)
}

// ownPartition says whether a continuation reference of Active Directory leads to the partitions that hold its own
// configuration and DNS.
func ownPartition(url string) bool {
	_, rest, _ := strings.Cut(url, "://")
	_, dn, _ := strings.Cut(rest, "/")
	dn, _, _ = strings.Cut(dn, "?")
	first, _, _ := strings.Cut(strings.ToLower(dn), ",")
	return first == "cn=configuration" || first == "dc=domaindnszones" || first == "dc=forestdnszones"
}

// BaseDN returns the entry below which people are looked for.
func (d *Directory) BaseDN() string { return d.o.BaseDN }

// Domains returns those whose addresses the directory answers for; none: all.
func (d *Directory) Domains() []string { return slices.Clone(d.o.Domains) }

// Client returns the client of the directory's servers.
func (d *Directory) Client() *Client { return d.client }

// Normal gives a distinguished name in the form under which it is compared: as RFC 4514 has it, in lower case, the values
// of each name part in order. It fails for what is no distinguished name.
func Normal(dn string) (string, error) {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "", err
	}
	if len(parsed.RDNs) == 0 {
		return "", errors.New("it is empty")
	}
	return strings.ToLower(parsed.String()), nil
}

// Escape escapes a value for its place in a filter (RFC 4515 section 3).
func Escape(value string) string { return ldap.EscapeFilter(value) }

// CheckFilter tells what is wrong with a filter (RFC 4515).
func CheckFilter(text string) error {
	_, err := ldap.CompileFilter(text)
	return err
}
