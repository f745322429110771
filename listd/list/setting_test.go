package list_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
)

// Every setting takes what it shows, and nothing that could leave its line.
func TestSettings(t *testing.T) {
	l := list.List{Send: list.DefaultSend, State: list.Open, Policy: list.DefaultPolicy()}
	names := map[string]bool{}
	for _, s := range list.Settings() {
		if names[s.Name] || s.Help == "" {
			t.Errorf("%s: twice, or without help", s.Name)
		}
		names[s.Name] = true
		before := l
		if err := l.Set(s.Name, s.Get(l)); err != nil || s.Get(l) != s.Get(before) {
			t.Errorf("%s=%s: %v, became %s", s.Name, s.Get(before), err, s.Get(l))
		}
		for _, bad := range []string{"a\rb", "\x00", "x\x1bz", "\xff", "\u0085"} {
			if err := l.Set(s.Name, bad); !errors.Is(err, list.ErrSetting) {
				t.Errorf("%s=%q: %v", s.Name, bad, err)
			}
		}
		if err := l.Set(s.Name, "a\nb: c"); err == nil && s.Name != "header" && s.Name != "footer" {
			t.Errorf("%s took two lines", s.Name)
		}
	}
	if err := l.Set("encrypton", "always"); !errors.Is(err, list.ErrSetting) {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestSettingValues(t *testing.T) {
	for _, c := range []struct{ name, value, shown string }{ // shown "": refused
		{"encryption", "always", "always"}, {"encryption", "Always", ""}, {"encryption", "", ""},
		{"withheld_for", "36h", "1d12h"}, {"withheld_for", "7", ""}, {"withheld_for", "-1h", ""},
		{"reply_to", "list", "list"}, {"reply_to", "help@example.org", "help@example.org"}, {"reply_to", "help", ""},
		{"reply_to", "a@example.org, b@example.org", ""},
		{"remove_headers", " X-Mailer ,,User-Agent", "X-Mailer,User-Agent"}, {"remove_headers", "X:Y", ""}, {"remove_headers", "X\r\nY", ""},
		{"anonymous_sender", "x", ""}, {"mail_list_agent", "carry", "carry"}, {"mail_list_agent", "off", "off"}, {"mail_list_agent", "no", ""},
		{"allow_expired", "yes", "yes"}, {"allow_expired", "maybe", ""}, {"state", "closed", "closed"}, {"state", "", ""},
		{"lang", "de", "de"}, {"lang", "DE", ""}, {"lang", "es", ""},
		{"footer", "a\r\nb", "a\nb"}, {"footer", strings.Repeat("x", 17000), ""}, {"subject_tag", strings.Repeat("x", 500), ""},
	} {
		l := list.List{Policy: list.DefaultPolicy()}
		err := l.Set(c.name, c.value)
		var shown string
		for _, s := range list.Settings() {
			if s.Name == c.name && err == nil {
				shown = s.Get(l)
			}
		}
		if shown != c.shown {
			t.Errorf("%s=%q became %q, %v", c.name, c.value, shown, err)
		}
	}
}

func TestPolicyRoundTrip(t *testing.T) {
	l := list.List{Policy: list.DefaultPolicy()}
	for _, c := range [][2]string{{"encryption", "required"}, {"reply_to", "help@example.org"}, {"anonymous_sender", "nobody@example.org"},
		{"remove_headers", "X-A,X-B"}, {"footer", "one\ntwo\t\"three\""}, {"withheld_for", "3d"}, {"reply_to_forced", "yes"}} {
		if err := l.Set(c[0], c[1]); err != nil {
			t.Fatal(err)
		}
	}
	octets, err := json.Marshal(l.Policy)
	if err != nil {
		t.Fatal(err)
	}
	var again list.Policy
	if err := json.Unmarshal(octets, &again); err != nil || !reflect.DeepEqual(again, l.Policy) {
		t.Errorf("%+v, %v", again, err)
	}
	if err := json.Unmarshal([]byte(`{}`), &again); err != nil || !reflect.DeepEqual(again, list.DefaultPolicy()) {
		t.Errorf("%+v, %v", again, err)
	}
	if err := json.Unmarshal([]byte(`{"encrypton":"always"}`), &again); !errors.Is(err, list.ErrSetting) {
		t.Errorf("an unknown name: %v", err)
	}
}
