package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sealist/sealist/directory"
)

// Directory finds certificates in one LDAP directory. It is safe for concurrent use.
type Directory struct {
	o        Options
	client   *Client
	template template
	issuers  issuers
}

// New checks the options. It does not connect.
func New(o Options) (*Directory, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("directory %q: %w", o.Name, err)
	}
	t, err := parseTemplate(o.Filter)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", o.Name, err)
	}
	client, err := NewClient(o.ClientOptions)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", o.Name, err)
	}
	return &Directory{o: o, client: client, template: t}, nil
}

// Name returns the configured name.
func (d *Directory) Name() string { return d.o.Name }

// Health tells the state of each server.
func (d *Directory) Health() []Health { return d.client.Health() }

// Close closes the connections.
func (d *Directory) Close() error { return d.client.Close() }

const (
	parallelSearches = 4   // of one Lookup, on the one connection
	entriesPerPerson = 8   // expected at most; more is a filter that finds too much
	spareEntries     = 16  // for a search, beside those
	maxAddress       = 320 // octets; RFC 5321 section 4.5.3.1 allows 64, "@" and 255
)

// Lookup finds the entries of the addresses and reads the certificates in them. Addresses are asked for in batches, a
// few at a time.
func (d *Directory) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	answers := make([]directory.Answer, len(addresses))
	keys := d.keys(addresses, answers)
	found := d.findAll(ctx, keys)
	for i, address := range addresses {
		if answers[i].Err == nil {
			answers[i] = d.answer(ctx, address, found[directory.Normalise(address)])
		}
	}
	return answers
}

// keys are the normalised addresses to be asked for, each once. The answers for the others are set.
func (d *Directory) keys(addresses []string, answers []directory.Answer) []string {
	var keys []string
	seen := map[string]bool{}
	for i, address := range addresses {
		key := directory.Normalise(address)
		_, _, ok := directory.Split(key)
		switch {
		case !ok || len(key) > maxAddress || !utf8.ValidString(key): // nobody has it
			answers[i] = directory.Answer{Address: address, Err: directory.ErrNotFound}
		case !directory.Serves(d.o.Domains, key):
			answers[i] = directory.Answer{Address: address, Err: directory.ErrNotSource}
		case !seen[key]:
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// finding is what the servers said about one address.
type finding struct {
	entries   []Entry
	server    string
	trusted   bool
	filter    string
	referrals []string
	took      time.Duration
	err       error // an outage
}

type findings map[string]finding

func (d *Directory) findAll(ctx context.Context, keys []string) findings {
	size := d.o.BatchSize
	if len(d.template.rules) == 0 {
		size = 1
	}
	all := findings{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallelSearches)
	for batch := range slices.Chunk(keys, size) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found := d.find(ctx, batch)
			mu.Lock()
			defer mu.Unlock()
			for key, f := range found {
				all[key] = f
			}
		})
	}
	wg.Wait()
	return all
}

// find asks for a batch. Whom an entry belongs to is told by its attributes. An address that stays without an entry is
// asked for once more, with the others of its kind: perhaps an entry was there for it and did not show so. Only an empty
// answer means that there is none.
func (d *Directory) find(ctx context.Context, keys []string) findings {
	f, err := d.search(ctx, keys)
	if err != nil {
		var failed Errors
		if len(keys) > 1 && ctx.Err() == nil && errors.As(err, &failed) && failed.divisible() {
			return d.halves(ctx, keys) // one address must not harm the others
		}
		f.err = err
		return same(keys, f)
	}
	if len(keys) == 1 || len(f.entries) == 0 {
		return same(keys, f)
	}
	found := findings{}
	var without []string
	own := d.template.sort(f.entries, keys)
	for _, key := range keys {
		if len(own[key]) == 0 {
			without = append(without, key)
			continue
		}
		hers := f
		hers.entries = own[key]
		found[key] = hers
	}
	switch {
	case len(without) == len(keys):
		return d.halves(ctx, keys)
	case len(without) > 0:
		for key, f := range d.find(ctx, without) {
			found[key] = f
		}
	}
	return found
}

func (d *Directory) halves(ctx context.Context, keys []string) findings {
	found := d.find(ctx, keys[:len(keys)/2])
	for key, f := range d.find(ctx, keys[len(keys)/2:]) {
		found[key] = f
	}
	return found
}

func same(keys []string, f finding) findings {
	found := findings{}
	for _, key := range keys {
		found[key] = f
	}
	return found
}

func (d *Directory) search(ctx context.Context, keys []string) (finding, error) {
	start := time.Now()
	f := finding{filter: d.template.batch(keys)}
	base, err := d.base(ctx)
	if err != nil {
		return f, err
	}
	r, err := d.client.Search(ctx, d.request(base, f.filter, len(keys)))
	f.took = time.Since(start)
	if err != nil {
		f.server = lastServer(err)
		return f, err
	}
	f.entries, f.server, f.trusted, f.referrals = r.Entries, r.Server, r.Trusted, r.Referrals
	return f, nil
}

// base is the entry under which people are searched for.
func (d *Directory) base(ctx context.Context) (string, error) {
	if d.o.BaseDN != "" {
		return d.o.BaseDN, nil
	}
	return d.client.base(ctx)
}

func (d *Directory) request(base, filter string, people int) Request {
	attributes := slices.Clone(d.o.Attributes)
	for _, name := range append(d.template.attributes(), personAttributes...) {
		if !slices.ContainsFunc(attributes, func(a string) bool { return strings.EqualFold(a, name) }) {
			attributes = append(attributes, name)
		}
	}
	return Request{BaseDN: base, Scope: d.o.Scope, Filter: filter, Attributes: attributes,
		SizeLimit: people*entriesPerPerson + spareEntries}
}

func lastServer(err error) string {
	var failed Errors
	if errors.As(err, &failed) && len(failed) > 0 {
		return failed[len(failed)-1].Server
	}
	return ""
}

// answer turns a finding into what the resolver judges.
func (d *Directory) answer(ctx context.Context, address string, f finding) directory.Answer {
	a := directory.Answer{Address: address, Server: f.server, Filter: f.filter, Referrals: f.referrals, Took: f.took, Err: f.err}
	if len(f.entries) > 1 {
		names := make([]string, len(f.entries))
		for i, e := range f.entries {
			names[i] = e.DN
		}
		slices.Sort(names)
		a.Notes = append(a.Notes, fmt.Sprintf("%d entries answer for the address: %s", len(names), strings.Join(names, "; ")))
	}
	var people [][]byte
	for _, e := range f.entries {
		d.read(e, address, f, &a)
	}
	for _, c := range a.Candidates {
		people = append(people, c.Certificate)
	}
	a.Helpers = append(a.Helpers, d.helpers(ctx, people)...)
	if a.Err == nil && len(f.entries) == 0 {
		a.Err = directory.ErrNotFound
	}
	return a
}
