package listd_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

const proxySecret = "what only the proxy knows"

// behindProxy puts the pages behind a proxy: by TCP with a secret, or at a
// socket, whose path it returns.
func (w *world) behindProxy(socket bool) (path string) {
	w.t.Helper()
	w.must(w.sealist.Close())
	c := &w.config.Web
	c.BaseURL = "https://lists.example.org"
	if socket {
		path = peer.Folder(w.t) + "/web.sock"
		c.Listen = "unix:" + path
	} else {
		c.Listen, c.ProxySecretFile = peer.Loopback(peer.Port(w.t)), w.file("proxy_secret", []byte(proxySecret+"\n"))
	}
	w.must(w.config.Validate())
	w.open()
	w.start()
	return path
}

// proxied sends what a proxy would, with the headers as they are given.
func (w *world) proxied(path string, header http.Header) page {
	w.t.Helper()
	b := w.browser(nil)
	b.Client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if socket, ok := strings.CutPrefix(w.config.Web.Listen, "unix:"); ok {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", w.config.Web.Listen)
	}}
	return b.do(http.MethodGet, "http://lists.example.org"+path, nil, header)
}

// escaped is a certificate as nginx hands it over.
func escaped(pem []byte) string {
	return strings.ReplaceAll(url.PathEscape(string(pem)), "+", "%2B")
}

// What the headers say of a certificate counts once each, whole, and from the
// proxy alone.
func TestTheProxysWord(t *testing.T) {
	w := newWorld(t)
	w.behindProxy(false)
	alice := w.people["alice"].CertificatePEM()
	const secret, verify, cert = "X-Sealist-Proxy", "X-Sealist-Client-Verify", "X-Sealist-Client-Cert"
	good := http.Header{secret: {proxySecret}, verify: {"SUCCESS"}, cert: {escaped(alice)}}
	with := func(name string, values ...string) http.Header {
		h := good.Clone()
		if h[name] = values; len(values) == 0 {
			delete(h, name)
		}
		return h
	}
	garbage := bytes.Replace(alice, []byte("MII"), []byte("MIJ"), 1)
	for name, test := range map[string]struct {
		header http.Header
		in     bool
	}{
		"as it should be":                {good, true},
		"base64 with its plus signs":     {with(cert, url.PathEscape(string(alice))), true},
		"no secret":                      {with(secret), false},
		"an empty secret":                {with(secret, ""), false},
		"another secret":                 {with(secret, "what only the proxy know"), false},
		"the secret twice":               {with(secret, proxySecret, proxySecret), false},
		"the secret and a guess":         {with(secret, proxySecret, "guess"), false},
		"the secret with underscores":    {with("X_Sealist_Proxy", proxySecret), false},
		"not verified":                   {with(verify, "NONE"), false},
		"verified and failed":            {with(verify, "FAILED:certificate has expired"), false},
		"no word of it":                  {with(verify), false},
		"small letters":                  {with(verify, "success"), false},
		"verified twice":                 {with(verify, "SUCCESS", "SUCCESS"), false},
		"verified with underscores, too": {with("X_Sealist_Client_Verify", "SUCCESS"), false},
		"half with underscores":          {with("X-Sealist_Client-Verify", "SUCCESS"), false},
		"no certificate":                 {with(cert), false},
		"an empty certificate":           {with(cert, ""), false},
		"two certificates":               {with(cert, escaped(alice), escaped(w.people["bob"].CertificatePEM())), false},
		"the same twice":                 {with(cert, escaped(alice), escaped(alice)), false},
		"two in one":                     {with(cert, escaped(append(bytes.Clone(alice), w.people["bob"].CertificatePEM()...))), false},
		"a certificate with underscores": {with("X_Sealist_Client_Cert", escaped(w.people["bob"].CertificatePEM())), false},
		"something before it":            {with(cert, escaped(append([]byte("-----BEGIN X-----\nAAAA\n-----END X-----\n"), alice...))), false},
		"something behind it":            {with(cert, escaped(append(bytes.Clone(alice), "x"...))), false},
		"a key":                          {with(cert, escaped(w.people["alice"].KeyPEM())), false},
		"a broken certificate":           {with(cert, escaped(garbage)), false},
		"bad percent signs":              {with(cert, "%zz"+escaped(alice)), false},
		"only a name":                    {with(cert, "CN=alice@example.org"), false},
		"a PEM without its end":          {with(cert, escaped(alice[:len(alice)/2])), false},
		"of an unknown authority":        {with(cert, escaped(smimetest.NewCA("Example CA").Issue("alice@example.org").CertificatePEM())), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.proxied("/login/certificate?to=/", test.header)
			if test.in && (p.status != http.StatusOK || !strings.Contains(p.body, "alice@example.org")) || !test.in && p.status != http.StatusForbidden {
				t.Errorf("%d %s", p.status, p.body)
			}
		})
	}
	if p := w.proxied("/login/certificate", with(cert, escaped(alice)+strings.Repeat("%0A", 40000))); p.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("an oversized certificate: %d", p.status)
	}
	// The way in is shown where a proxy that is believed speaks of certificates.
	for name, test := range map[string]struct {
		header http.Header
		shown  bool
	}{"the proxy asks": {with(verify, "NONE"), true}, "the proxy does not ask": {with(verify), false}, "somebody says so": {with(secret), false}} {
		if p := w.proxied("/login", test.header); strings.Contains(p.body, `href="/login/certificate`) != test.shown {
			t.Errorf("%s: %s", name, p.body)
		}
	}
}

// Through the socket there is no secret: who may enter its folder is the proxy.
func TestTheProxysSocket(t *testing.T) {
	w := newWorld(t)
	w.behindProxy(true)
	good := http.Header{"X-Sealist-Client-Verify": {"SUCCESS"}, "X-Sealist-Client-Cert": {escaped(w.people["alice"].CertificatePEM())}}
	if p := w.proxied("/login/certificate", good); p.status != http.StatusOK {
		t.Errorf("%d %s", p.status, p.body)
	}
	good["X_Sealist_Client_Cert"] = good["X-Sealist-Client-Cert"]
	if p := w.proxied("/login/certificate", good); p.status != http.StatusForbidden {
		t.Errorf("twice: %d %s", p.status, p.body)
	}
	if p := w.proxied("/login/certificate", http.Header{}); p.status != http.StatusForbidden {
		t.Errorf("nothing: %d %s", p.status, p.body)
	}
}

// Without a secret nobody is believed by TCP, not even with an empty one.
func TestNoProxyIsBelievedWithoutASecret(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	w.config.Web.Listen, w.config.Web.BaseURL = peer.Loopback(peer.Port(t)), "https://lists.example.org"
	w.open()
	w.start()
	for _, secret := range [][]string{nil, {""}, {"x"}} {
		h := http.Header{"X-Sealist-Proxy": secret, "X-Sealist-Client-Verify": {"SUCCESS"}, "X-Sealist-Client-Cert": {escaped(w.people["alice"].CertificatePEM())}}
		if p := w.proxied("/login/certificate", h); p.status != http.StatusForbidden {
			t.Errorf("secret %q: %d", secret, p.status)
		}
	}
}
