package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// Whose address counts: the nearest that is no proxy of ours. What a client says
// of himself in front of that counts nothing.
func TestClient(t *testing.T) {
	s := &Server{Parts: Parts{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}}}
	for _, test := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"198.51.100.7:1", nil, "198.51.100.7"},
		{"198.51.100.7:1", []string{"203.0.113.1"}, "198.51.100.7"}, // no proxy of ours
		{"127.0.0.1:1", []string{"203.0.113.1"}, "203.0.113.1"},
		{"127.0.0.1:1", []string{"10.0.0.1, 203.0.113.1"}, "203.0.113.1"}, // the first is the client's own word
		{"127.0.0.1:1", []string{"10.0.0.1", "203.0.113.1, 192.0.2.9"}, "203.0.113.1"},
		{"[::ffff:127.0.0.1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"127.0.0.1:1", []string{"203.0.113.1, nonsense"}, "127.0.0.1"},
		{"127.0.0.1:1", nil, "127.0.0.1"},
		{"@", []string{"203.0.113.1"}, "203.0.113.1"}, // a socket
		{"@", nil, "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = test.peer
		r.Header["X-Forwarded-For"] = test.forwarded
		if got := s.client(r).String(); got != test.want {
			t.Errorf("%s, %q: %s, not %s", test.peer, test.forwarded, got, test.want)
		}
	}
}
