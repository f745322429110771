package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// QueueItem is one post in the spool.
type QueueItem struct {
	store.Item
	ListAddress list.Address                `json:"list_address"`
	States      map[store.DeliveryState]int `json:"states"` // copies in each state
}

// Progress says in a few words how many copies the next hop has taken, and what
// became of those it has not; empty before there are any.
func (i QueueItem) Progress() string {
	if i.Copies == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %d", i.States[store.DeliveryRelayed], i.Copies)
	for _, s := range []store.DeliveryState{store.DeliveryDelayed, store.DeliveryFailed, store.DeliveryWithheld, store.DeliveryCancelled} {
		if n := i.States[s]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, s)
		}
	}
	return text
}

// QueueDetails is one post with what became of each copy.
type QueueDetails struct {
	QueueItem
	Deliveries []store.Delivery `json:"deliveries"`
}

// QueueFilter chooses posts. The zero value is those that are not finished.
type QueueFilter struct {
	List  string // an address; empty: every list
	State string // one of the spool states; empty: those that wait for something
	All   bool   // finished ones, too
	Limit int    // the newest so many; 0: all
}

// unfinished tells whether an item waits for something, be it a person.
func unfinished(s store.ItemState) bool { return s != store.ItemDone && s != store.ItemRejected }

// Queue returns posts, oldest first.
func (a *Admin) Queue(ctx context.Context, f QueueFilter) ([]QueueItem, error) {
	filter := store.ItemFilter{State: store.ItemState(f.State)}
	switch filter.State {
	case "", store.ItemAccepted, store.ItemHeld, store.ItemDistributing, store.ItemDone, store.ItemRejected, store.ItemQuarantined:
	default:
		return nil, usage("the states are accepted, held, distributing, done, rejected and quarantined", "%q is no state of a post", f.State)
	}
	if f.Limit < 0 {
		return nil, usage("give the number of posts to show; 0 shows all", "%d is no limit", f.Limit)
	}
	if f.List != "" {
		l, err := a.list(ctx, f.List)
		if err != nil {
			return nil, err
		}
		filter.List = l.ID
	}
	items, err := a.Store.Items(ctx, filter)
	if err != nil {
		return nil, Explain(err)
	}
	names, err := a.names(ctx)
	if err != nil {
		return nil, err
	}
	queue := []QueueItem{}
	for _, item := range items {
		if f.All || f.State != "" || unfinished(item.State) {
			queue = append(queue, QueueItem{Item: item, ListAddress: names[item.List]})
		}
	}
	if f.Limit > 0 && len(queue) > f.Limit {
		queue = queue[len(queue)-f.Limit:]
	}
	for i := range queue {
		if queue[i].States, err = a.states(ctx, queue[i].Item); err != nil {
			return nil, err
		}
	}
	return queue, nil
}

// QueueItem returns one post with its copies. state chooses among the copies;
// empty: all.
func (a *Admin) QueueItem(ctx context.Context, id, state string) (QueueDetails, error) {
	filter := store.DeliveryFilter{Item: id, State: store.DeliveryState(state)}
	switch filter.State {
	case "", store.DeliveryQueued, store.DeliveryRelayed, store.DeliveryDelayed, store.DeliveryFailed, store.DeliveryWithheld, store.DeliveryCancelled:
	default:
		return QueueDetails{}, usage("the states are queued, relayed, delayed, failed, withheld and cancelled", "%q is no state of a copy", state)
	}
	item, err := a.Store.Item(ctx, id)
	if err != nil {
		return QueueDetails{}, a.storeError(err, "there is no post "+id, "`listmaster queue ls --all` shows those there are")
	}
	names, err := a.names(ctx)
	if err != nil {
		return QueueDetails{}, err
	}
	d := QueueDetails{QueueItem: QueueItem{Item: item, ListAddress: names[item.List]}}
	if d.States, err = a.states(ctx, item); err != nil {
		return d, err
	}
	if d.Deliveries, err = a.Store.Deliveries(ctx, filter); err != nil {
		return d, Explain(err)
	}
	d.Deliveries = some(d.Deliveries)
	return d, nil
}

// RetryWithheld queues withheld copies again: of a post by its name, of a list
// by its address, or all for an empty text. It returns how many.
func (a *Admin) RetryWithheld(ctx context.Context, what string) (int, error) {
	var filter store.WithheldFilter
	object := "all"
	switch {
	case strings.Contains(what, "@"):
		l, err := a.list(ctx, what)
		if err != nil {
			return 0, err
		}
		filter.List, object = l.ID, l.Address.String()
	case what != "":
		item, err := a.Store.Item(ctx, what)
		if err != nil {
			return 0, a.storeError(err, "there is no post "+what, "give a list's address or a post's name; `listmaster queue ls --all` shows the posts")
		}
		filter.Item, object = item.ID, item.ID
	}
	copies, err := a.Store.WithheldCopies(ctx, filter)
	if err != nil {
		return 0, Explain(err)
	}
	n, err := a.Store.RequeueWithheld(ctx, copies)
	if err != nil {
		return 0, Explain(err)
	}
	a.audit(ctx, "queue retry", filter.List, object, map[string]string{"withheld": fmt.Sprint(n)})
	return n, nil
}

