package distribute

import (
	"context"

	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// harvest adds to a decision what the message teaches about its author's
// certificates, and tells him of those that are new (invariant 7).
func (d *Distributor) harvest(ctx context.Context, s Submission, decided *store.Decided) error {
	if d.Harvest == nil {
		return nil
	}
	author, err := list.ParseAddress(s.Author.Author)
	if err != nil {
		return nil // an address that this server cannot write to has no use for a certificate
	}
	learnt, err := d.Harvest.Learn(ctx, harvest.Mail{
		Message: s.Message, Author: s.Author, Received: s.Item.Received,
		MessageID: oneLine(compose.MessageID(s.Message.Outer.Header())),
	}, d.Judge)
	if err != nil {
		return err
	}
	for _, l := range learnt {
		decided.Harvest = append(decided.Harvest, store.Certificate{
			Address: author, DER: l.Certificate, Chain: l.Chain, Source: l.Source, MessageID: l.MessageID,
			Signer: l.Signer, Capabilities: l.Capabilities, CapabilitiesAt: l.CapabilitiesAt, Seen: l.Seen,
		})
		if l.New && !d.ours(author) {
			decided.Notices = append(decided.Notices, certificateAdded(s.List, author, l))
		}
	}
	return nil
}

// certificateAdded tells a person of a certificate that will be used for him.
func certificateAdded(l list.List, to list.Address, learnt harvest.Learnt) store.Notice {
	cert := learnt.Parsed
	fingerprint := trust.Fingerprint(cert)
	return store.Notice{
		Template: notice.CertificateAdded, List: l.ID, To: to,
		Params: map[string]string{
			"subject":     cert.Subject.String(),
			"issuer":      cert.Issuer.String(),
			"expires":     cert.NotAfter.UTC().Format("2006-01-02"),
			"fingerprint": fingerprint,
		},
		Key: notice.CertificateAdded + "/" + to.Key() + "/" + fingerprint, Every: noticeEvery,
	}
}
