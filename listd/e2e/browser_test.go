package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// The journeys of testdata/journeys.mjs: one that is not told of is not one that went well.
var journeys = []string{
	"the certificate of a list", "login with a certificate, leave and subscribe", "settings, and a certificate of one's own", "login with a certificate leads back", "login without a certificate says what to do",
	"login with a link in a mail", "another language", "a person without rights reads why", "keyboard alone", "every page is light, fits a phone and has no fault that axe finds",
	"a phone shows the longer words of German and French whole",
}

// Lists of the journeys beside boardList.
const (
	closedList = "closed@lists.example.org" // everybody sees it, nobody may join or leave
	hiddenList = "hidden@lists.example.org" // nobody sees it
)

// People go through the pages in Chromium: with a certificate, with a link in a mail, with the keyboard alone, and
// without JavaScript. With SEALIST_SHOTS=FOLDER the pages are photographed into that folder.
func TestJourneysThroughThePages(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Chromium")
	}
	ca := smimetest.NewCA("Corp")
	sink := peer.StartSink(t, peer.SinkOptions{})
	s := newPages(t, ca, sink)
	openssl := peer.NewOpenSSL(t)
	people := map[string]string{}
	for _, name := range []string{"anna", "bert", "mallory"} {
		id := person(ca, name+"@corp.example")
		people[name] = s.write(name+".p12", openssl.PKCS12(credential(id), "p12 password"))
		s.writeCertificate(id)
	}
	next := person(ca, "anna@corp.example")
	nextFile := s.write("next.pem", next.CertificatePEM())
	s.start()

	mails := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := r.FormValue("to")
		sink.WaitFor("a link for "+to, func([]peer.Mail) bool { return len(sink.To(to)) > 0 })
		fmt.Fprint(w, loginLink.FindString(strings.ReplaceAll(string(sink.To(to)[0].Octets), "=\r\n", "")))
	}))
	defer mails.Close()
	sum := sha256.Sum256(s.board.Certificate.Raw)
	told := map[string]bool{}
	for _, j := range peer.Browse(t, "testdata/journeys.mjs", map[string]any{
		"base": s.base, "login": s.login, "mail": mails.URL, "people": people, "password": "p12 password", "shots": os.Getenv("SEALIST_SHOTS"),
		"board": boardList, "closed": closedList, "hidden": hiddenList, "closedWhy": "closed", "fingerprint": pairs(hex.EncodeToString(sum[:])),
		"next": nextFile, "nextFingerprint": trust.Fingerprint(next.Certificate), "own": map[string]string{"me": "/me"}, // pages of whoever is logged in, by name
	}) {
		told[j.Name] = true
		t.Run(j.Name, func(t *testing.T) {
			t.Log(strings.Join(j.Notes, ", "))
			if j.Error != "" {
				t.Error(j.Error)
			}
		})
	}
	for _, name := range journeys {
		if !told[name] {
			t.Errorf("nothing was heard of the journey %q", name)
		}
	}
}

var loginLink = regexp.MustCompile(`https://\S+/login/link/\S+`)

// pairs writes hex digits as the pages do.
func pairs(digits string) string {
	return strings.TrimSuffix(regexp.MustCompile("..").ReplaceAllString(strings.ToUpper(digits), "$0:"), ":")
}

// pages is an installation with HTTPS pages.
type pages struct {
	*installation
	board       *smimetest.Identity
	base, login string // addresses; login is where a certificate is asked for
}

// newPages installs the pages with three lists that everybody sees, and one that nobody does.
func newPages(t *testing.T, ca *smimetest.CA, sink *peer.Sink) *pages {
	t.Helper()
	base, login := peer.Loopback(peer.Port(t)), peer.Loopback(peer.Port(t))
	s := &pages{base: "https://" + base, login: "https://" + login}
	s.install(t, ca, sink, fmt.Sprintf("listen: %q, tls: { cert: web.pem, key: web.key }, login: { listen: %q, url: %q }", base, login, s.login))
	return s
}

// install installs the server with the settings of its pages, and its lists.
func (s *pages) install(t *testing.T, ca *smimetest.CA, sink *peer.Sink, web string) {
	t.Helper()
	s.installation = install(t, settings{relay: sink.URL, anchor: ca.PEM(), more: append(withoutDirectory(), fmt.Sprintf("web: { base_url: %q, %s }", s.base, web))}, buildPlain)
	server := ca.Issue("server@corp.example", forServers)
	s.write("web.pem", server.CertificatePEM())
	s.write("web.key", server.KeyPEM())
	s.write("proxy_secret", []byte("what only the proxy knows\n"))
	s.board = person(ca, boardList)
	s.lists()
}

// lists creates the lists of the pages.
func (s *pages) lists() {
	s.t.Helper()
	s.createBoard(s.board, "anna@corp.example", "bert@corp.example", "dora@corp.example")
	s.must("list", "set", boardList, "visibility=noconceal", "subscribe=open", "unsubscribe=open", "description=Minutes and papers of the board <script>alert(1)</script>")
	for list, visibility := range map[string]string{closedList: "noconceal", hiddenList: "secret"} {
		s.must("list", "create", list)
		s.must("list", "set", list, "visibility="+visibility, "subscribe=closed", "unsubscribe=closed")
	}
}
