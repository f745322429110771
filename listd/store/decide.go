package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Decided is what became of an item, written in one transaction with everything
// that follows from it.
type Decided struct {
	Item      string
	State     ItemState    // held, distributing, done, rejected, quarantined; or accepted, to look at it anew
	Reason    string       // a word
	Detail    string       // for the listmaster; nothing that was decrypted (invariant 1)
	Method    string       // authentication method: smtp, smime
	Author    list.Address // the authenticated author; zero: none
	MessageID string       // the outer one
	Encrypted bool         // it arrived encrypted
	Notices   []Notice     // mail that the decision causes
	Harvest   []Certificate
	Archive   time.Time   // until when the octets are kept for the list's archive; zero: they are not
	Purge     bool        // the octets go now: nobody is to read them
	Member    int64       // the number of whom Failure is about
	Failure   *Failure    // what counts against him; nil: nothing
	Audit     *AuditEntry // who decided what, and by which rule; List and Object are filled here. nil: the caller notes it
	Traces    []Trace     // of a post that is accepted: what it is known by when it comes again
}

// decisions are the steps an item can make. Distributing ends in done by
// Complete and Expand, or in quarantine.
var decisions = map[ItemState][]ItemState{
	ItemAccepted:     {ItemHeld, ItemDistributing, ItemDone, ItemRejected, ItemQuarantined},
	ItemHeld:         {ItemAccepted, ItemDistributing, ItemRejected, ItemQuarantined},
	ItemQuarantined:  {ItemAccepted, ItemRejected},
	ItemDistributing: {ItemQuarantined},
}

// Decide writes a decision. The item's lease ends with it, but not where the
// item is to be expanded: whoever holds the lease goes on with Expand.
// ErrState if the item's state does not allow the step: a second decision of
// the same item does nothing. ErrSeen if the same message was accepted on this
// list since its traces were asked for.
func (s *Store) Decide(ctx context.Context, d Decided) error {
	return s.write(ctx, "decide item "+d.Item, func(h handle) error {
		id := itemNumber(d.Item)
		var from ItemState
		var on list.ID
		if err := h.row(ctx, `SELECT state, list FROM item WHERE id = ?`+h.dialect.forUpdate, id).Scan(&from, &on); err != nil {
			return err
		}
		if !slices.Contains(decisions[from], d.State) {
			return fmt.Errorf("%s cannot become %s: %w", from, d.State, ErrState)
		}
		now := s.now()
		// What the flow takes up again is due now, unless its worker holds it.
		due, owner, upto := `NULL`, `''`, `upto`
		switch d.State {
		case ItemAccepted:
			due = `?`
		case ItemDistributing:
			due, owner = `CASE WHEN owner = '' THEN ? ELSE due END`, `owner`
			upto = `CASE WHEN walked > 0 THEN upto ELSE (SELECT coalesce(max(id), 0) FROM member) END`
		}
		args := []any{d.State, d.Reason, d.Detail, d.Method, d.Author.String(), d.MessageID, boolean(d.Encrypted), micros(d.Archive), now}
		if due != `NULL` {
			args = append(args, now)
		}
		_, err := h.exec(ctx, `UPDATE item SET state = ?, reason = ?, detail = ?, method = ?, author = ?, message_id = ?, encrypted = ?,
			archived = ?, updated = ?, claims = 0, due = `+due+`, owner = `+owner+`, upto = `+upto+` WHERE id = ?`, append(args, id)...)
		if err != nil {
			return err
		}
		if d.Audit != nil {
			e := *d.Audit
			e.List, e.Object = on, d.Item
			if err := putAudit(ctx, h, e, now); err != nil {
				return err
			}
		}
		if d.State == ItemRejected {
			if err := dropTraces(ctx, h, id); err != nil {
				return err
			}
		}
		if err := putTraces(ctx, h, id, d.Traces, now); err != nil {
			return err
		}
		if d.State == ItemQuarantined {
			if err := cancelCopies(ctx, h, id, d.Reason, now); err != nil {
				return err
			}
		}
		if d.State == ItemDistributing {
			if err := reviveCopies(ctx, h, id, now); err != nil {
				return err
			}
		}
		for _, c := range d.Harvest {
			added, err := putCertificate(ctx, h, c, now)
			if err != nil {
				return err
			}
			if !added {
				continue
			}
			learnt := AuditEntry{Actor: c.Address.String(), Action: "cert harvest", List: on, Object: fingerprint(c.DER), Detail: map[string]string{"address": c.Address.String(), "item": d.Item}}
			if err := putAudit(ctx, h, learnt, now); err != nil {
				return err
			}
		}
		if d.Failure != nil {
			if err := fails(ctx, h, d.Member, *d.Failure, now); err != nil {
				return err
			}
		}
		if d.Purge {
			if err := dropOctets(ctx, h, id); err != nil {
				return err
			}
		}
		_, err = queueNotices(ctx, h, id, d.Notices, now)
		return err
	})
}

