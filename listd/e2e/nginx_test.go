package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// The sample of deploy/nginx.conf lets people log in with their certificates, through a socket and by TCP, and nobody
// with a certificate that he has only read.
func TestBehindNginx(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	for _, upstream := range []string{"a socket", "TCP with a secret"} {
		t.Run(upstream, func(t *testing.T) { behindNginx(t, upstream == "a socket") })
	}
}

func behindNginx(t *testing.T, socket bool) {
	ca := smimetest.NewCA("Corp")
	base, login := peer.Loopback(peer.Port(t)), peer.Loopback(peer.Port(t))
	s := &pages{base: "https://" + base, login: "https://" + login}
	path, door := peer.Folder(t)+"/web.sock", peer.Loopback(peer.Port(t))
	listen := fmt.Sprintf("listen: %q", "unix:"+path)
	if !socket {
		listen = fmt.Sprintf("listen: %q, proxy_secret_file: proxy_secret", door)
	}
	s.install(t, ca, peer.StartSink(t, peer.SinkOptions{}), listen+fmt.Sprintf(", login: { url: %q }", s.login))
	sample, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf := strings.NewReplacer("/etc/ssl/sealist/lists.pem", s.path("web.pem"), "/etc/ssl/sealist/lists.key", s.path("web.key"),
		"/etc/ssl/sealist/login.pem", s.path("web.pem"), "/etc/ssl/sealist/login.key", s.path("web.key"), "unix:/run/sealist/web.sock", "unix:"+path).Replace(string(sample))
	conf = strings.Replace(conf, "listen 443 ssl", "listen "+base+" ssl", 1)
	conf = strings.Replace(conf, "listen 443 ssl", "listen "+login+" ssl", 1)
	if !socket {
		conf = strings.Replace(conf, "server unix:"+path, "server "+door, 1)
		at := strings.LastIndex(conf, `X-Sealist-Proxy ""`)
		conf = conf[:at] + strings.Replace(conf[at:], `""`, `"what only the proxy knows"`, 1)
	}
	s.start()
	peer.StartNginx(t, conf, base, login)

	anna := ca.Issue("anna@corp.example", smimetest.RSA(2048), smimetest.FreshKey, smimetest.ExtKeyUsage(x509.ExtKeyUsageEmailProtection)) // no certificate for TLS
	if page := visit(t, client(t, nil), s.base+"/login", nil); !strings.Contains(page.body, s.login+"/login/certificate") {
		t.Errorf("the way in with a certificate is not shown: %d %s", page.status, page.body)
	}
	her := client(t, anna)
	shown := visit(t, her, s.login+"/login/certificate?to=/lists/"+boardList, nil)
	if shown.status != http.StatusOK {
		t.Fatalf("%d %s", shown.status, shown.body)
	}
	token := regexp.MustCompile(`name="token" value="([^"]*)"`).FindStringSubmatch(shown.body)[1]
	in := submitForm(t, her, s.base+"/login/continue", s.login, url.Values{"token": {token}, "to": {"/lists/" + boardList}})
	if in.status != http.StatusOK || !strings.Contains(in.body, "anna@corp.example is on this list") {
		t.Errorf("%d %s", in.status, in.body)
	}
	if page := visit(t, client(t, smimetest.NewCA("Other").Issue("anna@corp.example", smimetest.RSA(2048), smimetest.FreshKey)), s.login+"/login/certificate", nil); page.status != http.StatusForbidden || !strings.Contains(page.body, "unknown_ca") {
		t.Errorf("a certificate of an unknown CA: %d %s", page.status, page.body)
	}

	escaped := strings.ReplaceAll(url.PathEscape(string(anna.CertificatePEM())), "+", "%2B")
	for name, spoof := range map[string]http.Header{
		"no certificate":    {},
		"the proxy's words": {"X-Sealist-Client-Verify": {"SUCCESS"}, "X-Sealist-Client-Cert": {escaped}, "X-Sealist-Proxy": {"what only the proxy knows"}},
		"twice":             {"X-Sealist-Client-Verify": {"SUCCESS", "SUCCESS"}, "X-Sealist-Client-Cert": {escaped, escaped}},
		"underscores":       {"X_Sealist_Client_Verify": {"SUCCESS"}, "X_Sealist_Client_Cert": {escaped}, "X_Sealist_Proxy": {"what only the proxy knows"}},
		"small letters":     {"x-sealist-client-verify": {"SUCCESS"}, "x-sealist-client-cert": {escaped}, "x-sealist-proxy": {"guess"}},
	} {
		for _, at := range []string{s.login, s.base} {
			if page := visit(t, client(t, nil), at+"/login/certificate", spoof); page.status != http.StatusForbidden {
				t.Errorf("%s to %s: %d %s", name, at, page.status, page.body)
			}
		}
	}
	// Whoever reaches the port behind the proxy needs the secret.
	if socket {
		return
	}
	for secret, status := range map[string]int{"": http.StatusForbidden, "guess": http.StatusForbidden, "what only the proxy knows": http.StatusOK} {
		r := http.Header{"X-Sealist-Client-Verify": {"SUCCESS"}, "X-Sealist-Client-Cert": {escaped}, "X-Sealist-Proxy": {secret}, "Host": {login}}
		if page := visit(t, client(t, nil), "http://"+door+"/login/certificate", r); page.status != status {
			t.Errorf("secret %q: %d %s", secret, page.status, page.body)
		}
	}
}

// client is a program that speaks HTTPS with a certificate, if somebody is named, and keeps cookies.
func client(t *testing.T, id *smimetest.Identity) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{InsecureSkipVerify: true} // loopback
	if id != nil {
		pair := tls.Certificate{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport}
}

type answer struct {
	status int
	body   string
}

func visit(t *testing.T, c *http.Client, to string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header, r.Host = header, header.Get("Host")
	}
	return exchange(t, c, r)
}

// submitForm sends a form from a page of an origin.
func submitForm(t *testing.T, c *http.Client, to, origin string, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {origin}}
	return exchange(t, c, r)
}

func exchange(t *testing.T, c *http.Client, r *http.Request) answer {
	t.Helper()
	got, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, string(body)}
}
