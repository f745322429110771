package config

import (
	"fmt"
	"net"
	"strings"
)

// relay checks the next hops.
func (k *checker) relay(r Relay) {
	if len(r.Hops) == 0 {
		k.hop("relay", r.Address, endpointRemedy, r.TLS)
	}
	if r.CAFile != "" {
		k.certificates("relay.cafile", r.CAFile, false)
	}
	for i, h := range r.Hops {
		section := fmt.Sprintf("relay.hops[%d]", i)
		if strings.HasPrefix(h.Address, "/") && h.Protocol == "smtp" {
			k.mistake(section+".protocol", "a unix socket does not speak smtp", "write lmtp")
			continue
		}
		e := k.hop(section, h.URL(), "write host:port, or the absolute path of a unix socket", h.TLS)
		if h.CAFile != "" && h.CAFile != r.CAFile {
			k.certificates(section+".cafile", h.CAFile, false)
		}
		if h.AuthFile == "" {
			continue
		}
		if _, _, err := h.Auth(); err != nil {
			k.mistake(section+".auth_file", pathError(err), "the file must hold user:password and be readable by the user that runs listd")
		}
		host, _, _ := net.SplitHostPort(e.Address)
		if verified := h.TLS == "required" || h.TLS == "implicit"; !verified && e.Network == "tcp" && !onThisMachine(host) {
			k.mistake(section+".auth_file", fmt.Sprintf("with tls %s the password is shown to whoever stands in between", h.TLS), "write tls: required, or implicit")
		}
	}
}

// hop checks where a next hop is, and that it can be verified if tls says so.
func (k *checker) hop(section, url, remedy, tls string) Endpoint {
	e, err := ParseEndpoint(url)
	switch {
	case err != nil:
		k.mistake(section+".address", err.Error(), remedy)
	case strings.HasSuffix(e.Address, ":0") || strings.HasPrefix(e.Address, ":"):
		k.mistake(section+".address", fmt.Sprintf("%q names no host and port to connect to", url), remedy)
	case e.Network == "unix" && (tls == "required" || tls == "implicit"):
		k.mistake(section+".tls", fmt.Sprintf("%q asks for a verified certificate, but a socket has no name to verify it by", tls), "write none")
	}
	return e
}
