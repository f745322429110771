package scenario_test

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/scenario"
)

// What goes wrong with Sympa's scenarios, each by what users reported or its
// source shows, and what happens here.

// Sympa's issues 775, 803 and 836: a rule that lacks a method rejects without a word.
func TestDefectMissingMethodIsAnUnexplainedReject(t *testing.T) {
	s := written(t, "is_subscriber([listname],[sender]) smtp,md5 -> do_it\n")
	d := s.Evaluate(t.Context(), from("subscriber", scenario.SMIME), somebody())
	if shown(d) != "reject(no_rule)" {
		t.Errorf("decided %s", shown(d))
	}
	if p := s.Check(); len(p) != 1 || !strings.Contains(p[0].Text, "no rule covers the method smime") {
		t.Errorf("checked %v", p)
	}
}

// Includes within includes are left out, which makes the scenario useless.
func TestDefectIncludesGoOneLevelDeep(t *testing.T) {
	l := scenario.NewLibrary(folder(t, map[string]string{"scenari/send.x": "include a", "scenari/include.a": "include b", "scenari/include.b": doIt}))
	if d := load(t, l, "send.x").Evaluate(t.Context(), from("stranger", scenario.SMTP), somebody()); d.Action != scenario.DoIt {
		t.Errorf("decided %s", shown(d))
	}
}

// Changes of headers and includes need a restart: see TestChangesArePickedUp.

// The second argument of search counts for nothing.
func TestDefectSearchIgnoresItsArgument(t *testing.T) {
	var asked []scenario.Query
	f := somebody()
	f.asked = &asked
	l := scenario.NewLibrary(folder(t, map[string]string{"scenari/review.x": "search(staff.txt,'someone@example.org') smtp -> do_it"}))
	load(t, l, "review.x").Evaluate(t.Context(), from("stranger", scenario.SMTP), f)
	if len(asked) != 1 || asked[0].Value != "someone@example.org" {
		t.Errorf("asked %+v", asked)
	}
}

// A variable nobody knows is empty, so that its negation holds.
func TestDefectUnknownVariablesAreEmpty(t *testing.T) {
	s := written(t, "!equal([sneder],'mallory@example.org') smtp -> do_it")
	if d := s.Evaluate(t.Context(), from("stranger", scenario.SMTP), somebody()); shown(d) != "reject(broken)" {
		t.Errorf("decided %s", shown(d))
	}
}

// A list nobody knows has no members, so that the negation holds.
func TestDefectUnknownListsAreEmpty(t *testing.T) {
	s := written(t, "!is_subscriber(banned,[sender]) smtp -> do_it")
	if d := s.Evaluate(t.Context(), from("stranger", scenario.SMTP), somebody()); shown(d) != "reject(error)" || d.Outage() != nil {
		t.Errorf("decided %+v", d)
	}
}

// A date nobody can read is now.
func TestDefectUnreadableDatesAreNow(t *testing.T) {
	s := written(t, "older([header->X-Date],[current_date]) smtp -> do_it")
	r := from("stranger", scenario.SMTP)
	r.Message = post{fields: map[string][]string{"X-Date": {"next year"}}}
	if d := s.Evaluate(t.Context(), r, somebody()); shown(d) != "reject(error)" {
		t.Errorf("decided %s", shown(d))
	}
}

// The list's name within another address counts as the list: is_bcc compares
// whole addresses.
func TestDefectBccBySubstring(t *testing.T) {
	r := from("stranger", scenario.SMTP)
	r.Message = post{fields: map[string][]string{"To": {"steam@elsewhere.example"}}}
	if d := load(t, scenario.NewLibrary(""), "send.public_nobcc").Evaluate(t.Context(), r, somebody()); d.Action != scenario.Reject {
		t.Errorf("decided %s", shown(d))
	}
}

// The header of a message moves its author: [sender] is the one author, whatever fields a message
// has, signed or not. Which fields a signature covers is Message's to say.
func TestDefectSenderIsNotWhatTheHeaderSays(t *testing.T) {
	r := from("stranger", scenario.SMIME)
	r.Message = post{fields: map[string][]string{"From": {"owner@example.org"}, "Sender": {"owner@example.org"}, "Subject": {"subscribe"}}}
	if d := load(t, scenario.NewLibrary(""), "send.private_smime").Evaluate(t.Context(), r, somebody()); d.Action != scenario.Reject {
		t.Errorf("decided %s", shown(d))
	}
}
