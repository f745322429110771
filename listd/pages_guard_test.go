package listd_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/smimetest"
)

// everywhere are paths of the pages and the status they answer a stranger's GET
// with.
var everywhere = map[string]int{
	"/": 200, "/login": 200, "/login/link/x": 200, "/lists/" + secretList: 200, "/lists/" + secretList + "/certificate.cer": 200, "/help/certificates": 200, "/static/style.css": 200,
	"/static/": 404, "/nowhere": 404, "/lists/none@lists.example.org": 404, "/lists/" + plainList: 404, "/login/certificate": 403, "/logout": 404,
}

// Every answer, good or bad, tells browsers to run nothing, keep nothing and put
// it into no frame; none to a GET sets a cookie, and HEAD is a GET without its
// body.
func TestHeadersOfEveryAnswer(t *testing.T) {
	w := newWorld(t)
	w.visible(secretList)
	w.pages()
	b := w.browser(nil)
	check := func(what string, p page) {
		t.Helper()
		for field, part := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=",
		} {
			if !strings.Contains(p.header.Get(field), part) {
				t.Errorf("%s: %s is %q", what, field, p.header.Get(field))
			}
		}
		if csp := p.header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", what, csp)
		}
		if kept := p.header.Get("Cache-Control"); kept != "no-store" && !strings.HasPrefix(what, "/static/style.css") {
			t.Errorf("%s: Cache-Control is %q", what, kept)
		}
	}
	for path, status := range everywhere {
		p := b.get(path)
		if p.status != status {
			t.Errorf("%s: %d, not %d", path, p.status, status)
		}
		check(path, p)
		if len(p.header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
		head := b.do(http.MethodHead, w.at(path), nil, nil)
		if head.status != status || head.body != "" {
			t.Errorf("HEAD %s: %d, %d octets", path, head.status, len(head.body))
		}
		check(path+" HEAD", head)
	}
	check("POST nowhere", b.post("/nowhere", url.Values{}))
	check("a foreign POST", b.do(http.MethodPost, w.at("/logout"), url.Values{}, http.Header{"Origin": {"https://evil.example"}}))
	check("PUT", b.do(http.MethodPut, w.at("/lists/"+secretList), url.Values{}, http.Header{"Origin": {w.config.Web.BaseURL}}))
	check("another host", b.do(http.MethodGet, strings.Replace(w.at("/"), "127.0.0.1", "localhost", 1), nil, nil))
	alice := w.browser(w.people["alice"])
	p := alice.login()
	check("login", p)
	for _, cookie := range (&http.Response{Header: p.header}).Cookies() {
		if cookie.Name != "__Host-sealist" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge != 12*3600 {
			t.Errorf("%+v", cookie)
		}
	}
	check("a private page", alice.get("/lists/"+openList))
}

