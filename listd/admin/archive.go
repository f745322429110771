package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// Bounds of what an archive answers.
const (
	shownArchive = 500 // posts that INDEX names, the newest
	maxFetched   = 50  // posts of an archive that a person is sent in a day
	maxUnproven  = 5   // likewise, where it is not proven that it was he who asked
)

// archive returns a list's archive, newest first, to whom belongs to the list.
func (a *Admin) archive(ctx context.Context, r Requester, l list.List) ([]store.Item, error) {
	if l.Policy.ArchiveFor == 0 {
		return nil, refused("", "%s keeps no archive", l.Address)
	}
	held, err := a.Store.MemberOf(ctx, l.ID, append([]list.Address{r.Address}, r.Known...))
	if err != nil {
		return nil, Explain(err)
	}
	if len(held) == 0 {
		return nil, errRules(l, "see its archive")
	}
	items, err := a.Store.Archived(ctx, l.ID, shownArchive)
	if err != nil {
		return nil, Explain(err)
	}
	return items, nil
}

// ArchiveIndex names the posts of a list's archive.
func (a *Admin) ArchiveIndex(ctx context.Context, r Requester, l list.List) (Done, error) {
	items, err := a.archive(ctx, r, l)
	if err != nil {
		return Done{}, err
	}
	done := Done{Text: fmt.Sprintf("%d messages of %s are kept:", len(items), l.Address), Secret: l.Policy.DemandsEncryption()}
	for _, i := range items {
		line := i.ID + ", " + i.Received.UTC().Format("2006-01-02 15:04 UTC")
		if !i.Author.IsZero() && l.Policy.AnonymousSender.IsZero() {
			line += ", " + i.Author.String()
		}
		done.Lines = append(done.Lines, line)
	}
	return done, nil
}

// ArchiveGet sends posts of a list's archive to whoever asks: one by its name,
// those of a month (2026-11), or the last, for "last". What came encrypted leaves
// sealed to him, or not at all.
func (a *Admin) ArchiveGet(ctx context.Context, r Requester, l list.List, what string) (Done, error) {
	items, err := a.archive(ctx, r, l)
	if err != nil {
		return Done{}, err
	}
	if what == "last" {
		items = items[:min(1, len(items))]
	} else {
		items = slices.DeleteFunc(items, func(i store.Item) bool {
			return i.ID != what && i.Received.UTC().Format("2006-01") != what
		})
	}
	if len(items) == 0 {
		return Done{}, refused("INDEX names those there are", "%s keeps no message %s", l.Address, Printable(what))
	}
	sent, limit := 0, maxFetched
	if r.Method == scenario.SMTP {
		limit = maxUnproven
	}
	for _, i := range slices.Backward(items) {
		n, err := a.Store.QueueNoticesAbout(ctx, i.ID, []store.Notice{{
			Template: notice.ArchivedPost, List: l.ID, To: r.Address, Attach: true, Sealed: i.Encrypted || l.Policy.DemandsEncryption() || l.Policy.Encryption == list.EncryptAlways,
			Params: map[string]string{"id": i.ID, "received": i.Received.UTC().Format("2006-01-02 15:04 UTC"), "message_id": ""},
			Key:    notice.ArchivedPost + "/" + r.Address.Key(), Every: day, Limit: limit,
		}})
		if err != nil {
			return Done{}, Explain(err)
		}
		sent += n
	}
	if sent < len(items) {
		return Done{Text: fmt.Sprintf("%d of %d messages are sent; more tomorrow.", sent, len(items))}, nil
	}
	return Done{Text: fmt.Sprintf("%d messages are sent.", sent)}, nil
}
