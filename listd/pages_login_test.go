package listd_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// who is whom a browser is logged in as, empty for nobody.
func (b *browser) who() string {
	b.w.t.Helper()
	found := regexp.MustCompile(`<a href="/me">([^<]*)</a>`).FindStringSubmatch(b.get("/").body)
	if found == nil {
		return ""
	}
	return found[1]
}

// revocable serves a CRL of the world's CA that can be changed, and has the
// server ask for it anew each time.
func (w *world) revocable() (revoked *atomic.Pointer[smimetest.Identity]) {
	revoked = &atomic.Pointer[smimetest.Identity]{}
	crls := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if id := revoked.Load(); id != nil {
			rw.Write(w.ca.CRL(w.now().Add(-time.Minute), w.now().Add(time.Hour), id.Certificate))
			return
		}
		rw.Write(w.ca.CRL(w.now().Add(-time.Minute), w.now().Add(time.Hour)))
	}))
	w.t.Cleanup(crls.Close)
	w.config.Trust.Revocation.URLMap = []config.URLMapping{{From: "http://crl.example.org", To: crls.URL}}
	return revoked
}

// A certificate that would not authenticate a mail opens no session, and one that
// would opens one for its own addresses alone.
func TestWhoseCertificateOpensASession(t *testing.T) {
	w := newWorld(t)
	partner := smimetest.NewCA("Partner CA")
	w.config.Trust.Anchors = []config.Anchor{{CAFile: w.file("partner.pem", partner.PEM()), Domains: []string{"partner.example"}}}
	revoked := w.revocable()
	gone := w.ca.Issue("alice@example.org", smimetest.CRLURL("http://crl.example.org/ca.crl"))
	revoked.Store(gone)
	w.pages()
	for name, test := range map[string]struct {
		id     *smimetest.Identity
		who    string // "": nobody
		reason string // that the page names
	}{
		"a member's":                         {w.people["alice"], "alice@example.org", ""},
		"somebody's who is on no list":       {w.people["mallory"], "mallory@example.org", ""},
		"none":                               {nil, "", "showed no certificate"},
		"of an unknown CA":                   {smimetest.NewCA("Example CA").Issue("alice@example.org"), "", "unknown_ca"},
		"self-signed":                        {smimetest.SelfSigned("alice@example.org"), "", "unknown_ca"},
		"of a partner's CA, for him":         {partner.Issue("pat@partner.example"), "pat@partner.example", ""},
		"of a partner's CA, for one of ours": {partner.Issue("alice@example.org"), "", "bad_path"},
		"of a partner's CA, for him and us":  {partner.Issue("pat@partner.example", smimetest.Addresses("pat@partner.example", "alice@example.org")), "", "bad_path"},
		"expired":                            {w.ca.Issue("alice@example.org", smimetest.Validity(time.Now().AddDate(-1, 0, 0), time.Now().Add(-time.Hour))), "", "expired"},
		"not valid yet":                      {w.ca.Issue("alice@example.org", smimetest.Validity(time.Now().Add(time.Hour), time.Now().AddDate(1, 0, 0))), "", "not_yet_valid"},
		"revoked":                            {gone, "", "revoked"},
		"for encryption only":                {w.ca.Issue("alice@example.org", smimetest.EncryptOnly), "", "wrong_usage"},
		"without an address":                 {w.ca.Issue("alice@example.org", smimetest.NoSAN, smimetest.CommonName("Alice")), "", "no_address"},
		"of several addresses":               {w.ca.Issue("a.liddell@example.org", smimetest.Addresses("a.liddell@example.org", "alice@example.org")), "alice@example.org", ""},
		"with markup for a name":             {w.ca.Issue("mallory@example.org", smimetest.CommonName("<script>alert(1)</script>")), "mallory@example.org", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser(test.id)
			answer := b.login()
			if got := b.who(); got != test.who {
				t.Errorf("logged in as %q, not %q: %d %s", got, test.who, answer.status, answer.body)
			}
			if test.who == "" && (answer.status != http.StatusForbidden || !strings.Contains(answer.body, test.reason)) {
				t.Errorf("%d without %q: %s", answer.status, test.reason, answer.body)
			}
			if len(answer.header.Values("Set-Cookie")) > 0 && test.who == "" {
				t.Errorf("a cookie: %v", answer.header)
			}
		})
	}
}

