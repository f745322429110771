package listd_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Somebody who only writes an address into a form hears the same whether it is on
// the list: who is, the list's owner may see (review).
func TestStrangersDoNotLearnWhoIsOnAList(t *testing.T) {
	w := newWorld(t)
	w.visible(wallList)
	w.pages()
	const member, other = "alice@example.org", "bobby@example.net"
	if !w.isMember(member, wallList) || w.isMember(other, wallList) {
		t.Fatal("the world is another")
	}
	for _, scenario := range []string{"auth", "owner", "closed", "open"} {
		for _, verb := range []string{"subscribe", "unsubscribe"} {
			w.set(wallList, verb, scenario)
			say := func(address string) string {
				b := w.browser(nil)
				p := b.post("/lists/"+wallList+"/"+verb, url.Values{"address": {address}})
				return strings.ReplaceAll(fmt.Sprint(p.status, p.body), address, "ADDRESS")
			}
			if a, b := say(member), say(other); a != b {
				t.Errorf("%s.%s: a member's answer is\n%s\nanother's\n%s", verb, scenario, a, b)
			}
			w.ahead.Add(int64(61 * time.Minute)) // another hour of the limit
		}
	}
}

// Forms of strangers write to addresses that are not known to be theirs, and to
// owners: so many an hour for one network as links to log in, together with them.
func TestStrangersFormsAreLimited(t *testing.T) {
	w := newWorld(t)
	w.visible(wallList)
	w.pages()
	w.set(wallList, "subscribe", "owner")
	b := w.browser(nil)
	for i := range 12 {
		path := "/lists/" + wallList + "/subscribe"
		if i%3 == 0 {
			path = "/login/mail"
		}
		p := b.post(path, url.Values{"address": {fmt.Sprintf("v%d@example.net", i)}})
		if limited := p.status == http.StatusTooManyRequests && p.header.Get("Retry-After") != ""; limited != (i >= 10) {
			t.Errorf("form %d to %s: %d", i, path, p.status)
		}
	}
	alice := w.browser(w.people["alice"])
	alice.login()
	if p := alice.post("/lists/"+wallList+"/subscribe", nil); p.status != http.StatusOK {
		t.Errorf("who has logged in: %d", p.status)
	}
}
