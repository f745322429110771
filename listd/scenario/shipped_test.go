package scenario_test

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

// expected are the decisions that Sympa's scenarios of these names make, by
// role. A cell has one decision for every method, or three: smtp|md5|smime. "-"
// in the place of a role means everybody else. The list has an editor.
var expected = []struct {
	scenario string
	roles    map[string]string
}{
	{"send.closed", cells{"-": "reject(send_closed)"}},
	{"send.public", cells{"-": "do_it"}},
	{"send.public_nobcc", cells{"-": "do_it"}},
	{"send.publickey", cells{"-": "request_auth|do_it|do_it"}},
	{"send.publicnoattachment", cells{"-": "do_it"}},
	{"send.publicnomultipart", cells{"-": "do_it"}},
	{"send.private", cells{"subscriber editor owner listmaster": "do_it", "-": "reject(send_subscriber)"}},
	{"send.confidential", cells{"subscriber editor owner listmaster": "do_it", "-": "reject,quiet"}},
	{"send.private_smime", cells{
		"subscriber editor owner listmaster": "reject(send_subscriber_smime)|reject(send_subscriber_smime)|do_it", "-": "reject(send_subscriber_smime)"}},
	{"send.privatekey", cells{"subscriber": "request_auth|do_it|do_it", "-": "reject(send_subscriber)"}},
	{"send.privateorpublickey", cells{"subscriber": "do_it", "-": "request_auth|do_it|do_it"}},
	{"send.privateoreditorkey", cells{"subscriber editor": "do_it", "-": "editorkey"}},
	{"send.privateandeditorkey", cells{"editor": "do_it", "subscriber": "editorkey", "-": "reject(send_subscriber)"}},
	{"send.privatekeyandeditorkeyonly", cells{
		"subscriber": "request_auth|editorkey|editorkey",
		"editor":     "request_auth|reject(send_subscriber)|reject(send_subscriber)", "-": "reject(send_subscriber)"}},
	{"send.privateandnomultipartoreditorkey", cells{"subscriber": "do_it", "-": "editorkey"}},
	{"send.editorkey", cells{"editor": "do_it", "-": "editorkey"}},
	{"send.editorkeyonly", cells{"-": "editorkey"}},
	{"send.editorkeyonlyauth", cells{"editor": "request_auth|editorkey|editorkey", "-": "editorkey"}},
	{"send.newsletter", cells{"editor": "do_it", "-": "reject(send_editor)"}},
	{"send.newsletterkeyonly", cells{"editor": "editorkey|editorkey|do_it", "-": "reject(send_editor)"}},
	{"send.owner", cells{"owner listmaster": "do_it", "-": "reject(send_owner)"}},
	{"send.ownerauth", cells{"owner listmaster": "request_auth|do_it|do_it", "-": "reject(send_owner)"}},

	{"subscribe.open", cells{"-": "do_it"}},
	{"subscribe.open_notify", cells{"-": "do_it,notify"}},
	{"subscribe.open_quiet", cells{"-": "do_it,quiet"}},
	{"subscribe.auth", cells{"subscriber": "do_it", "-": "request_auth([email])|do_it|do_it"}},
	{"subscribe.auth_notify", cells{"subscriber": "do_it", "-": "request_auth([email])|do_it,notify|do_it,notify"}},
	{"subscribe.auth_owner", cells{"subscriber": "do_it", "-": "request_auth([email])|owner|owner"}},
	{"subscribe.owner", cells{"subscriber owner listmaster": "do_it", "-": "owner"}},
	{"subscribe.closed", cells{"-": "reject(subscribe_closed)"}},
	{"subscribe.smime", cells{"subscriber": "do_it", "-": "reject(subscribe_smime)|reject(subscribe_smime)|do_it"}},
	{"subscribe.smimeorowner", cells{"subscriber": "do_it", "-": "owner|owner|do_it"}},

	{"unsubscribe.open", cells{"-": "do_it"}},
	{"unsubscribe.open_notify", cells{"-": "do_it,notify"}},
	{"unsubscribe.auth", cells{"subscriber": "request_auth([email])|do_it|do_it", "-": "do_it"}},
	{"unsubscribe.auth_notify", cells{"subscriber": "request_auth([email])|do_it,notify|do_it,notify", "-": "do_it,notify"}},
	{"unsubscribe.owner", cells{"subscriber": "owner", "-": "do_it"}},
	{"unsubscribe.closed", cells{"-": "reject(unsub_closed)"}},

	{"add.auth", cells{"owner listmaster": "request_auth|do_it|do_it", "-": "reject(add_owner)"}},
	{"add.closed", cells{"-": "reject(tt2=add_closed)"}},
	{"add.owner", cells{"owner listmaster": "do_it", "-": "reject(add_owner)"}},
	{"add.owner_notify", cells{"owner listmaster": "do_it,notify", "-": "reject(add_owner)"}},
	{"del.auth", cells{"owner listmaster": "request_auth|do_it|do_it", "-": "reject(del_owner)"}},
	{"del.closed", cells{"-": "reject(del_closed)"}},
	{"del.owner", cells{"owner listmaster": "do_it", "-": "reject(del_owner)"}},
	{"del.owner_notify", cells{"owner listmaster": "do_it,notify", "-": "reject(del_owner)"}},
	{"invite.closed", cells{"-": "reject(invite_closed)"}},
	{"invite.owner", cells{"owner listmaster": "do_it", "-": "reject(invite_owner)"}},
	{"invite.private", cells{"subscriber editor owner listmaster": "do_it", "-": "reject(invite_subscriber)"}},
	{"invite.public", cells{"-": "do_it"}},
	{"remind.listmaster", cells{"listmaster": "request_auth|do_it|do_it", "-": "reject(remind_listmaster)"}},
	{"remind.owner", cells{"owner listmaster": "request_auth|do_it|do_it", "-": "reject(remind_owner)"}},

	{"review.closed", cells{"-": "reject(review_closed)"}},
	{"review.listmaster", cells{"listmaster": "do_it", "-": "reject(review_listmaster)"}},
	{"review.owner", cells{"owner listmaster": "do_it", "-": "reject(review_owner)"}},
	{"review.private", cells{"subscriber editor owner listmaster": "do_it", "-": "reject(review_subscriber)"}},
	{"review.public", cells{"-": "do_it"}},
	{"info.open", cells{"-": "do_it"}},
	{"info.private", cells{"subscriber editor owner listmaster": "do_it", "-": "reject(info_subscriber)"}},
	{"info.conceal", cells{"subscriber editor owner listmaster": "do_it", "-": "reject"}},
	{"visibility.noconceal", cells{"-": "do_it"}},
	{"visibility.conceal", cells{"subscriber editor owner listmaster": "do_it", "-": "reject"}},
	{"visibility.secret", cells{"editor owner listmaster": "do_it", "-": "reject"}},
}

