package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// web checks the pages' section.
func (k *checker) web(w Web) {
	k.tlsPair("web.tls", w.TLS)
	k.tlsPair("web.login.tls", w.Login.TLS)
	k.networks("web.trusted_proxies", w.TrustedProxies)
	if w.ProxySecretFile != "" {
		k.readable("web.proxy_secret_file", w.ProxySecretFile)
	}
	if w.Listen == "" {
		if w.Login.Listen != "" {
			k.mistake("web.login.listen", "leads to pages that are not there", "set web.listen, too")
		}
		return
	}
	if socket, ok := strings.CutPrefix(w.Listen, "unix:"); ok {
		if !strings.HasPrefix(socket, "/") {
			k.mistake("web.listen", fmt.Sprintf("%q names no socket", w.Listen), "write unix: and a whole path, as unix:/run/sealist/web.sock")
		}
	} else {
		k.door("web.listen", w.Listen, w.TLS)
	}
	k.pageURL("web.base_url", w.BaseURL, true)
	if w.Session < Duration(5*time.Minute) || w.Session > 30*day {
		k.mistake("web.session", fmt.Sprintf("%s is no time for a login to last", w.Session), "write 5m to 30d, as 12h")
	}
	k.pageURL("web.login.url", w.Login.URL, w.Login.Listen != "")
	if w.Login.Listen == "" {
		return
	}
	pair := w.Login.TLS
	if pair == (TLSPair{}) {
		pair = w.TLS
	}
	k.door("web.login.listen", w.Login.Listen, pair)
	if pair == (TLSPair{}) {
		k.mistake("web.login.listen", "cannot ask for certificates without one of its own", "set web.login.tls or web.tls; or let a proxy ask, and leave this empty")
	}
	if w.Login.Listen == w.Listen {
		k.mistake("web.login.listen", "is web.listen once more", "give it a port or an address of its own: whoever reads the pages should not be asked for a certificate")
	}
}

// door checks an address to listen on. Without TLS it must not be open to
// others: logins would cross the network in clear.
func (k *checker) door(key, text string, pair TLSPair) {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		k.mistake(key, fmt.Sprintf("%q is no address to listen on", text), "write host:port, as 127.0.0.1:8443")
		return
	}
	if ip, err := netip.ParseAddr(host); pair == (TLSPair{}) && !(host == "localhost" || err == nil && ip.IsLoopback()) {
		k.mistake(key, "is open to the network without TLS", "set a certificate, or listen on 127.0.0.1 or a unix: socket behind a proxy that speaks HTTPS")
	}
}

// pageURL checks an address that links lead to.
func (k *checker) pageURL(key, text string, needed bool) {
	if text == "" {
		if needed {
			k.mistake(key, "is missing", "write the address that people see, as https://lists.example.org")
		}
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		k.mistake(key, fmt.Sprintf("%q is not the address of a server", text), "write it without a path, as https://lists.example.org")
		return
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())) {
		k.mistake(key, "is not https", "let the proxy in front speak HTTPS, or set web.tls")
	}
}
