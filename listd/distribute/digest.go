package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
)

// isDigest tells whether a delivery is several posts in one mail.
func isDigest(del store.Delivery) bool {
	return del.Kind == store.KindCopy && del.Notice != nil && del.Notice.Template == store.DigestTemplate
}

// renderDigest makes one member's digest. He is judged again at the moment it
// would be sealed (invariant 2). What one digest holds is encrypted once for all
// who get the same.
func (d *Distributor) renderDigest(ctx context.Context, del store.Delivery, wait bool) queue.Rendering {
	items, err := d.Store.DigestItems(ctx, del.ID)
	if err != nil {
		return queue.Delayed{Reason: err.Error()}
	}
	l, err := d.Store.ListByID(ctx, del.List)
	if err != nil {
		return queue.Delayed{Reason: "reading the list: " + err.Error()}
	}
	held, err := d.Store.MemberOf(ctx, l.ID, []list.Address{del.Address})
	if err != nil {
		return queue.Delayed{Reason: fmt.Sprintf("asking who is subscribed: %v", err)}
	}
	standing := held[del.Address.Key()]
	m := slices.IndexFunc(standing, func(m store.Standing) bool { return m.Role == list.RoleMember })
	switch {
	case len(items) == 0:
		return queue.Cancelled{Reason: "a digest of no posts", Cause: causeNothing}
	case m < 0:
		return queue.Cancelled{Reason: "no longer subscribed", Cause: causeNotSubscribed}
	case standing[m].Suspended:
		return queue.Cancelled{Reason: "suspended", Cause: causeSuspended}
	}
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	p, err := d.posts.get(ctx, "digest "+strings.Join(ids, " "), wait, func(take func(int64) error) (*post, error) { return d.prepareDigest(ctx, l, items, take) })
	if err != nil {
		return delayed(err)
	}
	if p.clear != nil {
		parts := p.clear[compose.Person]
		return queue.Copy{ReversePath: d.returnPath(l, standing[m]), Parts: func() ([]relay.Segment, error) { return parts, nil }}
	}
	r := d.resolve(ctx, []string{del.Address.String()}, resolver.Allowances{Expired: l.AllowExpired})[0]
	switch {
	case r.Err != nil:
		return queue.Delayed{Reason: r.Err.Error(), Cause: causeSource}
	case len(r.Certificates) == 0:
		reason := withheldBecause(r)
		return queue.Withheld{Reason: reason, Cause: causeWithheld(r), Notices: d.noCertificate(ctx, l, del.Address, reason)}
	}
	return p.seal(d.returnPath(l, standing[m]), p.header[compose.Person], r)
}

// prepareDigest opens the posts of a digest and puts them together. It leaves
// encrypted if one of them came so, or the list encrypts everything.
func (d *Distributor) prepareDigest(ctx context.Context, l list.List, items []store.Item, take func(size int64) error) (*post, error) {
	last := items[len(items)-1]
	c := compose.Digest{List: l, Stamp: compose.Stamp{ID: last.ID, Received: last.Received}}
	p := &post{list: l, tails: map[*byte]relay.Segment{}}
	sealed := l.Policy.Encryption == list.EncryptAlways
	for _, item := range items {
		p.size += item.Size
	}
	if err := take(p.size); err != nil {
		return nil, err
	}
	defer swept(p.size)
	for _, item := range items {
		one, err := d.shown(ctx, l, item.ID)
		if errors.Is(err, errNotOpened) || errors.Is(err, compose.ErrIdentity) { // one bad post harms itself only (invariant 9)
			one, err = compose.Missing(item.Received), nil
		}
		if err != nil {
			return nil, err
		}
		c.Posts = append(c.Posts, one)
		sealed = sealed || item.Encrypted
	}
	content, err := c.Content()
	if err != nil {
		return nil, fmt.Errorf("composing: %w", err)
	}
	header, err := c.Header()
	if err != nil {
		return nil, fmt.Errorf("composing: %w", err)
	}
	if !sealed {
		parts, err := segment(slices.Concat(header, []byte("MIME-Version: 1.0\r\n"), content.Octets()))
		p.clear = map[compose.Reader][]relay.Segment{compose.Person: parts}
		return p, err
	}
	p.header, p.cipher = map[compose.Reader][]byte{compose.Person: header}, cms.AES256CBC
	p.sealer, err = smime.NewSealer(content, p.cipher)
	return p, err
}