// Retried says what is tried again.
type Retried struct {
	Copies int `json:"copies"` // and notices
	Posts  int `json:"posts"`  // that could not be decided on yet
}

// Retry makes due now what waits for its next attempt: of a post, of a list, or
// everything for an empty text.
func (a *Admin) Retry(ctx context.Context, what string) (Retried, error) {
	var filter store.RetryFilter
	object := "all"
	switch {
	case strings.Contains(what, "@"):
		l, err := a.list(ctx, what)
		if err != nil {
			return Retried{}, err
		}
		filter.List, object = l.ID, l.Address.String()
	case what != "":
		item, err := a.Store.Item(ctx, what)
		if err != nil {
			return Retried{}, a.storeError(err, "there is no post "+what, "give a list's address or a post's name; `listmaster queue ls` shows the posts")
		}
		filter.Item, object = item.ID, item.ID
	}
	copies, posts, err := a.Store.RetryNow(ctx, filter)
	if err != nil {
		return Retried{}, Explain(err)
	}
	a.audit(ctx, "queue retry", filter.List, object, nil)
	return Retried{copies, posts}, nil
}

// Pause lets the copies of a list wait, or those of all lists for an empty text.
func (a *Admin) Pause(ctx context.Context, listText string) error {
	l, object, err := a.listOrAll(ctx, listText)
	if err != nil {
		return err
	}
	if err := a.Store.PauseCopies(ctx, l, a.Actor); err != nil {
		return Explain(err)
	}
	a.audit(ctx, "queue pause", l, object, nil)
	return nil
}

// Resume ends a pause.
func (a *Admin) Resume(ctx context.Context, listText string) error {
	l, object, err := a.listOrAll(ctx, listText)
	if err != nil {
		return err
	}
	if err := a.Store.ResumeCopies(ctx, l); errors.Is(err, store.ErrNotFound) {
		return refused("`listmaster queue pause` without a list shows what is", "%s: nothing is paused", object)
	} else if err != nil {
		return Explain(err)
	}
	a.audit(ctx, "queue resume", l, object, nil)
	return nil
}

func (a *Admin) listOrAll(ctx context.Context, listText string) (list.ID, string, error) {
	if listText == "" {
		return 0, "all", nil
	}
	l, err := a.list(ctx, listText)
	return l.ID, l.Address.String(), err
}

// Paused is a list whose copies wait.
type Paused struct {
	store.Pause
	Address string `json:"address"` // "all"
}

// Pauses returns what is paused.
func (a *Admin) Pauses(ctx context.Context) ([]Paused, error) {
	rows, err := a.Store.Pauses(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	names, err := a.names(ctx)
	if err != nil {
		return nil, err
	}
	all := []Paused{}
	for _, p := range rows {
		address := "all"
		if p.List != 0 {
			address = names[p.List].String()
		}
		all = append(all, Paused{p, address})
	}
	return all, nil
}

// Cancelled says what became of the copies that had not left.
type Cancelled struct {
	Copies int `json:"copies"`  // called off
	InHand int `json:"in_hand"` // on their way, not to be stopped
}

// Cancel calls off the copies of a post that have not left yet.
func (a *Admin) Cancel(ctx context.Context, id string) (Cancelled, error) {
	item, err := a.Store.Item(ctx, id)
	if err != nil {
		return Cancelled{}, a.storeError(err, "there is no post "+id, "`listmaster queue ls` shows those there are")
	}
	copies, inHand, err := a.Store.CancelCopies(ctx, id)
	if errors.Is(err, store.ErrState) {
		hint := "try again when it is decided on"
		if item.State == store.ItemHeld {
			hint = "`listmaster moderation reject " + item.ID + "` decides against it"
		}
		return Cancelled{}, refused(hint, "%s is %s: its copies are not made yet", item.ID, item.State)
	}
	if err != nil {
		return Cancelled{}, Explain(err)
	}
	a.audit(ctx, "queue cancel", item.List, item.ID, map[string]string{"copies": fmt.Sprint(copies)})
	return Cancelled{copies, inHand}, nil
}

// states counts the copies of a post in each state.
func (a *Admin) states(ctx context.Context, item store.Item) (map[store.DeliveryState]int, error) {
	if item.Copies == 0 {
		return map[store.DeliveryState]int{}, nil
	}
	counts, err := a.Store.CountDeliveries(ctx, item.ID)
	if err != nil {
		return nil, Explain(err)
	}
	return counts, nil
}

// names finds the addresses of all lists.
func (a *Admin) names(ctx context.Context) (map[list.ID]list.Address, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	names := make(map[list.ID]list.Address, len(lists))
	for _, l := range lists {
		names[l.ID] = l.Address
	}
	return names, nil
}
