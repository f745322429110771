package compose_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/entity"
)

var (
	team  = list.List{ID: 1, Address: list.MustParseAddress("team@lists.example.org")}
	stamp = compose.Stamp{ID: "abc", Received: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
)

func parse(t *testing.T, octets string) *entity.Entity {
	t.Helper()
	e, err := entity.Parse([]byte(octets), entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const post = "Return-Path: <alice@example.org>\r\n" +
	"Received: from a by b; Mon, 4 May 2026 03:02:00 +0000\r\n" +
	"List-Id: Other <other.example.net>\r\nList-Unsubscribe: <mailto:x@example.net>\r\n" +
	"From: Alice <alice@example.org>\r\nSender: bob@example.org\r\nTo: team@lists.example.org\r\nReply-To: mallory@example.net\r\n" +
	"Date: Mon, 4 May 2026 03:02:00 +0000\r\nMessage-ID: <1@example.org>\r\n" +
	"Subject: A subject that\r\n  is folded\r\nX-Secret: 42\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n8bit \xe9 and  spaces  \r\n--b\r\n--b--\r\nepilogue"

func TestSealedHeaderIsAnAllowList(t *testing.T) {
	octets, err := compose.SealedHeader(team, parse(t, post).Header(), stamp)
	if err != nil {
		t.Fatal(err)
	}
	h := parse(t, string(octets)+"\r\n").Header()
	var names []string
	for _, f := range h {
		names = append(names, f.Name)
	}
	want := "List-Id Sender Precedence From To Date Message-ID Subject"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields %q, want %q", got, want)
	}
	if got := h.Get("List-Id"); got != "<team.lists.example.org>" {
		t.Errorf("List-Id %q", got)
	}
	if got := h.Get("Sender"); got != "<team-owner@lists.example.org>" {
		t.Errorf("Sender %q", got)
	}
	if !bytes.Contains(octets, []byte("Subject: A subject that\r\n  is folded\r\n")) {
		t.Error("the Subject was folded anew")
	}
}

func TestClearKeepsTheBody(t *testing.T) {
	e := parse(t, post)
	octets, err := compose.Clear(team, e, stamp)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(octets))
	if !bytes.Equal(c.Body(), e.Body()) {
		t.Error("the body of a clear copy differs from the post's")
	}
	for name, want := range map[string]string{
		"List-Id": "<team.lists.example.org>", "List-Unsubscribe": "", "Return-Path": "",
		"Sender": "<team-owner@lists.example.org>", "From": "Alice <alice@example.org>", "X-Secret": "42",
		"Content-Type": "multipart/signed; boundary=b", "Message-ID": "<1@example.org>",
	} {
		if got := c.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		if n := len(c.Header().All(name)); n > 1 {
			t.Errorf("%d fields %s", n, name)
		}
	}
}

func TestMissingFieldsAreTheSameInEveryCopy(t *testing.T) {
	h := parse(t, "From: alice@example.org\r\n\r\nhello\r\n").Header()
	one, err := compose.SealedHeader(team, h, stamp)
	if err != nil {
		t.Fatal(err)
	}
	two, err := compose.SealedHeader(team, h, stamp)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("two copies of one post differ in their outer header")
	}
	got := parse(t, string(one)+"\r\n").Header()
	if id := compose.MessageID(got); id != "<abc@lists.example.org>" {
		t.Errorf("Message-ID %q", id)
	}
	if date := got.Get("Date"); date != "Mon, 04 May 2026 03:02:01 +0000" {
		t.Errorf("Date %q", date)
	}
}

func TestFromList(t *testing.T) {
	for value, want := range map[string]bool{
		"<team.lists.example.org>":                   true,
		"The Team <TEAM.lists.example.org>":          true,
		"<other.lists.example.org>":                  false,
		"<steam.lists.example.org>":                  false,
		"team.lists.example.org <other.example.org>": false,
		"": false,
	} {
		h := parse(t, "List-Id: "+value+"\r\n\r\n").Header()
		if got := compose.FromList(team, h); got != want {
			t.Errorf("FromList of %q is %v", value, got)
		}
	}
}
