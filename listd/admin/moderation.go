package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
)

// HeldPosts returns the posts that wait for a decision, of a list or of all for
// an empty text, oldest first.
func (a *Admin) HeldPosts(ctx context.Context, listText string) ([]QueueItem, error) {
	return a.Queue(ctx, QueueFilter{List: listText, State: string(store.ItemHeld)})
}

// ApprovePost lets a held post be distributed, whatever it holds. It is judged
// again, and keeps what is known of its author.
func (a *Admin) ApprovePost(ctx context.Context, id string) error {
	item, err := a.heldPost(ctx, id)
	if err != nil {
		return err
	}
	by, _ := list.ParseAddress("listmaster@" + item.ForwardPath.Domain())
	return a.resume(ctx, item, list.Address{}, by, "")
}

func (a *Admin) heldPost(ctx context.Context, id string) (store.Item, error) {
	item, err := a.Store.Item(ctx, id)
	if err != nil {
		return item, a.storeError(err, "there is no post "+id, "`listmaster moderation ls` shows those that wait")
	}
	if item.State != store.ItemHeld {
		return item, refused("`listmaster queue show "+item.ID+"` tells more", "%s is %s: there is nothing to decide", item.ID, item.State)
	}
	return item, nil
}

func (a *Admin) resume(ctx context.Context, item store.Item, confirmed, approved list.Address, content string) error {
	err := a.Store.Resume(ctx, item.ID, confirmed, approved, content)
	if errors.Is(err, store.ErrState) {
		return refused("", "%s was decided on meanwhile", item.ID)
	}
	if err != nil {
		return Explain(err)
	}
	action := "moderation approve"
	if !confirmed.IsZero() {
		action = "confirm"
	}
	a.audit(ctx, action, item.List, item.ID, nil)
	return nil
}

// RejectPost decides against a held post. Its author hears the reason if he is
// authenticated; of a post in clear whoever sent it, if he is known here.
func (a *Admin) RejectPost(ctx context.Context, id, reason string) error {
	item, err := a.heldPost(ctx, id)
	if err != nil {
		return err
	}
	if err := singleLine("reason", reason); err != nil {
		return err
	}
	decided := store.Decided{Item: item.ID, State: store.ItemRejected, Reason: "rejected", Detail: item.Detail, Method: item.Method,
		Author: item.Author, MessageID: item.MessageID, Encrypted: item.Encrypted}
	if to, ok, err := a.rejectedAuthor(ctx, item); err != nil {
		return Explain(err)
	} else if ok {
		decided.Notices = []store.Notice{{
			Template: notice.Rejected, List: item.List, To: to, Sealed: a.Sealed && reason != "",
			Params: map[string]string{"why": reason, "message_id": item.MessageID, "date": item.Received.UTC().Format("Mon, 2 Jan 2006 15:04:05 -0700")},
			Key:    notice.Rejected + "/" + to.Key(), Every: day, Limit: 20,
		}}
	}
	if err := a.Store.Decide(ctx, decided); errors.Is(err, store.ErrState) {
		return refused("", "%s was decided on meanwhile", item.ID)
	} else if err != nil {
		return Explain(err)
	}
	if err := a.Store.DropTokens(ctx, item.ID); err != nil {
		return Explain(err)
	}
	facts := map[string]string{"reason": reason}
	if a.Sealed {
		facts = nil
	}
	a.audit(ctx, "moderation reject", item.List, item.ID, facts)
	return nil
}

// rejectedAuthor is who hears that a post was rejected. Of an encrypted post
// whose author is not authenticated nobody does: that it was held is more than
// the outside may learn (invariant 3).
func (a *Admin) rejectedAuthor(ctx context.Context, item store.Item) (list.Address, bool, error) {
	if !item.Author.IsZero() {
		return item.Author, true, nil
	}
	if item.Encrypted {
		return list.Address{}, false, nil
	}
	to, err := list.ParseAddress(item.ReversePath)
	if err != nil {
		return list.Address{}, false, nil
	}
	held, err := a.Store.Memberships(ctx, to)
	return to, len(held) > 0, err
}

// errKey is what whoever brings a key that is not good is told.
func errKey(err error) error {
	if errors.Is(err, token.ErrToken) {
		return refused("ask for a new one", "%v", err)
	}
	return Explain(err)
}

// Moderate decides on what a key was sent for: a held post, or somebody's wish to
// come or go. Whoever lost the role that he got the key for may not.
func (a *Admin) Moderate(ctx context.Context, key string, approve bool, reason string) (Done, error) {
	claim, err := a.Tokens.Check(ctx, token.Moderation, key)
	if err != nil {
		return Done{}, errKey(err)
	}
	l, err := a.Store.ListByID(ctx, claim.List)
	if err != nil {
		return Done{}, errKey(token.ErrToken)
	}
	if ok, err := a.decides(ctx, l, claim.Sender); err != nil {
		return Done{}, Explain(err)
	} else if !ok {
		return Done{}, errKey(token.ErrToken)
	}
	if claim, err = a.Tokens.Use(ctx, token.Moderation, key); err != nil {
		return Done{}, errKey(err)
	}
	by := *a
	by.Actor = claim.Sender.String()
	if claim.Operation != "send" {
		return by.decideRequest(ctx, l, claim, approve)
	}
	id, content, _ := strings.Cut(claim.Object, " ")
	if !approve {
		if err := by.RejectPost(ctx, id, reason); err != nil {
			return Done{}, err
		}
		return Done{Text: "The message " + id + " to " + l.Address.String() + " was rejected."}, nil
	}
	item, err := by.heldPost(ctx, id)
	if err == nil {
		err = by.resume(ctx, item, list.Address{}, claim.Sender, content)
	}
	if err != nil {
		return Done{}, err
	}
	return Done{Text: "The message " + id + " to " + l.Address.String() + " was approved. It is checked once more and then distributed."}, nil
}

// decides tells whether somebody decides on posts and requests of a list now.
func (a *Admin) decides(ctx context.Context, l list.List, who list.Address) (bool, error) {
	held, err := a.Store.MemberOf(ctx, l.ID, []list.Address{who})
	if err != nil {
		return false, err
	}
	for _, s := range held[who.Key()] {
		if s.Role == list.RoleEditor || s.Role == list.RoleOwner {
			return true, nil
		}
	}
	return slices.ContainsFunc(a.Listmasters, who.Same), nil
}

// Quarantined returns the posts that could not be processed, oldest first.
func (a *Admin) Quarantined(ctx context.Context) ([]QueueItem, error) {
	return a.Queue(ctx, QueueFilter{State: string(store.ItemQuarantined)})
}

// Release puts a quarantined post back into the flow, or with remove takes it
// away.
func (a *Admin) Release(ctx context.Context, id string, remove bool) error {
	item, err := a.Store.Item(ctx, id)
	if err != nil {
		return a.storeError(err, "there is no post "+id, "`listmaster quarantine ls` shows those there are")
	}
	if item.State != store.ItemQuarantined {
		return refused("`listmaster queue show "+item.ID+"` tells more", "%s is %s, not quarantined", item.ID, item.State)
	}
	decided := store.Decided{Item: item.ID, State: store.ItemAccepted, MessageID: item.MessageID, Encrypted: item.Encrypted}
	action := "quarantine release"
	if remove {
		decided.State, decided.Reason, action = store.ItemRejected, "removed", "quarantine rm"
	}
	if err := a.Store.Decide(ctx, decided); err != nil {
		return Explain(err)
	}
	a.audit(ctx, action, item.List, item.ID, nil)
	return nil
}
