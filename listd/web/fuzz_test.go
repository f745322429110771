package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// Whatever stands in the proxy's fields, there is one certificate or none.
func FuzzProxyCertificate(f *testing.F) {
	pem := string(smimetest.NewCA("CA").Issue("a@example.org").CertificatePEM())
	for _, seed := range []string{url.PathEscape(pem), pem, url.PathEscape(pem + pem), "%zz", "-----BEGIN CERTIFICATE-----%0AMIIB%0A-----END CERTIFICATE-----", ""} {
		f.Add("SUCCESS", seed)
	}
	s := &Server{}
	f.Fuzz(func(t *testing.T, verify, escaped string) {
		r := httptest.NewRequest(http.MethodGet, "/login/certificate", nil)
		r.Header = http.Header{verifyField: {verify}, certField: {escaped}}
		cert, err := (&request{Request: r, s: s}).clientCertificate(true)
		if (cert == nil) == (err == nil) {
			t.Fatalf("%v, %v", cert, err)
		}
		if cert != nil && (verify != "SUCCESS" || strings.Count(escaped, "BEGIN") > 1 || len(cert.Raw) == 0) {
			t.Errorf("%q, %q", verify, escaped)
		}
		if cert, err := (&request{Request: r, s: s}).clientCertificate(false); cert != nil || err == nil {
			t.Error("believed without a secret")
		}
	})
}

// Whatever stands in the Cookie field, nobody is known and nothing fails.
func FuzzCookie(f *testing.F) {
	for _, seed := range []string{"__Host-sealist=x; lang=de", "__Host-sealist=", "lang=\"fr\"; lang=de", "=;=;;", "__Host-sealist=a; __Host-sealist=b", strings.Repeat("a=b;", 1000)} {
		f.Add(seed, "/x")
	}
	texts, err := readLocales(localeFiles)
	if err != nil {
		f.Fatal(err)
	}
	sessions, err := store.Open(f.Context(), "sqlite:test.db", store.Options{DataDir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { sessions.Close() })
	s := &Server{Parts: Parts{Admin: admin.New(admin.Parts{Store: sessions}), BaseURL: &url.URL{Scheme: "https", Host: "lists.example.org"}, Clock: time.Now, Lang: "en"}, locales: texts}
	f.Fuzz(func(t *testing.T, cookie, to string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{"Cookie": {cookie}, "Accept-Language": {cookie}}
		if who, err := s.visitor(r); err != nil || who.known {
			t.Errorf("%v, %v", who, err)
		}
		if s.locales[s.language(r)] == nil {
			t.Errorf("language %q", s.language(r))
		}
		if path := local(to); !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t\x00") {
			t.Errorf("%q leads to %q", to, path)
		}
	})
}
