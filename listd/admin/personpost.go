package admin

import (
	"context"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Held are the posts that wait for him to decide: of a list, or of all that he
// decides on.
func (p Person) Held(ctx context.Context, listText string) ([]QueueItem, error) {
	if listText != "" {
		l, err := p.moderated(ctx, listText)
		if err != nil {
			return nil, err
		}
		items, err := p.a.HeldPosts(ctx, l.Address.String())
		return p.shown(items), err
	}
	if p.Listmaster() {
		return p.a.HeldPosts(ctx, "")
	}
	lists, err := p.a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	all := []QueueItem{}
	for _, l := range lists {
		if ok, err := p.is(ctx, l, list.RoleOwner, list.RoleEditor); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		items, err := p.a.HeldPosts(ctx, l.Address.String())
		if err != nil {
			return nil, err
		}
		all = append(all, p.shown(items)...)
	}
	return all, nil
}

// Approve is `moderation approve`. The audit log and the post name who did.
func (p Person) Approve(ctx context.Context, id string) error {
	item, err := p.decidable(ctx, id)
	if err != nil {
		return err
	}
	return p.a.resume(ctx, item, list.Address{}, p.who.Address, "")
}

// Reject is `moderation reject`.
func (p Person) Reject(ctx context.Context, id, reason string) error {
	if _, err := p.decidable(ctx, id); err != nil {
		return err
	}
	return p.a.RejectPost(ctx, id, reason)
}

// decidable finds a post that waits for him. A post that is no matter of his is
// not there.
func (p Person) decidable(ctx context.Context, id string) (store.Item, error) {
	none := &Error{Kind: Refused, What: "there is no post " + Printable(id) + " that waits for you", Err: store.ErrNotFound}
	item, err := p.a.Store.Item(ctx, id)
	if IsNotFound(err) {
		return item, none
	}
	if err != nil {
		return item, Explain(err)
	}
	if !p.Listmaster() {
		l, err := p.a.Store.ListByID(ctx, item.List)
		if err != nil {
			return item, Explain(err)
		}
		if ok, err := p.is(ctx, l, list.RoleOwner, list.RoleEditor); err != nil {
			return item, err
		} else if !ok || secret(item) {
			return item, none
		}
	}
	return p.a.heldPost(ctx, id)
}

// Post is `queue show`, for a listmaster: it names why a post failed.
func (p Person) Post(ctx context.Context, id, state string) (QueueDetails, error) {
	if err := p.server(); err != nil {
		return QueueDetails{}, err
	}
	return p.a.QueueItem(ctx, id, state)
}

// Retry is `queue retry` of a list or post; empty: of everything.
func (p Person) Retry(ctx context.Context, what string) (Retried, error) {
	if err := p.server(); err != nil {
		return Retried{}, err
	}
	return p.a.Retry(ctx, what)
}

// Cancel is `queue cancel`.
func (p Person) Cancel(ctx context.Context, id string) (Cancelled, error) {
	if err := p.server(); err != nil {
		return Cancelled{}, err
	}
	return p.a.Cancel(ctx, id)
}

// Pauses is `queue pause` without a list.
func (p Person) Pauses(ctx context.Context) ([]Paused, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.Pauses(ctx)
}

// Pause is `queue pause` and, with off, `queue resume`; for an empty text of all
// lists.
func (p Person) Pause(ctx context.Context, listText string, off bool) error {
	if err := p.server(); err != nil {
		return err
	}
	if off {
		return p.a.Resume(ctx, listText)
	}
	return p.a.Pause(ctx, listText)
}

// Quarantined is `quarantine ls`.
func (p Person) Quarantined(ctx context.Context) ([]QueueItem, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.Quarantined(ctx)
}

// Release is `quarantine release` and, with remove, `quarantine rm`.
func (p Person) Release(ctx context.Context, id string, remove bool) error {
	if err := p.server(); err != nil {
		return err
	}
	return p.a.Release(ctx, id, remove)
}
