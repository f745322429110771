package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/cms"
)

// Render implements queue.Renderer: it says what becomes of each delivery of a
// batch, and makes the octets of those that may go.
func (d *Distributor) Render(ctx context.Context, batch []store.Delivery) []queue.Rendering {
	out := make([]queue.Rendering, len(batch))
	copies := map[string][]int{} // by spool item, indices into batch
	var items []string           // in their order
	wait := true                 // for memory: who holds a post must not
	for i, del := range batch {
		if del.Kind == store.KindNotice {
			out[i] = d.renderNotice(ctx, del)
			continue
		}
		if isDigest(del) {
			out[i] = d.renderDigest(ctx, del, wait)
			wait = false
			continue
		}
		if copies[del.Item] == nil {
			items = append(items, del.Item)
		}
		copies[del.Item] = append(copies[del.Item], i)
	}
	for _, item := range items {
		d.renderCopies(ctx, item, wait, batch, copies[item], out)
		wait = false
	}
	return out
}

// renderCopies judges the copies of one post again, at the moment they would
// be sealed: membership, suspension and certificates (invariant 2).
func (d *Distributor) renderCopies(ctx context.Context, item string, wait bool, batch []store.Delivery, indices []int, out []queue.Rendering) {
	fill := func(r queue.Rendering) {
		for _, i := range indices {
			out[i] = r
		}
	}
	// A poisonous post must not delay the others of its batch (invariant 9).
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic while rendering copies", "stage", "render", "spool_id", item, "panic", fmt.Sprintf("%T", p))
			fill(queue.Delayed{Reason: errPanic.Error()})
		}
	}()
	p, err := d.current(ctx, item, wait)
	if errors.Is(err, compose.ErrIdentity) {
		fill(queue.Cancelled{Reason: err.Error(), Cause: reasonIdentity})
		return
	}
	if err != nil {
		fill(delayed(err))
		return
	}
	addresses := make([]list.Address, len(indices))
	for n, i := range indices {
		addresses[n] = batch[i].Address
	}
	held, err := d.Store.MemberOf(ctx, p.list.ID, addresses)
	if err != nil {
		fill(queue.Delayed{Reason: fmt.Sprintf("asking who is subscribed: %v", err)})
		return
	}
	var entitled []int
	paths := map[int]string{}   // reverse-paths of the entitled
	leaving := map[int][]byte{} // and how each leaves the list by one click
	for n, i := range indices {
		memberships := held[addresses[n].Key()]
		m := slices.IndexFunc(memberships, func(m store.Standing) bool { return m.Role == list.RoleMember })
		switch {
		case m < 0:
			out[i] = queue.Cancelled{Reason: "no longer subscribed", Cause: causeNotSubscribed}
		case memberships[m].Suspended:
			out[i] = queue.Cancelled{Reason: "suspended", Cause: causeSuspended}
		case memberships[m].Reception == list.ReceiveNoMail:
			out[i] = queue.Cancelled{Reason: "nomail", Cause: causeReception}
		case memberships[m].Reception == list.ReceiveNotMe && addresses[n].Same(p.author):
			out[i] = queue.Cancelled{Reason: "not_me", Cause: causeReception}
		case memberships[m].Reception == list.ReceiveNotice:
			out[i] = d.announce(ctx, p, batch[i], d.returnPath(p.list, memberships[m]))
		default:
			entitled = append(entitled, i)
			paths[i] = d.returnPath(p.list, memberships[m])
			if leaving[i], err = d.oneClick(p.list, memberships[m]); err != nil {
				fill(queue.Delayed{Reason: fmt.Sprintf("writing List-Unsubscribe: %v", err)})
				return
			}
		}
	}
	if p.clear != nil {
		for _, i := range entitled {
			parts := p.clear[d.reader(ctx, p, batch[i].Address)]
			if len(leaving[i]) > 0 {
				own, err := relay.NewSegment(leaving[i])
				if err != nil {
					out[i] = queue.Delayed{Reason: fmt.Sprintf("writing List-Unsubscribe: %v", err)}
					continue
				}
				parts = append([]relay.Segment{own}, parts...)
			}
			out[i] = queue.Copy{ReversePath: paths[i], Parts: func() ([]relay.Segment, error) { return parts, nil }}
		}
		return
	}
	d.renderSealed(ctx, p, batch, entitled, paths, leaving, out)
}

// delayed is what an error makes of a copy: one that only waits for memory is
// tried again soon.
func delayed(err error) queue.Delayed {
	if errors.Is(err, errNoMemory) {
		return queue.Delayed{Reason: err.Error(), Cause: causeMemory, Soon: memoryRetry}
	}
	return queue.Delayed{Reason: err.Error()}
}

// oneClick are the fields with which a member leaves the list by one click;
// nothing where there are no pages.
func (d *Distributor) oneClick(l list.List, m store.Standing) ([]byte, error) {
	if d.OneClick == nil {
		return nil, nil
	}
	token := d.Returns.Unsubscription(bounce.Member{List: l.ID, Number: m.Number})
	if token == "" {
		return nil, nil
	}
	return compose.Unsubscribe(l, d.OneClick(token))
}

