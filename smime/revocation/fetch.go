package revocation

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// newList begins to remember a place; the one not used for longest is forgotten for it. The caller holds the lock.
func (c *Checker) newList(at place, now time.Time) *list {
	for len(c.lists) >= maxLists {
		c.forgetList()
	}
	l := &list{}
	l.used, l.next = now, now
	c.lists[at] = l
	return l
}

// forgetList forgets the place that nobody asked about for longest. The caller holds the lock.
func (c *Checker) forgetList() bool {
	var oldest place
	var found *list
	for at, l := range c.lists {
		if l.job == nil && (found == nil || l.used.Before(found.used)) {
			oldest, found = at, l
		}
	}
	if found == nil {
		return false
	}
	c.held -= size(found)
	delete(c.lists, oldest)
	return true
}

// size is about how much memory a place takes: the octets of a list are there twice, and each entry in a map.
func size(l *list) int64 {
	n := 0
	for _, crl := range []*trust.CRL{l.current, l.offered} {
		if crl != nil {
			n += 2*crl.Size() + 64*crl.Entries()
		}
	}
	return int64(n + len(l.octets))
}

// fetchList begins to fetch, for the certificate in question. The caller holds the lock.
func (a asking) fetchList(l *list, at place, issuer *x509.Certificate) {
	c := a.checker
	if l.first.IsZero() {
		l.first = a.now
	}
	l.asked = a.now
	l.by, l.name = a, issuer.Subject.String()
	l.by.signer, l.by.besides = issuer, nil
	l.job = c.fetching(func(ctx context.Context) {
		crl, octets, err := c.download(ctx, at.url)
		a.now = c.o.Clock()
		if c.arrived(l, at, crl, octets, err, a.now) {
			a.adopt(at, issuer)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		l.job = nil
	})
}

// arrived notes how a fetch went, and says whether there is something new.
func (c *Checker) arrived(l *list, at place, crl *trust.CRL, octets []byte, err error, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		l.failed(now, err)
		c.o.Log.Warn("a CRL cannot be fetched", "url", at.url, "failures", l.fails, "next_attempt", l.next, "err", err)
		c.shelve(at, l, nil, time.Time{})
		return false
	}
	if c.o.Shelf == nil {
		octets = nil
	}
	c.held -= size(l)
	l.offered, l.octets, l.err = crl, octets, nil
	c.held += size(l)
	for c.held > c.o.MaxHeld && len(c.lists) > 1 && c.forgetList() {
	}
	return true
}

// download fetches and reads one CRL. Of several in a directory's attribute the newest that can be read counts.
func (c *Checker) download(ctx context.Context, from string) (newest *trust.CRL, der []byte, err error) {
	values, err := c.fetch(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	for _, octets := range values {
		if block, _ := pem.Decode(octets); block != nil && strings.HasSuffix(block.Type, "CRL") {
			octets = block.Bytes // QUIRK: RFC 5280 section 4.2.1.13 wants DER; some CAs publish PEM
		}
		crl, failed := trust.ParseCRL(octets)
		switch {
		case failed != nil:
			err = failed
		case newest == nil || newest.ThisUpdate.Before(crl.ThisUpdate):
			newest, der = crl, octets
		}
	}
	if newest != nil {
		return newest, der, nil
	}
	if err == nil {
		err = errors.New("there is no CRL")
	}
	return nil, nil, err
}

// fetch gets what a URL names, from where the administrator says.
func (c *Checker) fetch(ctx context.Context, from string) ([][]byte, error) {
	if c.ctx.Err() != nil {
		return nil, errClosed
	}
	target, mapped := c.rewrite(from)
	u, err := url.Parse(target)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	switch u.Scheme {
	case "":
		return nil, errors.New("the certificate's CRL has no URL")
	case "http", "https":
		octets, err := c.get(ctx, u, mapped)
		return [][]byte{octets}, err
	case "ldap", "ldaps":
		return c.ask(ctx, u, mapped)
	}
	return nil, fmt.Errorf("URLs of the scheme %q cannot be asked", u.Scheme)
}

// rewrite applies the administrator's mappings.
func (c *Checker) rewrite(from string) (string, bool) {
	for _, m := range c.o.URLMap {
		rest, ok := strings.CutPrefix(from, m.From)
		if ok && (rest == "" || strings.HasSuffix(m.From, "/") || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "?")) {
			return m.To + rest, true
		}
	}
	return from, false
}