// withoutEditors is what differs for the owner where the list has no editor:
// the owner is one then.
var withoutEditors = map[string]string{
	"send.privateoreditorkey":         "do_it",
	"send.privateandeditorkey":        "do_it",
	"send.privatekeyandeditorkeyonly": "request_auth|reject(send_subscriber)|reject(send_subscriber)",
	"send.editorkey":                  "do_it",
	"send.editorkeyonlyauth":          "request_auth|editorkey|editorkey",
	"send.newsletter":                 "do_it",
	"send.newsletterkeyonly":          "editorkey|editorkey|do_it",
}

type cells map[string]string

// of finds the cell of a role and method.
func (c cells) of(role string, method int) string {
	cell := c["-"]
	for roles, text := range c {
		for _, r := range strings.Fields(roles) {
			if r == role {
				cell = text
			}
		}
	}
	return pick(cell, method)
}

func pick(cell string, method int) string {
	if parts := strings.Split(cell, "|"); len(parts) == 3 {
		return parts[method]
	}
	return cell
}

// plainPost names the list and has one part.
func plainPost() post {
	return post{fields: map[string][]string{"To": {"Team <team@lists.example.org>"}, "Content-Type": {"text/plain"}}, text: "x"}
}

func TestShippedScenariosDecideAsSympas(t *testing.T) {
	library := scenario.NewLibrary("")
	for _, c := range expected {
		s := load(t, library, c.scenario)
		for _, role := range []string{"", "stranger", "subscriber", "editor", "owner", "listmaster"} {
			for i, m := range scenario.Methods() {
				check := func(state, want string, r scenario.Request, f people) {
					t.Helper()
					r.Message = plainPost()
					if d := s.Evaluate(t.Context(), r, f); shown(d) != want || d.Err != nil {
						t.Errorf("%s, %s by %s, %s: %s (rule %s, %v), want %s", c.scenario, role, m, state, shown(d), d.Rule, d.Err, want)
					}
				}
				want := cells(c.roles).of(role, i)
				check("with an editor", want, from(role, m), somebody())

				alone := somebody()
				alone.noEditors = true
				r, without := from(role, m), want
				if role == "editor" { // is not one then
					without = cells(c.roles).of("stranger", i)
				}
				if other, differs := withoutEditors[c.scenario]; differs && role == "owner" {
					without = pick(other, i)
				}
				check("without editors", without, r, alone)

				r.List.State = list.Closed
				function, _, _ := scenario.SplitName(c.scenario)
				if function == scenario.Send || function == scenario.Visibility {
					check("closed", "reject(list_not_open)", r, somebody())
				} else {
					check("closed", want, r, somebody())
				}

				if function == scenario.Subscribe || function == scenario.Unsubscribe {
					r := from(role, m)
					r.Email = list.MustParseAddress("other@example.org")
					other := "request_auth([email])"
					if strings.HasSuffix(c.scenario, ".closed") {
						other = want
					}
					check("for another", other, r, somebody())
				}
			}
		}
	}
}

