package distribute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// How long people may take.
const (
	challengeFor  = 7 * 24 * time.Hour
	moderationFor = 30 * 24 * time.Hour
)

// maxModeration is how many moderation mails about a list an editor gets within
// an hour; more are told in a daily summary.
const maxModeration = 20

const purposeContent = "moderated content"

// asks are the mails that ask somebody about a post that is held: its sender for
// a request_auth, else those who decide.
func (d *Distributor) asks(ctx context.Context, s Submission, v verdict) ([]store.Notice, error) {
	if v.reason == string(scenario.RequestAuth) {
		return d.challenge(ctx, s, v)
	}
	return d.moderation(ctx, s, v)
}

// challenge asks the one whose address stands in From, and nobody else, whether
// a post is his (invariant 13). Of an encrypted post only a subscriber is asked
// (invariant 11). It quotes nothing of it.
func (d *Distributor) challenge(ctx context.Context, s Submission, v verdict) ([]store.Notice, error) {
	to := v.sender
	h := s.Message.Outer.Header()
	if to.IsZero() || bounced(s.Item) || automatic(h) || listMail(h) || d.ours(to) || machineAddress(to) {
		return nil, nil
	}
	held, err := d.Store.Memberships(ctx, to)
	if err != nil {
		return nil, err
	}
	subscriber := slices.ContainsFunc(held, func(m list.Member) bool { return m.List == s.List.ID })
	if s.Message.Encrypted && !subscriber {
		return nil, nil
	}
	limit := 1
	if len(held) > 0 {
		limit = maxAnswers
	}
	key, err := d.Tokens.Make(ctx, token.Challenge, token.Claim{List: s.List.ID, Sender: to, Operation: "send", Object: s.Item.ID}, challengeFor)
	if err != nil {
		return nil, err
	}
	return []store.Notice{{
		Template: notice.Challenge, List: s.List.ID, To: to,
		Params: map[string]string{"operation": "A message to", "what": "to distribute a message to " + s.List.Address.String(), "key": key,
			"message_id": compose.MessageID(h), "robot": d.robot(s.List), "until": moment(d.Clock().Add(challengeFor))},
		Key: notice.Challenge + "/" + to.Key(), Every: noticeEvery, Limit: limit, Stranger: len(held) == 0,
	}}, nil
}

// moderation asks each of those who decide. What arrived encrypted, or is for a
// list that demands encryption, leaves only sealed to them, with its key
// (invariants 1 and 12).
func (d *Distributor) moderation(ctx context.Context, s Submission, v verdict) ([]store.Notice, error) {
	deciders, err := d.deciders(ctx, s.List, v.reason)
	if err != nil {
		return nil, err
	}
	content, err := d.contentMAC(ctx, s)
	if err != nil {
		return nil, err
	}
	from := "nobody"
	if !v.sender.IsZero() {
		from = v.sender.String()
	}
	var notices []store.Notice
	for _, to := range deciders {
		key, err := d.Tokens.Make(ctx, token.Moderation, token.Claim{List: s.List.ID, Sender: to, Operation: "send", Object: s.Item.ID + " " + content}, moderationFor)
		if err != nil {
			return nil, err
		}
		notices = append(notices, store.Notice{
			Template: notice.Moderate, List: s.List.ID, To: to, Attach: true, Sealed: s.Message.Encrypted || s.List.Policy.DemandsEncryption(),
			Params: map[string]string{"key": key, "from": from, "method": string(v.method), "why": v.reason, "robot": d.robot(s.List), "until": moment(d.Clock().Add(moderationFor))},
			Key:    fmt.Sprintf("%s/%d/%s", notice.Moderate, s.List.ID, to.Key()), Every: time.Hour, Limit: maxModeration,
		})
	}
	return notices, nil
}

// deciders are those who decide on a held post: the editors, or where there are
// none the owners; the owners or listmasters alone where the scenario says so.
func (d *Distributor) deciders(ctx context.Context, l list.List, reason string) ([]list.Address, error) {
	roles := []list.Role{list.RoleEditor, list.RoleOwner}
	switch reason {
	case string(scenario.Owner):
		roles = roles[1:]
	case string(scenario.Listmaster):
		return d.Listmasters, nil
	}
	for _, role := range roles {
		members, err := d.Store.Members(ctx, l.ID, store.MemberFilter{Role: role})
		if err != nil {
			return nil, err
		}
		var all []list.Address
		for _, m := range members {
			all = append(all, m.Address)
		}
		if len(all) > 0 {
			return all, nil
		}
	}
	return d.Listmasters, nil
}

// contentMAC is what a post's content is known by to whoever decides on it.
func (d *Distributor) contentMAC(ctx context.Context, s Submission) (string, error) {
	if !s.Readable() {
		return "", nil
	}
	return d.mac(ctx, purposeContent, s.Message.Payload.Octets())
}

// approved makes a held post a distributed one if somebody approved just this
// content. What opens differently now is held anew. A challenge is not answered
// by an approval.
func (d *Distributor) approved(ctx context.Context, s Submission, v verdict) (verdict, error) {
	if v.state != store.ItemHeld || s.Item.Approved.IsZero() || v.reason == string(scenario.RequestAuth) {
		return v, nil
	}
	content, err := d.contentMAC(ctx, s)
	if err != nil {
		return v, err
	}
	if s.Item.ApprovedMAC != "" && s.Item.ApprovedMAC != content {
		return v, nil
	}
	v.state, v.reason, v.answer = store.ItemDistributing, "", silence
	v.note = "approved by " + s.Item.Approved.String()
	return v, nil
}

// attachment is the post that a notice is about, as those who decide on it read it.
func (d *Distributor) attachment(ctx context.Context, l list.List, id string) ([]byte, error) {
	p, err := d.stored(ctx, l, id)
	if err != nil {
		return nil, err
	}
	return p.Attached()
}

// shown is a post that was distributed, as members read it. compose.ErrIdentity
// if the list hides its authors since.
func (d *Distributor) shown(ctx context.Context, l list.List, id string) ([]byte, error) {
	p, err := d.stored(ctx, l, id)
	if err != nil {
		return nil, err
	}
	return p.Shown()
}

// stored opens a post of the spool.
func (d *Distributor) stored(ctx context.Context, l list.List, id string) (p compose.Post, err error) {
	item, err := d.Store.Item(ctx, id)
	if err != nil {
		return p, err
	}
	outer, err := d.received(ctx, item)
	if err != nil {
		return p, err
	}
	keys, err := d.keys(ctx, l)
	if err != nil {
		return p, err
	}
	o := d.Open
	o.Keys = keys
	m := smime.Open(outer, o)
	if err := keyAway(m); err != nil {
		return p, err
	}
	if m.Err != nil || m.Payload == nil {
		return p, errNotOpened
	}
	return compose.Post{List: l, Message: m, Stamp: compose.Stamp{ID: item.ID, Received: item.Received}}, nil
}

// withAttachment puts a post behind the text of a notice.
func withAttachment(m notice.Message, name string, post []byte) (notice.Message, error) {
	content, err := entity.Parse(compose.Joined(name, m.Content, post), entity.DefaultLimits())
	if err != nil {
		return m, err
	}
	m.Content = content.Octets()
	return m, nil
}

// robot is where commands about a list are sent to.
func (d *Distributor) robot(l list.List) string {
	if d.RobotName == "" {
		return l.Name() + list.RequestSuffix + "@" + l.Address.Domain()
	}
	return d.RobotName + "@" + l.Address.Domain()
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
