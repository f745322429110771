package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
)

// TestEveryRouteIsDocumented, and everything documented is routed to itself.
func TestEveryRouteIsDocumented(t *testing.T) {
	s := New(Parts{})
	paths := document()["paths"].(object)
	n := 0
	for path, operations := range paths {
		for method := range operations.(object) {
			n++
			at := Base + inBraces.ReplaceAllString(path, "x")
			if _, pattern := s.mux.Handler(httptest.NewRequest(strings.ToUpper(method), at, nil)); pattern != strings.ToUpper(method)+" "+Base+path {
				t.Errorf("%s %s leads to %q", method, path, pattern)
			}
		}
	}
	if all := routes(); n != len(all) {
		t.Errorf("%d operations are documented, and there are %d routes", n, len(all))
	}
}

// TestReadingChangesNothing: what has the scope read is a GET, and what is a GET has it.
func TestReadingChangesNothing(t *testing.T) {
	for _, r := range routes() {
		if (r.method == http.MethodGet) != (r.scope == admin.ScopeRead) {
			t.Errorf("%s %s has the scope %s", r.method, r.path, r.scope)
		}
	}
}