// cancelCopies ends the unfinished copies of an item, those that wait for a
// digest or are gathered into one among them. A digest itself goes on with the
// other posts in it.
func cancelCopies(ctx context.Context, h handle, item int64, reason string, now int64) error {
	n, err := h.exec(ctx, `UPDATE delivery SET state = ?, reason = ?, due = NULL, owner = '', digest = NULL, updated = ?
		WHERE item = ? AND kind = ? AND state IN (?, ?) AND (digest IS NULL OR digest <> id)`,
		DeliveryCancelled, reason, now, item, KindCopy, DeliveryQueued, DeliveryDelayed)
	if err != nil {
		return err
	}
	_, err = h.exec(ctx, `UPDATE item SET unfinished = unfinished - ? WHERE id = ?`, n, item)
	return err
}

// reviveCopies queues again the copies that ended when their item was
// quarantined: whoever lets it go means all members. They are judged anew when
// they are sealed.
func reviveCopies(ctx context.Context, h handle, item int64, now int64) error {
	n, err := h.exec(ctx, `UPDATE delivery SET state = ?, reason = '', attempts = 0, due = ?, created = ?, updated = ?
		WHERE item = ? AND kind = ? AND state = ?`, DeliveryQueued, now, now, now, item, KindCopy, DeliveryCancelled)
	if err != nil || n == 0 {
		return err
	}
	_, err = h.exec(ctx, `UPDATE item SET unfinished = unfinished + ? WHERE id = ?`, n, item)
	return err
}

// Expand writes the delivery rows of the next chunk of those who were members at
// the decision and are, unsuspended, now, in the order they joined, together
// with how far it came. Somebody who leaves and comes back in the meantime
// joined after the decision: nobody gets two rows. It is
// called until done; each call is one transaction, so that the first copies
// leave while a large list is still being expanded. With done the item's lease
// ends; a list without members is then done itself.
// ErrState if the item is not distributing.
func (s *Store) Expand(ctx context.Context, id string, chunk int) (rows int, done bool, err error) {
	err = s.write(ctx, "expand item "+id, func(h handle) error {
		number, now := itemNumber(id), s.now()
		var on, walked, upto, bound int64
		var state ItemState
		if err := h.row(ctx, `SELECT list, state, walked, upto, expanded FROM item WHERE id = ?`+h.dialect.forUpdate, number).
			Scan(&on, &state, &walked, &upto, &done); err != nil {
			return err
		}
		switch {
		case done:
			return nil
		case state != ItemDistributing:
			return fmt.Errorf("it is %s: %w", state, ErrState)
		}
		const chosen = ` FROM member WHERE list = ? AND role = ? AND suspended = 0 AND reception <> 'nomail' AND id > ? AND id <= ?`
		var n int
		if err := h.row(ctx, `SELECT count(*), coalesce(max(id), 0) FROM (SELECT id`+chosen+` ORDER BY id LIMIT ?) AS chunk`,
			on, list.RoleMember, walked, upto, chunk).Scan(&n, &bound); err != nil {
			return err
		}
		if n > 0 {
			written, err := h.exec(ctx, `INSERT INTO delivery (item, list, kind, address, state, due, created, updated, digest)
				SELECT CAST(? AS BIGINT), list, ?, address, ?, CASE WHEN reception = 'digest' THEN NULL ELSE CAST(? AS BIGINT) END, CAST(? AS BIGINT), CAST(? AS BIGINT), CASE WHEN reception = 'digest' THEN 0 END`+chosen+` ORDER BY id`,
				number, KindCopy, DeliveryQueued, now, now, now, on, list.RoleMember, walked, bound)
			if err != nil {
				return err
			}
			rows, walked = int(written), bound
		}
		done = n < chunk
		if !done {
			_, err := h.exec(ctx, `UPDATE item SET walked = ?, copies = copies + ?, unfinished = unfinished + ?, updated = ? WHERE id = ?`,
				walked, rows, rows, now, number)
			return err
		}
		_, err := h.exec(ctx, `UPDATE item SET walked = ?, copies = copies + ?, unfinished = unfinished + ?, updated = ?,
			expanded = 1, due = NULL, owner = '', claims = 0 WHERE id = ?`, walked, rows, rows, now, number)
		if err != nil {
			return err
		}
		return finish(ctx, h, number, now)
	})
	if err != nil {
		return 0, false, err
	}
	return rows, done, nil
}

// finish makes an item done whose copies have all been written and ended.
func finish(ctx context.Context, h handle, item, now int64) error {
	_, err := h.exec(ctx, `UPDATE item SET state = ?, updated = ? WHERE id = ? AND state = ? AND expanded = 1 AND unfinished = 0`,
		ItemDone, now, item, ItemDistributing)
	return err
}
