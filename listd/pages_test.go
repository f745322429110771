package listd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// pages puts the pages before a world, with an address of its own for logging
// in, and starts it.
func (w *world) pages() *world {
	w.t.Helper()
	w.must(w.sealist.Close())
	cert, key := w.serverCertificate()
	c := &w.config.Web
	c.Listen, c.Login.Listen = peer.Loopback(peer.Port(w.t)), peer.Loopback(peer.Port(w.t))
	c.BaseURL, c.Login.URL = "https://"+c.Listen, "https://"+c.Login.Listen
	c.TLS.Cert, c.TLS.Key = cert, key
	w.must(w.config.Validate())
	w.open()
	w.start()
	return w
}

// visible lets everybody see a list.
func (w *world) visible(address string) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	l.Policy.Scenarios.Visibility = "noconceal"
	w.must(w.sealist.Store.UpdateList(w.t.Context(), l))
}

// serverCertificate makes a certificate of loopback and its key.
func (w *world) serverCertificate() (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	t := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, &t, &t, private.Public(), private)
	w.must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	w.must(err)
	return w.file("web.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), w.file("web.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// browser is a client of the pages, with cookies, and with a certificate if
// somebody is named.
type browser struct {
	w *world
	http.Client
}

func (w *world) browser(id *smimetest.Identity) *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	conf := &tls.Config{InsecureSkipVerify: true} // loopback
	if id != nil {
		pair := tls.Certificate{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	b := &browser{w: w, Client: http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}}
	b.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// page is an answer, read to its end.
type page struct {
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string) page {
	b.w.t.Helper()
	return b.do(http.MethodGet, b.w.at(path), nil, nil)
}

// at is the whole address of a path of the pages.
func (w *world) at(path string) string {
	if strings.HasPrefix(path, "http") {
		return path
	}
	return w.config.Web.BaseURL + path
}

// post sends a form from a page of the same origin.
func (b *browser) post(path string, form url.Values) page {
	b.w.t.Helper()
	return b.do(http.MethodPost, b.w.at(path), form, http.Header{"Origin": {b.w.config.Web.BaseURL}})
}

func (b *browser) do(method, to string, form url.Values, header http.Header) page {
	b.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), method, to, body)
	b.w.must(err)
	for name, values := range header {
		r.Header[name] = values
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.Do(r)
	b.w.must(err)
	defer answer.Body.Close()
	octets, err := io.ReadAll(answer.Body)
	b.w.must(err)
	return page{answer.StatusCode, answer.Header, string(octets)}
}

var hiddenFields = regexp.MustCompile(`name="(token|to)" value="([^"]*)"`)

// login logs in with the browser's certificate and returns the last answer.
func (b *browser) login() page {
	b.w.t.Helper()
	at := b.w.config.Web.Login.URL
	shown := b.do(http.MethodGet, at+"/login/certificate?to=/", nil, nil)
	if shown.status != http.StatusOK {
		return shown
	}
	form := url.Values{}
	for _, field := range hiddenFields.FindAllStringSubmatch(shown.body, -1) {
		form.Set(field[1], field[2])
	}
	return b.do(http.MethodPost, b.w.at("/login/continue"), form, http.Header{"Origin": {at}, "Sec-Fetch-Site": {"same-site"}})
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.visible(secretList)
	w.visible(plainList)
	w.pages()
	nobody := w.browser(nil)
	home := nobody.get("/")
	if home.status != 200 || !strings.Contains(home.body, secretList) || !strings.Contains(home.body, "Mailing lists") {
		t.Fatalf("%d %s", home.status, home.body)
	}
	if p := nobody.get("/lists/" + secretList); p.status != 200 || !strings.Contains(p.body, "SHA-256") {
		t.Errorf("%d %s", p.status, p.body)
	}
	for form, mediaType := range map[string]string{"cer": "application/x-x509-email-cert", "pem": "application/x-pem-file", "p7c": "application/pkcs7-mime"} {
		p := nobody.get("/lists/" + secretList + "/certificate." + form)
		if p.status != 200 || !strings.HasPrefix(p.header.Get("Content-Type"), mediaType) || !strings.Contains(p.header.Get("Content-Disposition"), "secret_lists.example.org."+form) {
			t.Errorf("%s: %d %v", form, p.status, p.header)
		}
	}
	for _, path := range []string{"/lists/none@lists.example.org", "/lists/" + plainList + "/certificate.cer", "/nowhere", "/lists/" + secretList + "/certificate.exe"} {
		if p := nobody.get(path); p.status != http.StatusNotFound && p.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	alice := w.browser(w.people["alice"])
	if p := alice.login(); p.status != http.StatusSeeOther || p.header.Get("Location") != "/" {
		t.Fatalf("%d %s", p.status, p.body)
	}
	if p := alice.get("/"); !strings.Contains(p.body, "alice@example.org") {
		t.Errorf("not logged in: %s", p.body)
	}
	if p := alice.post("/lists/"+secretList+"/unsubscribe", url.Values{}); p.status != 200 || !strings.Contains(p.body, "no longer on") {
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := alice.post("/logout", url.Values{}); p.status != http.StatusSeeOther {
		t.Errorf("%d", p.status)
	}
	if p := alice.get("/"); strings.Contains(p.body, "alice@example.org") {
		t.Error("still logged in")
	}
}

// A link in a mail opens a session when its button is pressed, once.
func TestLoginByMail(t *testing.T) {
	w := newWorld(t).pages()
	dave := w.browser(nil) // nobody has a certificate of his
	if p := dave.post("/login/mail", url.Values{"address": {"dave@example.net"}}); p.status != 200 || !strings.Contains(p.body, "dave@example.net") {
		t.Fatalf("%d %s", p.status, p.body)
	}
	text := string(w.sink.Wait(1)[0].Octets)
	link := regexp.MustCompile(`https://\S+/login/link/\S+`).FindString(strings.ReplaceAll(text, "=\r\n", ""))
	if link == "" {
		t.Fatalf("no link in %s", text)
	}
	for range 2 {
		if p := dave.get(link); p.status != 200 || strings.Contains(fmt.Sprint(p.header), "sealist=") {
			t.Fatalf("looking at a link: %d %v", p.status, p.header)
		}
	}
	if p := dave.post(link, url.Values{}); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	if p := dave.get("/"); !strings.Contains(p.body, "dave@example.net") {
		t.Error("not logged in")
	}
	if p := w.browser(nil).post(link, url.Values{}); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a link that was used: %d", p.status)
	}
}

// A member's own page shows what he is on and which certificate would be used for him, and lets him change it.
func TestMyPage(t *testing.T) {
	w := newWorld(t)
	w.visible(secretList)
	w.pages()
	if p := w.browser(nil).get("/me"); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/login?") {
		t.Errorf("%d %v", p.status, p.header)
	}
	alice := w.browser(w.people["alice"])
	alice.login()
	p := alice.get("/me")
	for _, want := range []string{secretList, plainList, "Messages can be encrypted", "CN=alice@example.org", "files"} {
		if p.status != 200 || !strings.Contains(p.body, want) {
			t.Fatalf("%d, no %q in %s", p.status, want, p.body)
		}
	}
	if p := alice.post("/me/lists/"+secretList, url.Values{"mode": {"nomail"}}); p.status != http.StatusSeeOther {
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := alice.get("/me"); !strings.Contains(p.body, `value="nomail" selected`) {
		t.Error("nomail was not set")
	}
	next := w.ca.Issue("alice@example.org")
	pin := func(b *browser, address string, octets []byte) page {
		return b.post("/me/certificate", url.Values{"address": {address}, "certificate_text": {string(octets)}})
	}
	if p := pin(alice, "alice@example.org", next.KeyPEM()); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.body, "private key") {
		t.Errorf("a private key: %d %s", p.status, p.body)
	}
	if p := pin(alice, "bob@example.org", w.ca.Issue("bob@example.org").CertificatePEM()); p.status != http.StatusForbidden {
		t.Errorf("for somebody else: %d", p.status)
	}
	if p := pin(alice, "alice@example.org", w.people["bob"].CertificatePEM()); p.status != http.StatusUnprocessableEntity {
		t.Errorf("somebody else's: %d", p.status)
	}
	if p := pin(alice, "alice@example.org", smimetest.NewCA("Other CA").Issue("alice@example.org").CertificatePEM()); p.status != http.StatusUnprocessableEntity {
		t.Errorf("of an unknown CA: %d", p.status)
	}
	if p := pin(alice, "alice@example.org", []byte(strings.Repeat("x", 100_000))); p.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", p.status)
	}
	if p := pin(alice, "alice@example.org", next.CertificatePEM()); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	if e := w.sealist.Resolver.Explain(t.Context(), "alice@example.org", false, resolver.Allowances{}); e.Source != "pinned" && !strings.Contains(fmt.Sprint(e), trust.Fingerprint(next.Certificate)) {
		t.Errorf("%+v", e)
	}
	w.sink.WaitFor("that alice is told", func(all []peer.Mail) bool {
		return slices.ContainsFunc(all, func(m peer.Mail) bool { return strings.Contains(w.shown(m.Octets, "alice"), "added a certificate") })
	})
	w.logoutEverywhere(alice)
	if p := alice.post("/me/certificate/unpin", url.Values{"address": {"alice@example.org"}}); p.status != http.StatusSeeOther {
		t.Errorf("%d %s", p.status, p.body)
	}
}