// Every file that is built in has its line in the table, and no error.
func TestEveryShippedScenarioIsExpected(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range expected {
		listed[c.scenario] = true
	}
	n := 0
	for _, f := range scenario.Functions() {
		entries, err := scenario.NewLibrary("").Names(f, list.Address{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			full := string(f) + "." + e.Name
			s := load(t, scenario.NewLibrary(""), full)
			if n++; !listed[full] {
				t.Errorf("%s is not in the table", full)
			}
			if e.Origin != scenario.BuiltIn || s.Title("en") == e.Name {
				t.Errorf("%s: origin %q, title %q", full, e.Origin, s.Title("en"))
			}
			for _, p := range s.Check() {
				// Sympa's rule about X-Sender is kept, with a warning.
				if full != "send.editorkey" || !strings.Contains(p.Text, "X-Sender") && !strings.Contains(p.Text, "x-sender") {
					t.Errorf("%v", p)
				}
			}
		}
	}
	if n != len(expected) {
		t.Errorf("%d are built in, and %d expected", n, len(expected))
	}
}

// The rules of shipped scenarios that look at the message.
func TestShippedScenariosAboutMessages(t *testing.T) {
	for _, c := range []struct {
		scenario, sender, want string
		fields                 map[string][]string
	}{
		{"send.public_nobcc", "stranger", "reject", map[string][]string{"To": {"other@example.org"}}},
		{"send.public_nobcc", "stranger", "do_it", map[string][]string{"Cc": {"other@example.org, TEAM@lists.example.org"}}},
		{"send.public_nobcc", "stranger", "reject", map[string][]string{"To": {"not-team@lists.example.org"}}},
		{"send.public_nobcc", "stranger", "reject", nil},
		{"send.publicnoattachment", "stranger", "editorkey", map[string][]string{"Content-Type": {"multipart/mixed; boundary=x"}}},
		{"send.publicnoattachment", "stranger", "editorkey", map[string][]string{"Content-Type": {"multipart/signed", "multipart/mixed"}}},
		{"send.publicnoattachment", "stranger", "editorkey", map[string][]string{"Content-Disposition": {"attachment; filename=x"}}},
		{"send.publicnoattachment", "stranger", "do_it", map[string][]string{"Content-Type": {"multipart/alternative; boundary=x"}}},
		{"send.publicnomultipart", "owner", "reject(send_multipart)", map[string][]string{"Content-Type": {"Multipart/Alternative"}}},
		{"send.privateandnomultipartoreditorkey", "subscriber", "editorkey", map[string][]string{"Content-Type": {"multipart/signed", "text/plain"}}},
		{"send.editorkey", "stranger", "do_it", map[string][]string{"X-Sender": {"editor@example.org"}}},
		{"send.editorkey", "stranger", "editorkey", map[string][]string{"X-Sender": {"editor@example.org", "stranger@example.org"}}},
	} {
		for _, m := range scenario.Methods() {
			r := from(c.sender, m)
			r.Message = post{fields: c.fields}
			if d := load(t, scenario.NewLibrary(""), c.scenario).Evaluate(t.Context(), r, somebody()); shown(d) != c.want {
				t.Errorf("%s, %s by %s, %v: %s, want %s", c.scenario, c.sender, m, c.fields, shown(d), c.want)
			}
		}
	}
}
