package ldap

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// target is a server's URL, understood.
type target struct {
	url      string // as it is shown
	network  string // tcp or unix
	address  string // host:port or path
	host     string // for the server's certificate
	protocol protocol
}

// protocol is how a connection is protected.
type protocol int

const (
	clear    protocol = iota // ldap://
	startTLS                 // ldap:// and StartTLS
	implicit                 // ldaps://
	local                    // ldapi://: a unix socket
)

func parseTarget(raw string, wantStartTLS, insecure bool) (target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return target{}, fmt.Errorf("%q is no URL such as ldaps://host", raw)
	}
	switch strings.ToLower(scheme) {
	case "ldapi":
		return parseSocket(raw, rest)
	case "ldaps":
		return parseHost(raw, implicit, "636")
	case "ldap":
		if wantStartTLS {
			return parseHost(raw, startTLS, "389")
		}
		t, err := parseHost(raw, clear, "389")
		if err == nil && !insecure && !loopback(t.host) {
			err = fmt.Errorf("%s would be asked in clear: use ldaps:// or StartTLS, or say that it may be insecure", raw)
		}
		return t, err
	}
	return target{}, fmt.Errorf("%q: the scheme is none of ldaps, ldap, ldapi", raw)
}

func parseHost(raw string, p protocol, port string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, err
	}
	switch {
	case u.Hostname() == "":
		return target{}, fmt.Errorf("%q names no host", raw)
	case u.User != nil:
		return target{}, fmt.Errorf("a URL with a password in it: give it in a file")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return target{}, fmt.Errorf("%q: only host and port belong there; base and filter are settings of their own", raw)
	case u.Port() != "":
		port = u.Port()
	}
	return target{url: raw, network: "tcp", address: net.JoinHostPort(u.Hostname(), port), host: u.Hostname(), protocol: p}, nil
}

// parseSocket reads both ways in which the path of a socket is written: ldapi:///path and ldapi://%2Fpath.
func parseSocket(raw, rest string) (target, error) {
	path := rest
	if !strings.HasPrefix(rest, "/") {
		encoded, _, _ := strings.Cut(rest, "/")
		var err error
		if path, err = url.PathUnescape(encoded); err != nil {
			return target{}, fmt.Errorf("%q: %w", raw, err)
		}
	}
	if !strings.HasPrefix(path, "/") || path == "/" {
		return target{}, fmt.Errorf("%q names no socket, as ldapi:///run/slapd/ldapi would", raw)
	}
	return target{url: raw, network: "unix", address: path, protocol: local}, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// tlsConfig is the configured one for this server.
func (t target) tlsConfig(base *tls.Config) *tls.Config {
	config := &tls.Config{}
	if base != nil {
		config = base.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = t.host
	}
	if config.MinVersion < tls.VersionTLS12 {
		config.MinVersion = tls.VersionTLS12
	}
	return config
}