// renderSealed resolves the members of a batch and seals a copy to each.
func (d *Distributor) renderSealed(ctx context.Context, p *post, batch []store.Delivery, indices []int, paths map[int]string, leaving map[int][]byte, out []queue.Rendering) {
	addresses := make([]string, len(indices))
	for n, i := range indices {
		addresses[n] = batch[i].Address.String()
	}
	for n, r := range d.resolve(ctx, addresses, resolver.Allowances{Expired: p.list.AllowExpired}) {
		i := indices[n]
		switch {
		case r.Err != nil:
			out[i] = queue.Delayed{Reason: r.Err.Error(), Cause: causeSource}
		case len(r.Certificates) == 0:
			reason := withheldBecause(r)
			out[i] = queue.Withheld{Reason: reason, Cause: causeWithheld(r), Notices: d.noCertificate(ctx, p.list, batch[i].Address, reason)}
		default:
			out[i] = p.seal(paths[i], slices.Concat(leaving[i], p.header[d.reader(ctx, p, batch[i].Address)]), r)
		}
	}
}

// reader is as what somebody gets his copy: lists of this server judge the
// author anew.
func (d *Distributor) reader(ctx context.Context, p *post, a list.Address) compose.Reader {
	if p.rewritten && d.isList(ctx, a) {
		return compose.AList
	}
	return compose.Person
}

// isList tells whether an address is that of a list here. People may have
// theirs in the same domain.
func (d *Distributor) isList(ctx context.Context, a list.Address) bool {
	if len(d.Domains) > 0 && !d.ours(a) {
		return false
	}
	_, err := d.Store.List(ctx, a)
	return !errors.Is(err, store.ErrNotFound)
}

// announce makes the mail that says no more than that there is a post.
func (d *Distributor) announce(ctx context.Context, p *post, del store.Delivery, reversePath string) queue.Rendering {
	nt := store.Notice{Template: notice.NewPost, List: p.list.ID, To: del.Address, Params: map[string]string{"received": quotedDate(p.received.UTC().Format(time.RFC1123Z))}}
	return d.serviceMail(ctx, p.list, del, nt, p.sealer != nil, reversePath)
}

// seal makes the copy of one member, whose certificates r names.
func (p *post) seal(reversePath string, header []byte, r resolver.Result) queue.Rendering {
	fingerprints := make([]string, len(r.Certificates))
	recipients := make([]*cms.Recipient, len(r.Certificates))
	for i, c := range r.Certificates {
		fingerprints[i], recipients[i] = c.Fingerprint, c.Recipient
	}
	return queue.Copy{
		ReversePath:  reversePath,
		Certificates: strings.Join(fingerprints, " "),
		Cipher:       p.cipher.String(),
		Parts: func() ([]relay.Segment, error) {
			outer := header
			if p.sign != nil {
				outer = nil // it goes around the signature
			}
			sealed, err := p.sealer.Seal(outer, recipients)
			if err != nil {
				return nil, fmt.Errorf("sealing to %s: %w", strings.Join(fingerprints, ", "), err)
			}
			if p.sign != nil {
				return p.signed(header, sealed)
			}
			return p.segments(sealed)
		},
	}
}

// withheldBecause says in one line why a member has no usable certificate.
func withheldBecause(r resolver.Result) string {
	if len(r.Refused) == 0 {
		return "no certificate found"
	}
	reasons := make([]string, 0, len(r.Refused))
	seen := map[string]bool{}
	for _, f := range r.Refused {
		if w := string(f.Reason); !seen[w] {
			seen[w] = true
			reasons = append(reasons, w)
		}
	}
	return "no usable certificate: " + strings.Join(reasons, ", ")
}

// How often a member hears that he has no usable certificate.
const (
	remindedDaily  = 7 * 24 * time.Hour // for so long since the first copy that he missed
	remindedWeekly = 7 * 24 * time.Hour // then once in this time
)

// noCertificate is what a member hears whose copy is withheld, at most once a
// day and list in the first week, then once a week: nothing where the list's
// owners are told instead.
func (d *Distributor) noCertificate(ctx context.Context, l list.List, member list.Address, reason string) []store.Notice {
	if l.Policy.MissingCertificate == list.MissingReport || d.isList(ctx, member) {
		return nil
	}
	waiting, since, err := d.Store.WithheldFrom(ctx, l.ID, member)
	if err != nil {
		d.log.Warn("cannot count what waits for a member", "err", err)
	}
	every := noticeEvery
	if !since.IsZero() && d.Clock().Sub(since) >= remindedDaily {
		every = remindedWeekly
	}
	return []store.Notice{{
		Template: notice.NoCertificate, List: l.ID, To: member,
		Params: map[string]string{"reason": reason, "waiting": fmt.Sprint(waiting + 1), "kept": l.Policy.WithheldFor.String()},
		Key:    fmt.Sprintf("%s/%d/%s", notice.NoCertificate, l.ID, member.Key()), Every: every,
	}}
}