// A form counts only from these pages: not from another site, and not from who
// does not say.
func TestFormsOfOtherSites(t *testing.T) {
	w := newWorld(t).pages()
	alice := w.browser(w.people["alice"])
	alice.login()
	base, login := w.config.Web.BaseURL, w.config.Web.Login.URL
	for name, header := range map[string]http.Header{
		"another site":                 {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
		"another site, by its name":    {"Origin": {"https://evil.example"}},
		"another site, by fetch":       {"Sec-Fetch-Site": {"cross-site"}},
		"another site, with our name":  {"Origin": {base}, "Sec-Fetch-Site": {"cross-site"}},
		"another port":                 {"Origin": {"https://127.0.0.1:1"}, "Sec-Fetch-Site": {"same-site"}},
		"a sandbox":                    {"Origin": {"null"}},
		"a sandbox, same site":         {"Origin": {"null"}, "Sec-Fetch-Site": {"same-site"}},
		"nobody says":                  {},
		"empty":                        {"Origin": {""}},
		"plain HTTP":                   {"Origin": {strings.Replace(base, "https:", "http:", 1)}, "Sec-Fetch-Site": {"cross-site"}},
		"another site, with a Referer": {"Referer": {base + "/"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		for _, path := range []string{"/lists/" + secretList + "/unsubscribe", "/login/mail", "/logout", "/language", "/login/continue", "/login/link/x"} {
			if p := alice.do(http.MethodPost, w.at(path), url.Values{}, header); p.status != http.StatusForbidden {
				t.Errorf("%s to %s: %d", name, path, p.status)
			}
		}
	}
	if who := alice.who(); who != "alice@example.org" {
		t.Errorf("logged in as %q", who)
	}
	for name, header := range map[string]http.Header{
		"these pages": {"Origin": {base}, "Sec-Fetch-Site": {"same-origin"}}, "an old browser": {"Origin": {base}}, "the login address": {"Origin": {login}, "Sec-Fetch-Site": {"same-site"}},
	} {
		if p := alice.do(http.MethodPost, w.at("/language"), url.Values{"lang": {"de"}}, header); p.status != http.StatusSeeOther {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	p := alice.do(http.MethodPost, login+"/language", url.Values{"lang": {"de"}, "back": {"/login/certificate"}}, http.Header{"Origin": {login}, "Sec-Fetch-Site": {"same-origin"}})
	if p.status != http.StatusSeeOther || p.header.Get("Location") != "/login/certificate" {
		t.Errorf("another language at the login address: %d %v", p.status, p.header)
	}
	if held, err := w.sealist.Store.Memberships(t.Context(), list.MustParseAddress("alice@example.org")); err != nil || len(held) != 4 {
		t.Errorf("%d lists, %v", len(held), err)
	}
}

// Whatever "to" and "back" say, the way leads to these pages.
func TestOpenRedirect(t *testing.T) {
	w := newWorld(t).pages()
	for _, to := range []string{
		"//evil.example", `/\evil.example`, `\\evil.example`, "https://evil.example", "https:evil.example", "javascript:alert(1)", "/\t/evil.example", "\t//evil.example", "/\n/evil.example", " //evil.example",
		"/.//evil.example", "/..//evil.example", "/%2f/evil.example", "%2f%2fevil.example", "///evil.example", "/x/..//evil.example", "evil.example", "@evil.example", "?", "", "/\x00/evil.example", "/\u2028/evil.example",
	} {
		b := w.browser(w.people["alice"])
		base, err := url.Parse(w.config.Web.BaseURL)
		w.must(err)
		check := func(what string, p page) {
			t.Helper()
			led, err := base.Parse(p.header.Get("Location"))
			if p.status != http.StatusSeeOther || err != nil || led.Host != base.Host || led.Scheme != "https" || strings.HasPrefix(p.header.Get("Location"), "//") || strings.ContainsAny(p.header.Get("Location"), "\\\t\r\n") {
				t.Errorf("%s %q leads to %q (%d, %v)", what, to, p.header.Get("Location"), p.status, err)
			}
		}
		shown := b.get(w.config.Web.Login.URL + "/login/certificate?to=" + url.QueryEscape(to))
		form := url.Values{"to": {to}} // whatever the page made of it
		for _, field := range hiddenFields.FindAllStringSubmatch(shown.body, -1) {
			if field[1] == "token" {
				form.Set("token", field[2])
			} else if strings.Contains(field[2], "//") || !strings.HasPrefix(field[2], "/") {
				t.Errorf("the form would lead from %q to %q", to, field[2])
			}
		}
		check("to", b.post("/login/continue", form))
		check("back", b.post("/language", url.Values{"lang": {"fr"}, "back": {to}}))
	}
}

// What people write into descriptions, names and certificates is text.
func TestStoredMarkup(t *testing.T) {
	w := newWorld(t)
	const markup = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	w.visible(plainList)
	address := list.MustParseAddress(plainList)
	l, err := w.sealist.Store.List(t.Context(), address)
	w.must(err)
	l.Description, l.Policy.Scenarios.Subscribe = markup, "open"
	w.must(w.sealist.Store.UpdateList(t.Context(), l))
	key, err := keyring.ParsePKCS12(w.ca.Issue(plainList, smimetest.CommonName(markup)).PKCS12("x"), "x")
	w.must(err)
	_, err = w.sealist.Keyring.Install(t.Context(), l.ID, key)
	w.must(err)
	w.pages()
	mallory := w.browser(w.people["mallory"])
	mallory.login()
	pages := []page{
		mallory.get("/"), mallory.get("/lists/" + plainList), mallory.post("/lists/"+plainList+"/subscribe", url.Values{"name": {markup}}), mallory.get("/lists/" + plainList),
		mallory.get("/login?to=/" + url.QueryEscape(markup)), mallory.get("/login/link/" + url.PathEscape(markup)), mallory.get("/lists/" + url.PathEscape(markup)),
		mallory.post("/login/mail", url.Values{"address": {`"<script>alert(1)</script>"@example.org`}}), mallory.get(w.config.Web.Login.URL + "/login/certificate?to=/" + url.QueryEscape(markup)),
	}
	for n, p := range pages {
		if strings.Contains(p.body, "<script") || strings.Contains(p.body, "<img") {
			t.Errorf("page %d: %s", n, p.body)
		}
	}
	if !strings.Contains(pages[1].body, `CN=\&#34;\&gt;\&lt;script\&gt;alert(1)`) {
		t.Errorf("the subject is not shown: %s", pages[1].body)
	}
}

// Paths that climb, bodies without end and hosts that are not ours are refused.
func TestOddRequests(t *testing.T) {
	w := newWorld(t)
	w.visible(secretList)
	w.pages()
	b := w.browser(nil)
	for _, path := range []string{
		"/static/../web.go", "/static/..%2fweb.go", "/static/%2e%2e/pages/frame.html", "/static/..%5c..%5cetc/passwd", "/static//etc/passwd", "/lists/..%2f..%2fetc%2fpasswd", "/lists/" + secretList + "/..%2f..%2fpasswd",
		"/lists/" + secretList + "/certificate.cer%00.html", "/lists/" + secretList + "/certificate./cer", "/static/style.css/", "/static/style.css%00",
	} {
		p := b.get(path)
		if p.status == http.StatusMovedPermanently || p.status == http.StatusTemporaryRedirect { // Go's mux cleans paths
			p = b.get(p.header.Get("Location"))
		}
		if p.status != http.StatusNotFound && p.status != http.StatusUnprocessableEntity && p.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, p.status, p.body)
		}
	}
	if p := b.post("/login/mail", url.Values{"address": {strings.Repeat("a", 70000) + "@example.org"}}); p.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large form: %d", p.status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.at("/login/mail"), io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("a=b&"), 20000)))) // chunked, of unknown length
	w.must(err)
	r.Header = http.Header{"Origin": {w.config.Web.BaseURL}, "Content-Type": {"application/x-www-form-urlencoded"}}
	answer, err := b.Do(r)
	w.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of unknown length: %d", answer.StatusCode)
	}
	for _, body := range []string{"address=%zz", "address=a;b"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.at("/login/mail"), strings.NewReader(body))
		w.must(err)
		r.Header = http.Header{"Origin": {w.config.Web.BaseURL}, "Content-Type": {"application/x-www-form-urlencoded"}}
		answer, err := b.Do(r)
		w.must(err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", body, answer.StatusCode)
		}
	}
	for _, host := range []string{"evil.example", "127.0.0.1", "127.0.0.1:1", w.config.Web.Listen + ".evil.example", "evil.example:" + strings.Split(w.config.Web.Listen, ":")[1], "localhost", ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.at("/"), nil)
		w.must(err)
		if r.Host = host; host == "" {
			r.Host = " "
		}
		answer, err := b.Do(r)
		w.must(err)
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if !slices.Contains([]int{http.StatusMisdirectedRequest, http.StatusBadRequest}, answer.StatusCode) || strings.Contains(string(body), "evil") {
			t.Errorf("Host %q: %d %s", host, answer.StatusCode, body)
		}
	}
}

// The server goes on while clients say nothing, or not enough.
func TestSlowClients(t *testing.T) {
	w := newWorld(t).pages()
	for range 50 {
		conn, err := net.Dial("tcp", w.config.Web.Listen)
		w.must(err)
		defer conn.Close()
		_, err = conn.Write([]byte{22, 3, 1}) // the beginning of a handshake
		w.must(err)
	}
	if p := w.browser(nil).get("/login"); p.status != 200 {
		t.Errorf("%d", p.status)
	}
}