// logoutEverywhere logs somebody out everywhere, and in again.
func (w *world) logoutEverywhere(b *browser) {
	w.t.Helper()
	other := w.browser(w.people["alice"])
	other.login()
	if p := b.post("/logout/everywhere", url.Values{}); p.status != http.StatusSeeOther {
		w.t.Errorf("%d %s", p.status, p.body)
	}
	if p := other.get("/me"); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/login?") {
		w.t.Errorf("still logged in elsewhere: %d", p.status)
	}
	b.login()
}

// A copy takes its member off the list by one click (RFC 8058), whoever's cookie is or is not there, and nobody else.
func TestOneClick(t *testing.T) {
	w := newWorld(t).pages()
	alice := w.people["alice"]
	w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList]))))
	field := regexp.MustCompile(`(?m)^List-Unsubscribe: <(https://[^>]+)>`)
	links := map[string]string{}
	isCopy := func(m peer.Mail) bool { return strings.Contains(string(m.Octets), "List-Id: ") }
	all := w.sink.WaitFor("three copies", func(all []peer.Mail) bool {
		return len(slices.DeleteFunc(slices.Clone(all), func(m peer.Mail) bool { return !isCopy(m) })) == 3
	})
	for _, m := range all {
		if !isCopy(m) {
			continue
		}
		found := field.FindSubmatch(m.Octets)
		if found == nil || !strings.Contains(string(m.Octets), "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") || strings.Count(string(m.Octets), "List-Unsubscribe: ") != 1 {
			t.Fatalf("%s", m.Octets)
		}
		links[m.ForwardPaths[0]] = string(found[1])
	}
	bob := links["bob@example.org"]
	if bob == "" || bob == links["carol@example.org"] {
		t.Fatal(links)
	}
	member := func(address string) bool {
		roles, err := w.sealist.Store.Memberships(t.Context(), list.MustParseAddress(address))
		w.must(err)
		return slices.ContainsFunc(roles, func(m list.Member) bool {
			l, err := w.sealist.Store.ListByID(t.Context(), m.List)
			return err == nil && l.Address.String() == secretList
		})
	}
	client := w.browser(nil)
	if p := client.get(bob); p.status != 200 || strings.Contains(p.body, "bob@example.org") || !strings.Contains(p.body, secretList) || !member("bob@example.org") {
		t.Errorf("looking: %d", p.status)
	}
	click := url.Values{"List-Unsubscribe": {"One-Click"}}
	if p := client.do(http.MethodPost, bob, url.Values{}, nil); p.status != http.StatusUnprocessableEntity || !member("bob@example.org") {
		t.Errorf("another form: %d", p.status)
	}
	forged := bob[:len(bob)-1] + map[bool]string{true: "b", false: "a"}[strings.HasSuffix(bob, "a")]
	if p := client.do(http.MethodPost, forged, click, nil); p.status != http.StatusNotFound {
		t.Errorf("a forged token: %d", p.status)
	}
	if p := client.do(http.MethodPost, bob, click, nil); p.status != 200 || member("bob@example.org") || !member("carol@example.org") {
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := client.do(http.MethodPost, bob, click, nil); p.status != 200 || member("bob@example.org") {
		t.Errorf("once more: %d", p.status)
	}
}
