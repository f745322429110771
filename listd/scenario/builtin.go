package scenario

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealist/sealist/listd/list"
)

// Names of the built-in send scenarios, as a list's settings hold them.
const (
	PrivateSMIME = "private_smime" // members, editors and owners who signed
	Public       = "public"        // anybody
)

// ErrUnknown is returned for a scenario name that does not exist.
var ErrUnknown = errors.New("scenario: unknown name")

// Names lists the send scenarios that exist.
func Names() []string { return []string{PrivateSMIME, Public} }

// Send returns the send scenario of that name, or ErrUnknown.
func Send(name string) (Scenario, error) {
	switch name {
	case PrivateSMIME:
		return Scenario{
			name:  "send.private_smime",
			title: "restricted to subscribers, S/MIME signature checked",
			rules: []rule{
				{hasRole(list.RoleMember), []Method{SMIME}, DoIt},
				{hasRole(list.RoleEditor), []Method{SMIME}, DoIt},
				{hasRole(list.RoleOwner), []Method{SMIME}, DoIt},
			},
		}, nil
	case Public:
		return Scenario{
			name:  "send.public",
			title: "open to everybody",
			rules: []rule{{always, []Method{SMTP, MD5, SMIME}, DoIt}},
		}, nil
	}
	return Scenario{}, fmt.Errorf("send.%s: %w", name, ErrUnknown)
}

// always is Sympa's true().
func always(context.Context, Request, Facts) (bool, error) { return true, nil }

// hasRole is Sympa's is_subscriber, is_editor or is_owner of [sender].
func hasRole(role list.Role) condition {
	return func(ctx context.Context, r Request, f Facts) (bool, error) {
		if r.Sender.IsZero() {
			return false, nil
		}
		return f.HasRole(ctx, r.List.ID, r.Sender, role)
	}
}
