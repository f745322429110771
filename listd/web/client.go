package web

import (
	"net/http"
	"net/netip"
)

// Client is the address that a request comes from, as far as proxies that are
// trusted tell; zero for one through a socket.
func (s *Server) Client(r *http.Request) netip.Addr { return s.client(r) }
