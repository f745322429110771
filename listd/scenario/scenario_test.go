package scenario_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

// roles answers HasRole from a table, or with an error.
type roles struct {
	held map[string]list.Role
	err  error
}

func (r roles) HasRole(_ context.Context, _ list.ID, a list.Address, role list.Role) (bool, error) {
	return r.held[a.String()] == role, r.err
}

func TestBuiltInSend(t *testing.T) {
	people := roles{held: map[string]list.Role{
		"member@example.org": list.RoleMember, "editor@example.org": list.RoleEditor, "owner@example.org": list.RoleOwner,
	}}
	for _, c := range []struct {
		scenario, sender string
		method           scenario.Method
		action           scenario.Action
		rule             string
	}{
		{"private_smime", "member@example.org", scenario.SMIME, scenario.DoIt, "send.private_smime:1"},
		{"private_smime", "editor@example.org", scenario.SMIME, scenario.DoIt, "send.private_smime:2"},
		{"private_smime", "owner@example.org", scenario.SMIME, scenario.DoIt, "send.private_smime:3"},
		{"private_smime", "other@example.org", scenario.SMIME, scenario.Reject, ""},
		{"private_smime", "member@example.org", scenario.SMTP, scenario.Reject, ""},
		{"private_smime", "member@example.org", scenario.MD5, scenario.Reject, ""},
		{"private_smime", "", scenario.SMIME, scenario.Reject, ""},
		{"public", "other@example.org", scenario.SMTP, scenario.DoIt, "send.public:1"},
		{"public", "", scenario.SMTP, scenario.DoIt, "send.public:1"},
		{"public", "member@example.org", scenario.SMIME, scenario.DoIt, "send.public:1"},
	} {
		s, err := scenario.Send(c.scenario)
		if err != nil {
			t.Fatal(err)
		}
		r := scenario.Request{Method: c.method}
		if c.sender != "" {
			if r.Sender, err = list.ParseAddress(c.sender); err != nil {
				t.Fatal(err)
			}
		}
		d := s.Evaluate(context.Background(), r, people)
		if d.Action != c.action || d.Rule != c.rule {
			t.Errorf("%s, %s by %s: %s by rule %q, want %s by %q", c.scenario, c.sender, c.method, d.Action, d.Rule, c.action, c.rule)
		}
	}
}

func TestErrorRejects(t *testing.T) {
	broken := errors.New("database gone")
	s, err := scenario.Send(scenario.PrivateSMIME)
	if err != nil {
		t.Fatal(err)
	}
	sender, err := list.ParseAddress("member@example.org")
	if err != nil {
		t.Fatal(err)
	}
	d := s.Evaluate(context.Background(), scenario.Request{Sender: sender, Method: scenario.SMIME}, roles{err: broken})
	if d.Action != scenario.Reject || d.Reason != scenario.ReasonError || !errors.Is(d.Err, broken) {
		t.Errorf("an error decided %+v, want a rejection that carries it", d)
	}
}

func TestUnknownScenario(t *testing.T) {
	if _, err := scenario.Send("privat_smime"); !errors.Is(err, scenario.ErrUnknown) {
		t.Errorf("err = %v, want ErrUnknown", err)
	}
}
