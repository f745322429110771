package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Endpoint is where a listener listens or a next hop is reached.
type Endpoint struct {
	LMTP    bool   // LMTP (RFC 2033) rather than SMTP
	Network string // "tcp" or "unix", as net.Listen and net.Dial take it
	Address string // host:port, or the socket's absolute path
}

const endpointRemedy = "write smtp://host:port, lmtp://host:port or lmtp:/path/of/socket"

// ParseEndpoint reads smtp://host:port, lmtp://host:port and
// lmtp:/path/of/socket. Port 0 makes sense to a listener only.
func ParseEndpoint(text string) (Endpoint, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	if scheme != "smtp" && scheme != "lmtp" {
		return Endpoint{}, fmt.Errorf("%q begins neither with smtp: nor with lmtp: as it must", text)
	}
	e := Endpoint{LMTP: scheme == "lmtp"}
	if hostPort, found := strings.CutPrefix(rest, "//"); found {
		host, port, err := net.SplitHostPort(hostPort)
		if err != nil {
			return Endpoint{}, fmt.Errorf("%q has no host:port behind the slashes", text)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return Endpoint{}, fmt.Errorf("%q has no port between 0 and 65535", text)
		}
		if host != "" && !hostName(strings.ToLower(host)) && !isIP(host) {
			return Endpoint{}, fmt.Errorf("%q names no host", text)
		}
		e.Network, e.Address = "tcp", hostPort
		return e, nil
	}
	if !e.LMTP || !strings.HasPrefix(rest, "/") {
		return Endpoint{}, fmt.Errorf("%q is neither host and port nor a socket's absolute path", text)
	}
	e.Network, e.Address = "unix", rest
	return e, nil
}

// String writes what ParseEndpoint reads.
func (e Endpoint) String() string {
	scheme := "smtp:"
	if e.LMTP {
		scheme = "lmtp:"
	}
	if e.Network == "tcp" {
		scheme += "//"
	}
	return scheme + e.Address
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// onThisMachine tells whether a host is loopback by what is written, without
// asking the DNS.
func onThisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// checkLDAPURL reads ldap://host, ldaps://host and ldapi:///path. plain tells
// that what goes over it can be read and changed on the way.
func checkLDAPURL(text string, startTLS bool) (plain bool, what, remedy string) {
	const form = "write ldaps://host, ldap://host or ldapi:///path/of/socket"
	if socket, found := strings.CutPrefix(text, "ldapi://"); found {
		switch path, err := url.PathUnescape(socket); { // ldapi://%2Fpath is the form of OpenLDAP's tools
		case err != nil || !strings.HasPrefix(path, "/") || strings.Contains(socket, "?"):
			return false, fmt.Sprintf("%q names no socket", text), form
		case startTLS:
			return false, fmt.Sprintf("%q is a socket, on which there is no STARTTLS", text), "take starttls out"
		}
		return false, "", ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return false, fmt.Sprintf("%q is no address", redactURL(text)), form
	}
	shown := redactURL(text)
	switch {
	case u.User != nil:
		return false, fmt.Sprintf("%q has a user in it", shown), "use bind_dn and bind_password_file"
	case u.RawQuery != "" || u.Fragment != "":
		return false, fmt.Sprintf("%q has parameters", shown), "put them into base_dn, filter and attributes"
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return false, fmt.Sprintf("%q begins with neither ldaps, ldap nor ldapi", shown), form
	case u.Hostname() == "":
		return false, fmt.Sprintf("%q names no host", shown), form
	case u.Path != "" && u.Path != "/":
		return false, fmt.Sprintf("%q has a path", shown), "put it into base_dn"
	case u.Port() != "" && !validPort(u.Port()):
		return false, fmt.Sprintf("%q has no port between 1 and 65535", shown), form
	case u.Scheme == "ldaps" && startTLS:
		return false, fmt.Sprintf("%q is TLS from the first octet, and starttls is set too", shown), "take starttls out, or write ldap://"
	}
	return u.Scheme == "ldap" && !startTLS && !onThisMachine(u.Hostname()), "", ""
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
