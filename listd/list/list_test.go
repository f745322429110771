package list_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
)

func TestCheckListAddress(t *testing.T) {
	for _, good := range []string{"news@lists.example.org", "a@x", "team-7.b_c+d@x.org", strings.Repeat("n", 50) + "@x.org"} {
		if err := list.CheckListAddress(list.MustParseAddress(good)); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"postmaster@x.org", "News@x.org", "news-owner@x.org", "news-request@x.org", "news-unsubscribe@x.org", "-news@x.org", "neüs@x.org",
		"news@büro.org", "ne/ws@x.org", "ne%ws@x.org", "ne=ws@x.org", strings.Repeat("n", 51) + "@x.org",
		strings.Repeat("n", 45) + "@" + strings.Repeat("x.", 100) + "org",
	} {
		if err := list.CheckListAddress(list.MustParseAddress(bad)); !errors.Is(err, list.ErrListAddress) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := list.CheckListAddress(list.Address{}); !errors.Is(err, list.ErrListAddress) {
		t.Error(err)
	}
}

func TestOwner(t *testing.T) {
	l := list.List{Address: list.MustParseAddress(strings.Repeat("n", 50) + "@x.org")}
	if got, want := l.Owner().String(), strings.Repeat("n", 50)+"-owner@x.org"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWords(t *testing.T) {
	for _, s := range []string{"", "member", "owner", "editor"} {
		if _, err := list.ParseRole(s); err != nil {
			t.Error(err)
		}
	}
	if _, err := list.ParseRole("subscriber"); err == nil {
		t.Error("an unknown role was taken")
	}
	for _, s := range []string{"", "open", "closed"} {
		if _, err := list.ParseState(s); err != nil {
			t.Error(err)
		}
	}
	if _, err := list.ParseState("Open"); err == nil {
		t.Error("an unknown state was taken")
	}
}

func TestJSON(t *testing.T) {
	m := list.Member{List: 7, Address: list.MustParseAddress("Anna@x.org"), Role: list.RoleOwner, Added: time.Unix(0, 0).UTC()}
	text, err := json.Marshal(m)
	if want := `{"list":7,"address":"Anna@x.org","role":"owner","added":"1970-01-01T00:00:00Z"}`; err != nil || string(text) != want {
		t.Fatalf("%s, %v", text, err)
	}
	var back list.Member
	if err := json.Unmarshal(text, &back); err != nil || back != m {
		t.Fatalf("%+v, %v", back, err)
	}
}
