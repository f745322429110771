package distribute

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// renderNotice makes a service mail.
func (d *Distributor) renderNotice(ctx context.Context, del store.Delivery) queue.Rendering {
	if del.Notice == nil {
		return queue.Cancelled{Reason: "a notice without content"}
	}
	var l list.List // of none
	domain := del.Address.Domain()
	if del.List != 0 {
		var err error
		l, err = d.Store.ListByID(ctx, del.List)
		if errors.Is(err, store.ErrNotFound) {
			return queue.Cancelled{Reason: "the list is gone"}
		}
		if err != nil {
			return queue.Delayed{Reason: err.Error()}
		}
		domain = l.Address.Domain()
	}
	m, err := d.Notices.Render(l, *del.Notice, fmt.Sprintf("<notice-%d-%d@%s>", del.ID, del.Created.UnixMicro(), domain), del.Created)
	if err != nil {
		return queue.Delayed{Reason: "rendering: " + err.Error()}
	}
	if named := del.Notice.Params[notice.Certificates]; named != "" {
		if m, err = d.withCertificates(ctx, m, fmt.Sprint("c", del.ID), strings.Fields(named)); err != nil {
			return queue.Delayed{Reason: "attaching a certificate: " + err.Error()}
		}
	}
	if del.Notice.Attach {
		open := d.attachment
		if del.Notice.Template == notice.ArchivedPost {
			open = d.shown
		}
		post, err := open(ctx, l, del.Item)
		if errors.Is(err, compose.ErrIdentity) {
			return queue.Cancelled{Reason: err.Error()}
		}
		if err != nil {
			return queue.Delayed{Reason: "opening the post: " + err.Error()}
		}
		if m, err = withAttachment(m, fmt.Sprint("n", del.ID), post); err != nil {
			return queue.Delayed{Reason: "rendering: " + err.Error()}
		}
	}
	if del.Notice.Sealed {
		return d.sealNotice(ctx, l, del.Address, m)
	}
	path, err := d.probePath(ctx, l, del)
	if err != nil {
		return queue.Delayed{Reason: err.Error()}
	}
	return queue.Copy{ReversePath: path, Parts: func() ([]relay.Segment, error) { return segment(m.Octets()) }}
}

// sealNotice encrypts service mail to its addressee. Who has no usable
// certificate does not get it (invariant 12).
func (d *Distributor) sealNotice(ctx context.Context, l list.List, to list.Address, m notice.Message) queue.Rendering {
	r := d.Resolver.Resolve(ctx, []string{to.String()}, resolver.Allowances{Expired: l.AllowExpired})[0]
	switch {
	case r.Err != nil:
		return queue.Delayed{Reason: r.Err.Error()}
	case len(r.Certificates) == 0:
		return queue.Withheld{Reason: withheldBecause(r)}
	}
	content, err := entity.Parse(m.Content, entity.DefaultLimits())
	if err != nil {
		return queue.Delayed{Reason: "rendering: " + err.Error()}
	}
	sealer, err := smime.NewSealer(content, cms.AES256CBC)
	if err != nil {
		return queue.Delayed{Reason: err.Error()}
	}
	p := &post{sealer: sealer, cipher: cms.AES256CBC, tails: map[*byte]relay.Segment{}}
	return p.seal("", m.Header, r)
}