// askable are the URLs that can be asked at all.
func (c *Checker) askable(urls []string) []string {
	var known []string
	for _, from := range urls {
		target, _ := c.rewrite(from)
		scheme, _, _ := strings.Cut(target, ":")
		switch strings.ToLower(scheme) {
		case "http", "https":
			known = append(known, from)
		case "ldap", "ldaps":
			if c.o.Directory != nil {
				known = append(known, from)
			}
		}
	}
	return known
}

func (c *Checker) get(ctx context.Context, u *url.URL, mapped bool) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	return c.do(request, mapped, c.o.MaxOctets)
}

// do sends a request without credentials and reads the answer up to a limit.
func (c *Checker) do(request *http.Request, mapped bool, most int64) ([]byte, error) {
	client := c.guarded
	if mapped {
		client = c.mapped
	}
	if err := plain(request.URL); err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Sealist")
	response, err := client.Do(request)
	if err != nil {
		return nil, short(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server says %s", response.Status)
	}
	if response.ContentLength > most {
		return nil, fmt.Errorf("it has %d octets, the most is %d", response.ContentLength, most)
	}
	octets, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("it ends too early: %w", err)
	}
	if int64(len(octets)) > most {
		return nil, fmt.Errorf("it has more than %d octets", most)
	}
	return octets, nil
}

// plain refuses URLs with a user and password in them.
func plain(u *url.URL) error {
	if u.User != nil {
		return errors.New("a URL with a user's name in it is not asked")
	}
	return nil
}

// short takes the method and URL from an error of net/http: both are named beside it.
func short(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// ldapAttributes are those that hold CRLs (RFC 4523 section 2). Nothing else is ever asked for: the URL is a stranger's.
var ldapAttributes = []string{"certificateRevocationList", "authorityRevocationList", "deltaRevocationList"}

// ask asks a directory for what an LDAP URL names (RFC 4516): ldap://[host[:port]]/DN?attribute. Its scope and filter
// are not used: the entry is named.
func (c *Checker) ask(ctx context.Context, u *url.URL, mapped bool) ([][]byte, error) {
	if err := plain(u); err != nil {
		return nil, err
	}
	if c.o.Directory == nil {
		return nil, errors.New("no directory is configured")
	}
	attribute, _, _ := strings.Cut(u.RawQuery, "?")
	if unescaped, err := url.PathUnescape(attribute); err == nil {
		attribute = unescaped
	}
	attribute, _, _ = strings.Cut(attribute, ";")
	q := Question{DN: strings.TrimPrefix(u.Path, "/"), Mapped: mapped}
	for _, known := range ldapAttributes {
		if strings.EqualFold(attribute, known) || attribute == "" && q.Attribute == "" {
			q.Attribute = known
		}
	}
	switch {
	case q.DN == "":
		return nil, errors.New("the URL names no entry")
	case q.Attribute == "":
		return nil, fmt.Errorf("the attribute %q holds no CRL", attribute)
	}
	if u.Host != "" {
		q.Server = u.Scheme + "://" + u.Host
	}
	values, err := c.o.Directory.Values(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if int64(len(v)) > c.o.MaxOctets {
			return nil, fmt.Errorf("it has %d octets, the most is %d", len(v), c.o.MaxOctets)
		}
	}
	return values, nil
}

// idle is how long a connection is kept.
const idle = 30 * time.Second