// A session that a certificate opened lives no longer than it counts.
func TestASessionEndsWithItsCertificate(t *testing.T) {
	for name, end := range map[string]func(w *world, revoked *atomic.Pointer[smimetest.Identity], id *smimetest.Identity){
		"blocked": func(w *world, _ *atomic.Pointer[smimetest.Identity], id *smimetest.Identity) {
			_, err := w.sealist.Store.PutMark(w.t.Context(), store.Mark{Kind: store.MarkBlock, Fingerprint: trust.Fingerprint(id.Certificate), Actor: "test"})
			w.must(err)
			w.until("the server knows", func() bool {
				return w.sealist.Judge.Judge(id.Certificate, trust.Signing, w.now(), nil).Reason == trust.Blocked
			})
		},
		"revoked": func(w *world, revoked *atomic.Pointer[smimetest.Identity], id *smimetest.Identity) {
			revoked.Store(id)
			w.ahead.Store(int64(2 * time.Hour)) // the CRL is due
			w.until("the server knows", func() bool {
				return w.sealist.Judge.Judge(id.Certificate, trust.Signing, w.now(), nil).Reason == trust.Revoked
			})
		},
		"expired": func(w *world, _ *atomic.Pointer[smimetest.Identity], _ *smimetest.Identity) {
			w.ahead.Store(int64(5 * time.Hour))
		},
		"the session's end": func(w *world, _ *atomic.Pointer[smimetest.Identity], _ *smimetest.Identity) {
			w.ahead.Store(int64(3*time.Hour + time.Minute))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			revoked := w.revocable()
			w.config.Web.Session = config.Duration(12 * time.Hour)
			if name == "the session's end" {
				w.config.Web.Session = config.Duration(3 * time.Hour)
			}
			w.pages()
			id := w.ca.Issue("alice@example.org", smimetest.CRLURL("http://crl.example.org/ca.crl"), smimetest.Validity(time.Now().Add(-time.Hour), time.Now().Add(4*time.Hour)))
			alice := w.browser(id)
			alice.login()
			if alice.who() != "alice@example.org" {
				t.Fatal("not logged in")
			}
			end(w, revoked, id)
			if who := alice.who(); who != "" {
				t.Errorf("still %s", who)
			}
			if p := alice.post("/lists/"+secretList+"/unsubscribe", url.Values{}); p.status != http.StatusUnprocessableEntity && p.status != http.StatusNotFound {
				t.Errorf("%d %s", p.status, p.body)
			}
			if name == "the session's end" {
				return
			}
			// The next login is refused, over a connection that was open or with a session that TLS would resume, too.
			if p := alice.login(); p.status != http.StatusForbidden {
				t.Errorf("logged in anew: %d %s", p.status, p.body)
			}
		})
	}
}

// What a certificate had shown before it was blocked opens nothing afterwards.
func TestHandoverAfterABlock(t *testing.T) {
	w := newWorld(t).pages()
	alice := w.browser(w.people["alice"])
	shown := alice.get(w.config.Web.Login.URL + "/login/certificate?to=/")
	key := hiddenFields.FindStringSubmatch(shown.body)[2]
	_, err := w.sealist.Store.PutMark(t.Context(), store.Mark{Kind: store.MarkBlock, Fingerprint: trust.Fingerprint(w.people["alice"].Certificate), Actor: "test"})
	w.must(err)
	w.until("the server knows", func() bool {
		return w.sealist.Judge.Judge(w.people["alice"].Certificate, trust.Signing, w.now(), nil).Reason == trust.Blocked
	})
	if p := alice.post("/login/continue", url.Values{"token": {key}}); p.status != http.StatusForbidden || alice.who() != "" {
		t.Errorf("%d %s", p.status, p.body)
	}
}

// A certificate opens a session at its own address and is nothing anywhere else:
// without the cookie nobody acts.
func TestACertificateWithoutTheCookie(t *testing.T) {
	w := newWorld(t)
	w.visible(secretList)
	w.pages()
	alice := w.browser(w.people["alice"])
	for _, path := range []string{"/lists/" + secretList + "/unsubscribe", "/lists/" + secretList + "/subscribe"} {
		if p := alice.post(path, url.Values{}); p.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", path, p.status)
		}
		login := w.config.Web.Login.URL
		if p := alice.do(http.MethodPost, login+path, url.Values{}, http.Header{"Origin": {login}}); p.status != http.StatusSeeOther || p.header.Get("Location") != w.at(path) {
			t.Errorf("%s at the login address: %d %v", path, p.status, p.header)
		}
	}
	if held, err := w.sealist.Store.Memberships(t.Context(), list.MustParseAddress("alice@example.org")); err != nil || len(held) != 4 {
		t.Errorf("%d lists, %v", len(held), err)
	}
}

