package distribute

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// Trial is what would become of a message, had it been posted.
type Trial struct {
	List          list.Address  `json:"list"`
	Encrypted     bool          `json:"encrypted"` // it arrived so
	Authenticated bool          `json:"authenticated"`
	Author        list.Address  `json:"author,omitzero"` // or who it says wrote it
	Signature     trust.Reason  `json:"signature,omitempty"`
	Method        string        `json:"method"`
	Rule          string        `json:"rule,omitempty"` // of the scenario
	State         string        `json:"state"`          // distributing, held, rejected, done
	Reason        string        `json:"reason,omitempty"`
	Detail        string        `json:"detail,omitempty"`
	Answer        string        `json:"answer,omitempty"` // template of the mail that the sender gets, if he may get one
	Sealed        bool          `json:"sealed"`           // copies leave encrypted
	Members       int           `json:"members"`          // who would be asked for
	Reached       int           `json:"reached"`
	Left          int           `json:"left"` // do not want it: nomail, suspended
	Unreached     []Unreachable `json:"unreached"`
}

// Unreachable is a member who would get no copy, or not now.
type Unreachable struct {
	Address list.Address `json:"address"`
	Delayed bool         `json:"delayed"` // it would wait: somebody cannot be asked
	Reason  string       `json:"reason"`
}

// errUnreadable says that a message is none.
var errUnreadable = errors.New("this is no message")

// Try goes with a message through every stage of a post's life and sends and
// stores nothing of it. reversePath is that of the envelope. It does not look
// whether the message came before as a duplicate of what it is itself.
func (d *Distributor) Try(ctx context.Context, l list.List, reversePath string, octets []byte) (Trial, error) {
	if !bytes.Contains(octets, []byte("\r\n")) {
		octets = entity.Canonical(octets) // a file of this machine
	}
	outer, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return Trial{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	item := store.Item{List: l.ID, Kind: store.KindPost, ForwardPath: l.Address, ReversePath: reversePath, Received: d.Clock(), Size: int64(len(octets))}
	s, v, err := d.judge(ctx, item, l, outer)
	if err != nil {
		return Trial{}, err
	}
	t := Trial{
		List: l.Address, Encrypted: s.Message.Encrypted, Authenticated: s.Author.Authenticated, Author: v.sender, Signature: v.signature,
		Method: string(v.method), Rule: v.rule, State: string(v.state), Reason: v.reason, Detail: v.detail(),
		Sealed: s.Message.Encrypted || l.Policy.Encryption == list.EncryptAlways, Unreached: []Unreachable{},
	}
	if n, ok := d.answerTo(ctx, s, v); ok {
		t.Answer = n.Template
	}
	if v.accepted() {
		err = d.tryMembers(ctx, l, v.sender, &t)
	}
	return t, err
}

// tryMembers resolves everybody who would get a copy.
func (d *Distributor) tryMembers(ctx context.Context, l list.List, author list.Address, t *Trial) error {
	filter := store.MemberFilter{Role: list.RoleMember, Limit: 500}
	for {
		members, err := d.Store.Members(ctx, l.ID, filter)
		if err != nil {
			return err
		}
		var wanting []string
		for _, m := range members {
			t.Members++
			switch {
			case m.Suspended || m.Reception == list.ReceiveNoMail || m.Reception == list.ReceiveNotMe && m.Address.Same(author):
				t.Left++
			case !t.Sealed || m.Reception == list.ReceiveNotice:
				t.Reached++
			default:
				wanting = append(wanting, m.Address.String())
			}
		}
		for i, r := range d.Resolver.Resolve(ctx, wanting, resolver.Allowances{Expired: l.AllowExpired}) {
			switch address := list.MustParseAddress(wanting[i]); {
			case r.Err != nil:
				t.Unreached = append(t.Unreached, Unreachable{address, true, r.Err.Error()})
			case len(r.Certificates) == 0:
				t.Unreached = append(t.Unreached, Unreachable{address, false, withheldBecause(r)})
			default:
				t.Reached++
			}
		}
		if len(members) < filter.Limit {
			return nil
		}
		filter.After = members[len(members)-1]
	}
}
