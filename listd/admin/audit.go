package admin

import (
	"context"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// AuditFilter chooses entries of the audit log. The zero value is all of them.
type AuditFilter struct {
	List   string // an address
	Actor  string // an address, a task's name, or "listmaster"
	Action string // whole, or its first words: "cert" is "cert pin", too
	Object string // an address, fingerprint or post
	Post   string // the ID of a post: what was decided on it, and what became of each copy
	Copies bool   // what became of the copies of all posts, too; with an Actor or Action there are none
	Limit  int    // only the newest so many; 0: all

	Since time.Time // from then on
	Until time.Time // before then; zero: no end
}

// AuditEntry is an entry of the audit log, or what became of a copy: then Action is "copy" and its state, Object the
// member's address, and Detail names the certificates that it was sealed to.
type AuditEntry struct {
	store.AuditEntry
	ListAddress string `json:"list_address,omitempty"` // empty, too, if the list is gone
}

// AuditEntries returns entries of the audit log, oldest first.
func (a *Admin) AuditEntries(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	all := []AuditEntry{}
	err := a.EachAuditEntry(ctx, f, func(e AuditEntry) error {
		all = append(all, e)
		return nil
	})
	return all, err
}

// auditPage is how many entries are in memory at a time.
const auditPage = 1000

// EachAuditEntry gives entries one by one, oldest first, and copies behind them, until take fails.
func (a *Admin) EachAuditEntry(ctx context.Context, f AuditFilter, take func(AuditEntry) error) error {
	in, err := a.auditFilter(ctx, f)
	if err != nil {
		return err
	}
	names, err := a.listNames(ctx)
	if err != nil {
		return err
	}
	give := func(e store.AuditEntry) error { return take(AuditEntry{e, names[e.List]}) }
	if err := a.entries(ctx, in, f.Limit, give); err != nil {
		return err
	}
	if f.Post == "" && !f.Copies || f.Actor != "" || f.Action != "" {
		return nil
	}
	return a.copies(ctx, f, in, give)
}

// auditFilter reads what a person wrote.
func (a *Admin) auditFilter(ctx context.Context, f AuditFilter) (in store.AuditFilter, err error) {
	in = store.AuditFilter{Actor: f.Actor, Action: f.Action, Object: f.Object, Since: f.Since, Until: f.Until}
	if f.Post != "" {
		if f.Object != "" {
			return in, usage("name one of them", "an object and a post were named")
		}
		in.Object = f.Post
	}
	if f.List != "" {
		l, err := a.list(ctx, f.List)
		if err != nil {
			return in, err
		}
		in.List = l.ID
	}
	return in, nil
}

// listNames are the addresses of the lists there are, robots included.
func (a *Admin) listNames(ctx context.Context) (map[list.ID]string, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	robots, err := a.Store.Robots(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	names := map[list.ID]string{}
	for _, l := range append(lists, robots...) {
		names[l.ID] = l.Address.String()
	}
	return names, nil
}

func (a *Admin) entries(ctx context.Context, in store.AuditFilter, limit int, give func(store.AuditEntry) error) error {
	if in.Limit = auditPage; limit > 0 {
		in.Limit, in.Newest = limit, true
	}
	for {
		page, err := a.Store.AuditEntries(ctx, in)
		if err != nil {
			return Explain(err)
		}
		for _, e := range page {
			if err := give(e); err != nil {
				return err
			}
		}
		if in.Newest || len(page) < in.Limit {
			return nil
		}
		in.After = page[len(page)-1].ID
	}
}

// copies gives what became of copies, and of what else left sealed.
func (a *Admin) copies(ctx context.Context, f AuditFilter, in store.AuditFilter, give func(store.AuditEntry) error) error {
	of := store.DeliveryFilter{Item: f.Post, List: in.List, Limit: auditPage}
	for {
		page, err := a.Store.Deliveries(ctx, of)
		if err != nil {
			return Explain(err)
		}
		for _, d := range page {
			object := d.Address.String()
			if !d.State.Finished() || d.Kind != store.KindCopy && d.Certificate == "" || f.Object != "" && f.Object != object ||
				d.Updated.Before(in.Since) || !in.Until.IsZero() && !d.Updated.Before(in.Until) {
				continue
			}
			if err := give(copyEntry(d)); err != nil {
				return err
			}
		}
		if len(page) < auditPage {
			return nil
		}
		of.After = page[len(page)-1].ID
	}
}

// copyEntry puts what became of a delivery into the form of an entry.
func copyEntry(d store.Delivery) store.AuditEntry {
	e := store.AuditEntry{At: d.Updated, Actor: "queue", Action: string(d.Kind) + " " + string(d.State), List: d.List, Object: d.Address.String(), Detail: map[string]string{}}
	for name, value := range map[string]string{"item": d.Item, "sealed_to": d.Certificate, "cipher": d.Cipher, "reason": d.Reason} {
		if value != "" {
			e.Detail[name] = value
		}
	}
	return e
}