// A cookie that was planted is not taken up; each login has one of its own.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t).pages()
	base, err := url.Parse(w.config.Web.BaseURL)
	w.must(err)
	alice := w.browser(w.people["alice"])
	planted := &http.Cookie{Name: "__Host-sealist", Value: "planted", Path: "/", Secure: true}
	alice.Jar.SetCookies(base, []*http.Cookie{planted})
	alice.login()
	first := alice.Jar.Cookies(base)[0].Value
	if first == "planted" || alice.who() == "" {
		t.Errorf("the cookie is %q", first)
	}
	mallory := w.browser(nil)
	mallory.Jar.SetCookies(base, []*http.Cookie{planted})
	if who := mallory.who(); who != "" {
		t.Errorf("logged in as %s", who)
	}
	// A second login ends the first.
	alice.login()
	mallory.Jar.SetCookies(base, []*http.Cookie{{Name: "__Host-sealist", Value: first, Path: "/", Secure: true}})
	if who := mallory.who(); who != "" || alice.who() == "" {
		t.Errorf("an earlier cookie is %s", who)
	}
}

// Links are good once, for half an hour, and for logging in alone; how many leave
// is bounded.
func TestLinksThatDoNotLogIn(t *testing.T) {
	w := newWorld(t).pages()
	dave := list.MustParseAddress("dave@example.net")
	make := func(p token.Purpose) string {
		key, err := w.sealist.Tokens.Make(t.Context(), p, token.Claim{Sender: dave, Operation: "sealed"}, 30*time.Minute)
		w.must(err)
		return key
	}
	late, good := make(token.Login), make(token.Login)
	for name, key := range map[string]string{
		"a challenge's": make(token.Challenge), "a moderator's": make(token.Moderation), "the login address's": make(token.Handover), "nothing": "x", "markup": "%3Cscript%3E",
		"altered": strings.Repeat("a", 4) + good[4:],
	} {
		b := w.browser(nil)
		if p := b.post("/login/link/"+key, url.Values{}); p.status != http.StatusUnprocessableEntity || b.who() != "" {
			t.Errorf("%s token: %d, %q", name, p.status, b.who())
		}
		if p := b.post("/login/continue", url.Values{"token": {key}}); name != "the login address's" && p.status != http.StatusUnprocessableEntity {
			t.Errorf("%s token at /login/continue: %d", name, p.status)
		}
	}
	b := w.browser(nil)
	if p := b.post("/login/link/"+good, url.Values{}); p.status != http.StatusSeeOther || b.who() != "dave@example.net" {
		t.Errorf("the link itself: %d", p.status)
	}
	w.ahead.Store(int64(31 * time.Minute))
	b = w.browser(nil)
	if p := b.post("/login/link/"+late, url.Values{}); p.status != http.StatusUnprocessableEntity || b.who() != "" {
		t.Errorf("a late link: %d", p.status)
	}
	statuses := map[int]int{}
	for range 12 {
		statuses[b.post("/login/mail", url.Values{"address": {"erin@example.net"}}).status]++
	}
	if statuses[200] != 10 || statuses[http.StatusTooManyRequests] != 2 {
		t.Errorf("%v", statuses)
	}
	w.ahead.Store(int64(2 * time.Hour))
	if p := b.post("/login/mail", url.Values{"address": {"erin@example.net"}}); p.status != 200 {
		t.Errorf("an hour later: %d", p.status)
	}
	w.until("the one mail to a stranger has left", func() bool { return len(w.sink.To("erin@example.net")) > 0 })
	if n := len(w.sink.To("erin@example.net")); n != 1 {
		t.Errorf("%d mails to a stranger", n)
	}
}

// Whoever asks for a link learns nothing of whom the server knows.
func TestAskingForALinkTellsNothing(t *testing.T) {
	w := newWorld(t).pages()
	var answers []string
	for _, address := range []string{"alice@example.org", "nobody@example.net"} {
		p := w.browser(nil).post("/login/mail", url.Values{"address": {address}})
		answers = append(answers, strings.ReplaceAll(p.body, address, "X"))
	}
	if answers[0] != answers[1] {
		t.Errorf("%s\n%s", answers[0], answers[1])
	}
}

// No connection to the login address carries on an earlier one: each shows its
// certificate.
func TestLoginsAreNotResumed(t *testing.T) {
	w := newWorld(t).pages()
	b := w.browser(w.people["alice"])
	conf := b.Transport.(*http.Transport).TLSClientConfig
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for _, at := range []string{w.config.Web.BaseURL, w.config.Web.Login.URL} {
		var resumed bool
		conf.VerifyConnection = func(state tls.ConnectionState) error {
			resumed = state.DidResume
			return nil
		}
		for range 2 {
			b.get(at + "/login/certificate")
		}
		if resumed != (at == w.config.Web.BaseURL) {
			t.Errorf("%s: resumed: %v", at, resumed)
		}
	}
}
