package listd_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// A listmaster's pin is not the member's to remove.
func TestMyPageLeavesListmastersPins(t *testing.T) {
	w := newWorld(t)
	id := w.ca.Issue("bob@example.org", smimetest.EncryptOnly)
	_, err := w.sealist.Store.PutMark(t.Context(), store.Mark{Kind: store.MarkPin, Address: "bob@example.org", Fingerprint: trust.Fingerprint(id.Certificate), DER: id.Certificate.Raw, Actor: "listmaster (user root)"})
	w.must(err)
	w.pages()
	bob := w.browser(w.people["bob"])
	bob.login()
	if p := bob.post("/me/certificate/unpin", url.Values{"address": {"bob@example.org"}}); p.status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", p.status, p.body)
	}
}

// What a link in clear mail opens may pause on lists that demand encryption, and change nothing else.
func TestMyPageInClear(t *testing.T) {
	w := newWorld(t)
	w.set(secretList, "encryption", "required")
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("dave@example.org")}})
	w.must(err)
	w.pages()
	dave := w.browser(nil)
	dave.post("/login/mail", url.Values{"address": {"dave@example.org"}})
	link := regexp.MustCompile(`https://\S+/login/link/\S+`).FindString(strings.ReplaceAll(string(w.sink.Wait(1)[0].Octets), "=\r\n", ""))
	if p := dave.post(link, url.Values{}); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	for mode, want := range map[string]int{"digest": http.StatusForbidden, "conceal": http.StatusForbidden, "nomail": http.StatusSeeOther} {
		if p := dave.post("/me/lists/"+secretList, url.Values{"mode": {mode}}); p.status != want {
			t.Errorf("%s: %d %s", mode, p.status, p.body)
		}
	}
}
