package listd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestListmastersHearOfCRLs: while a grace runs they are told how long, once a day; when all is well they are not.
func TestListmastersHearOfCRLs(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	good := false
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !good {
			http.NotFound(rw, r)
			return
		}
		rw.Write(w.ca.CRL(time.Now().Add(-time.Minute), time.Time{}))
	}))
	t.Cleanup(server.Close)
	w.config.Listmasters = []string{"boss@example.org"}
	w.config.Trust.Revocation.URLMap = []config.URLMapping{{From: "http://crl.example.org", To: server.URL}}
	w.open()
	alice := w.ca.Issue("alice@example.org", smimetest.CRLURL("http://crl.example.org/ca.crl"))
	if v := w.sealist.Judge.Judge(alice.Certificate, trust.Encryption, time.Now(), nil); !v.OK() || v.GraceUntil.IsZero() {
		t.Errorf("%+v", v)
	}
	tasks := w.sealist.Tasks("test")
	w.until("the failure is kept", func() bool {
		rows, err := w.sealist.Store.CRLRows(t.Context())
		w.must(err)
		return len(rows) == 1
	})
	if run, err := tasks.Now(t.Context(), "listmaster_report"); err != nil || run.Summary != "told 1 listmasters of 1 things" {
		t.Errorf("%+v, %v", run, err)
	}
	if run, err := tasks.Now(t.Context(), "listmaster_report"); err != nil || run.Summary != "told 0 listmasters of 1 things" {
		t.Errorf("the same day: %+v, %v", run, err)
	}
	w.start()
	mail := w.sink.Wait(1)[0]
	text := string(mail.Octets)
	for _, part := range []string{"To: <boss@example.org>", "http://crl.example.org/ca.crl", "could never be had", "404", "Copies to members", "168h", "Signatures", "24h", "listmaster crl fetch"} {
		if !strings.Contains(strings.ReplaceAll(text, "=\r\n", ""), part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	good = true
	if n, err := w.sealist.Revocation.Fetch(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.until("the list is kept", func() bool {
		rows, err := w.sealist.Store.CRLRows(t.Context())
		w.must(err)
		return !rows[0].ThisUpdate.IsZero() && rows[0].Error == ""
	})
	if run, err := tasks.Now(t.Context(), "listmaster_report"); err != nil || run.Summary != "" {
		t.Errorf("all is well: %+v, %v", run, err)
	}
}

// TestListmastersHearOfIncludes: what waits for them, and what no directory answered.
func TestListmastersHearOfIncludes(t *testing.T) {
	w := newWorld(t)
	w.config.Listmasters = []string{"boss@example.org"}
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	i := store.Include{List: l.ID, Directory: "gone", Group: "cn=staff,dc=example,dc=org", Scope: "sub", Attribute: "mail", Every: time.Hour, MaxChange: 20, MaxMembers: 100}
	i.ID, err = w.sealist.Store.CreateInclude(t.Context(), i)
	w.must(err)
	_, err = w.sealist.Store.FailInclude(t.Context(), store.IncludeRun{Include: i.ID, Started: time.Now(), Actor: "task", Reason: "the server is away"}, time.Now().Add(time.Hour))
	w.must(err)
	if run, err := w.sealist.Tasks("test").Now(t.Context(), "listmaster_report"); err != nil || run.Summary != "told 1 listmasters of 1 things" {
		t.Errorf("%+v, %v", run, err)
	}
	w.start()
	text := strings.ReplaceAll(string(w.sink.Wait(1)[0].Octets), "=\r\n", "")
	for _, part := range []string{secretList, "the directory gone", "the server is away", "Nobody was added or removed", "listmaster directory sync"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}
