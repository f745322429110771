package admin

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
)

// States of what is kept of a directory's answer.
const (
	AnswerPositive = "positive" // something was found
	AnswerNegative = "negative" // nothing was found
	AnswerStale    = "stale"    // its time has ended: it only stands in while the directory cannot be asked, if it is positive
)

// CachedAnswer is what is kept of one directory's answer about one address.
type CachedAnswer struct {
	store.AnswerRow
	State string `json:"state"`
	Age   string `json:"age"`
}

// CacheFilter chooses answers. The zero value is all of them.
type CacheFilter struct {
	Source string
	State  string
	Limit  int
}

// CachedAnswers returns what is kept of directories' answers.
func (a *Admin) CachedAnswers(ctx context.Context, f CacheFilter) ([]CachedAnswer, error) {
	if f.State != "" && !slices.Contains([]string{AnswerPositive, AnswerNegative, AnswerStale}, f.State) {
		return nil, usage("write positive, negative or stale", "%q is no state of a kept answer", f.State)
	}
	if err := a.sourceExists(f.Source); err != nil {
		return nil, err
	}
	rows, err := a.Store.AnswerRows(ctx, store.AnswerFilter{Source: f.Source})
	if err != nil {
		return nil, Explain(err)
	}
	now := a.Clock()
	var all []CachedAnswer
	for _, row := range rows {
		c := CachedAnswer{AnswerRow: row, State: AnswerNegative, Age: now.Sub(row.Fetched).Round(time.Second).String()}
		life := a.Caching.Negative
		if row.Found {
			c.State, life = AnswerPositive, a.Caching.Positive
		}
		if !now.Before(row.Fetched.Add(life)) {
			c.State = AnswerStale
		}
		if f.State == "" || f.State == c.State {
			all = append(all, c)
		}
		if f.Limit > 0 && len(all) == f.Limit {
			break
		}
	}
	return some(all), nil
}

// CacheStats counts what is kept, by directory.
func (a *Admin) CacheStats(ctx context.Context) ([]store.AnswerStat, error) {
	stats, err := a.Store.AnswerStats(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	return some(stats), nil
}

// FlushCache removes what is kept about addresses, of a source, or, with all, everything, and returns how many answers
// went. Running servers forget what they made of them within a second.
func (a *Admin) FlushCache(ctx context.Context, addresses []string, source string, all bool) (int, error) {
	if all == (len(addresses) > 0 || source != "") {
		return 0, usage("give addresses, --source, or --all", "what is to be flushed?")
	}
	if err := a.sourceExists(source); err != nil {
		return 0, err
	}
	for _, text := range addresses {
		if _, err := parseAddress(text); err != nil {
			return 0, err
		}
	}
	flushed := 0
	filters := []store.AnswerFilter{{Source: source}}
	if len(addresses) > 0 {
		filters = nil
		for chunk := range slices.Chunk(addresses, resolveChunk) {
			filters = append(filters, store.AnswerFilter{Source: source, Addresses: chunk})
		}
	}
	for _, f := range filters {
		n, err := a.Store.DropAnswers(ctx, f)
		if err != nil {
			return flushed, Explain(err)
		}
		flushed += n
	}
	a.audit(ctx, "cache flush", 0, source, map[string]string{"answers": strconv.Itoa(flushed), "addresses": strconv.Itoa(len(addresses))})
	return flushed, nil
}

// sourceExists refuses a name that no directory has. Kept answers of a directory that was taken out of the configuration
// go by themselves.
func (a *Admin) sourceExists(name string) error {
	if name == "" {
		return nil
	}
	_, err := a.directoriesNamed(name)
	return err
}

// Refreshed is what directories say now about an address.
type Refreshed struct {
	Address list.Address `json:"address"`
	Verdict string       `json:"verdict"`
	Detail  string       `json:"detail"`
}

// Sealable tells whether a copy would be sealed now.
func (r Refreshed) Sealable() bool { return r.Verdict == resolver.VerdictUsable }

// Refresh has directories asked now about addresses, or about all members of a list, whatever is kept of their answers.
func (a *Admin) Refresh(ctx context.Context, addresses []string, listText string) ([]Refreshed, error) {
	if (len(addresses) > 0) == (listText != "") {
		return nil, usage("give addresses, or --list LIST", "about whom?")
	}
	if listText != "" {
		members, err := a.Members(ctx, listText, string(list.RoleMember))
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			addresses = append(addresses, m.Address.String())
		}
	}
	all := make([]Refreshed, 0, len(addresses))
	for _, text := range addresses {
		address, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		e, err := a.Explain(ctx, text, true)
		if err != nil {
			return nil, err
		}
		all = append(all, Refreshed{address, e.Verdict, e.Detail})
		if ctx.Err() != nil {
			return nil, Explain(ctx.Err())
		}
	}
	a.audit(ctx, "cert refresh", 0, listText, map[string]string{"addresses": strconv.Itoa(len(all))})
	return all, nil
}
