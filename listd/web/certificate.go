package web

import (
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// What a proxy says of the client's certificate, each field once.
const (
	verifyField = "X-Sealist-Client-Verify" // SUCCESS, as nginx's $ssl_client_verify has it
	certField   = "X-Sealist-Client-Cert"   // the whole PEM, percent-encoded, as nginx's $ssl_client_escaped_cert has it
	secretField = "X-Sealist-Proxy"         // the secret of web.proxy_secret_file
)

// errNoCertificate says that a browser showed no certificate that could be judged.
var errNoCertificate = errors.New("no client certificate")

// handover is what the page of the login address shows.
type handover struct {
	Address list.Address
	Target  string // where the form leads
	Token   string
	To      string
}

// presented judges the certificate that a browser presented, and shows whom it
// names. Nothing is opened yet: a GET changes nothing.
func (q *request) presented(throughSocket bool) error {
	cert, err := q.clientCertificate(throughSocket)
	if err != nil {
		return q.show(http.StatusForbidden, "refusal", refusal{Text: q.text("login.nocertificate"), Hint: q.text("login.nocertificate.hint")})
	}
	who, key, err := q.s.Admin.HandOver(q.Context(), cert)
	if err != nil {
		return err
	}
	target := q.s.BaseURL.JoinPath("/login/continue").String()
	if q.s.LoginURL != nil {
		// With "same-origin" browsers would send the form with the Origin "null".
		q.w.Header().Set("Referrer-Policy", "strict-origin")
		q.w.Header().Set("Content-Security-Policy", strings.Replace(policy, "form-action 'self'", "form-action 'self' "+q.s.BaseURL.Scheme+"://"+q.s.BaseURL.Host, 1))
	}
	return q.show(http.StatusOK, "handover", handover{who.Address(), target, key, local(q.FormValue("to"))})
}

// useHandover opens a session for whoever came from the login address.
func (q *request) useHandover() error {
	who, err := q.s.Admin.TakeOver(q.Context(), q.PostFormValue("token"))
	if err != nil {
		return err
	}
	if err := q.s.begin(q.Context(), q.w, q.Request, who); err != nil {
		return err
	}
	return q.seeOther(q.PostFormValue("to"))
}

// clientCertificate is what the client presented to us, or to a proxy that may
// be believed.
func (q *request) clientCertificate(throughSocket bool) (*x509.Certificate, error) {
	if q.TLS != nil && len(q.TLS.PeerCertificates) > 0 {
		return q.TLS.PeerCertificates[0], nil
	}
	verify, verified := once(q.Header, verifyField)
	escaped, given := once(q.Header, certField)
	if !q.believed(throughSocket) || !verified || verify != "SUCCESS" || !given {
		return nil, errNoCertificate
	}
	text, err := url.PathUnescape(escaped) // a "+" is one of base64
	if err != nil {
		return nil, errNoCertificate
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errNoCertificate
	}
	return x509.ParseCertificate(block.Bytes)
}

// believed tells whether a request comes from a proxy whose word about
// certificates counts.
func (q *request) believed(throughSocket bool) bool {
	secret, ok := once(q.Header, secretField)
	return throughSocket || q.s.ProxySecret != "" && ok && subtle.ConstantTimeCompare([]byte(secret), []byte(q.s.ProxySecret)) == 1
}

// once returns a field that is there once, under no other spelling: proxies
// drop underscores in names, or make hyphens of them.
func once(h http.Header, name string) (string, bool) {
	count := 0
	for field, values := range h {
		if strings.EqualFold(strings.ReplaceAll(field, "_", "-"), name) {
			count += len(values)
		}
	}
	values := h.Values(name)
	if count != 1 || len(values) != 1 {
		return "", false
	}
	return values[0], true
}
