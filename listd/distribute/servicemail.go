package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	if del.List != 0 {
		var err error
		l, err = d.Store.ListByID(ctx, del.List)
		if errors.Is(err, store.ErrNotFound) {
			return queue.Cancelled{Reason: "the list is gone"}
		}
		if err != nil {
			return queue.Delayed{Reason: err.Error()}
		}
	}
	path, err := d.probePath(ctx, l, del)
	if err != nil {
		return queue.Delayed{Reason: err.Error()}
	}
	about, err := d.aboutEncrypted(ctx, del)
	if err != nil {
		return queue.Delayed{Reason: err.Error()}
	}
	return d.serviceMail(ctx, l, del, *del.Notice, about, path)
}

// serviceMail writes one, signs it, and seals it if it must be, or if it is about an encrypted post and can be.
func (d *Distributor) serviceMail(ctx context.Context, l list.List, del store.Delivery, nt store.Notice, aboutEncrypted bool, reversePath string) queue.Rendering {
	to, stop := d.sealedTo(ctx, l, del, nt, aboutEncrypted)
	if stop != nil {
		return stop
	}
	sign, err := d.signing(ctx, l, del, nt.Template)
	var r queue.Rendering
	if err == nil {
		r, err = d.protected(ctx, l, del, nt, sign, to, reversePath)
	}
	if err != nil && d.unsigned(ctx, del, err) {
		r, err = d.protected(ctx, l, del, nt, signing{}, to, reversePath)
	}
	if err != nil {
		return queue.Delayed{Reason: err.Error()}
	}
	return r
}

// protected makes a service mail, signed and sealed as it is said; no certificates: it leaves in clear.
func (d *Distributor) protected(ctx context.Context, l list.List, del store.Delivery, nt store.Notice, sign signing, to resolver.Result, reversePath string) (queue.Rendering, error) {
	m, stop := d.written(ctx, l, del, nt, sign)
	if stop != nil {
		return stop, nil
	}
	sealed := len(to.Certificates) > 0
	if !sealed && sign.options == nil {
		return queue.Copy{ReversePath: reversePath, Parts: func() ([]relay.Segment, error) { return segment(m.Octets()) }}, nil
	}
	content, err := m.Payload(sealed)
	if err != nil {
		return nil, fmt.Errorf("rendering: %w", err)
	}
	if sign.options != nil {
		if content, err = smime.SignWhole(content, *sign.options); err != nil {
			return nil, &signingError{sign.address, err}
		}
	}
	if !sealed {
		return queue.Copy{ReversePath: reversePath, Parts: func() ([]relay.Segment, error) { return segment(slices.Concat(m.Header(), content.Octets())) }}, nil
	}
	return sealNotice(m, content, to, reversePath)
}

// written makes the message, with the post that it is about.
func (d *Distributor) written(ctx context.Context, l list.List, del store.Delivery, nt store.Notice, sign signing) (notice.Message, queue.Rendering) {
	domain := del.Address.Domain()
	if !l.Address.IsZero() {
		domain = l.Address.Domain()
	}
	m, err := d.Notices.Render(l, nt, notice.Stamp{
		MessageID: fmt.Sprintf("<notice-%d-%d@%s>", del.ID, del.Created.UnixMicro(), domain), Date: sign.date(del.Created), Signer: sign.address,
	})
	if err != nil {
		return m, queue.Delayed{Reason: "rendering: " + err.Error()}
	}
	if named := nt.Params[notice.Certificates]; named != "" {
		if m, err = d.withCertificates(ctx, m, fmt.Sprint("c", del.ID), strings.Fields(named)); err != nil {
			return m, queue.Delayed{Reason: "attaching a certificate: " + err.Error()}
		}
	}
	if !nt.Attach {
		return m, nil
	}
	open := d.attachment
	if nt.Template == notice.ArchivedPost {
		open = d.shown
	}
	post, err := open(ctx, l, del.Item)
	if errors.Is(err, compose.ErrIdentity) {
		return m, queue.Cancelled{Reason: err.Error()}
	}
	if err != nil {
		return m, queue.Delayed{Reason: "opening the post: " + err.Error()}
	}
	if m, err = withAttachment(m, fmt.Sprint("n", del.ID), post); err != nil {
		return m, queue.Delayed{Reason: "rendering: " + err.Error()}
	}
	return m, nil
}

// aboutEncrypted tells whether a notice is about a post that came encrypted. What is answered with the words for all that
// can go wrong counts as one, whatever it was: nobody learns from the form of an answer (invariant 3). What tells somebody
// about his certificates does not count: he has none, or the one that it would be sealed to may not be his.
func (d *Distributor) aboutEncrypted(ctx context.Context, del store.Delivery) (bool, error) {
	switch {
	case del.Notice.Template == notice.NotAccepted:
		return true, nil
	case del.Item == "" || del.Notice.Template == notice.CertificateAdded || del.Notice.Template == notice.NoCertificate:
		return false, nil
	}
	item, err := d.Store.Item(ctx, del.Item)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return item.Encrypted, err
}

// sealPatience is how long a notice that may leave in clear waits for a source of certificates that cannot be asked.
const sealPatience = time.Hour

// sealedTo finds the certificates that a notice is sealed to; none: it leaves in clear. Who has no usable certificate does
// not get what must be sealed (invariant 12).
func (d *Distributor) sealedTo(ctx context.Context, l list.List, del store.Delivery, nt store.Notice, aboutEncrypted bool) (resolver.Result, queue.Rendering) {
	if !nt.Sealed && !aboutEncrypted {
		return resolver.Result{}, nil
	}
	r := d.Resolver.Resolve(ctx, []string{del.Address.String()}, resolver.Allowances{Expired: l.AllowExpired})[0]
	switch {
	case r.Err != nil && (nt.Sealed || d.Clock().Sub(del.Created) < sealPatience):
		return r, queue.Delayed{Reason: r.Err.Error()}
	case r.Err != nil:
		return resolver.Result{}, nil
	case len(r.Certificates) == 0 && nt.Sealed:
		return r, queue.Withheld{Reason: withheldBecause(r)}
	}
	return r, nil
}

// sealNotice encrypts service mail to its addressee.
func sealNotice(m notice.Message, content *entity.Entity, to resolver.Result, reversePath string) (queue.Rendering, error) {
	header, err := m.SealedHeader()
	if err != nil {
		return nil, fmt.Errorf("rendering: %w", err)
	}
	sealer, err := smime.NewSealer(content, cms.AES256CBC)
	if err != nil {
		return nil, err
	}
	p := &post{sealer: sealer, cipher: cms.AES256CBC, tails: map[*byte]relay.Segment{}}
	return p.seal(reversePath, header, to), nil
}
