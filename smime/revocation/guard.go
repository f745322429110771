package revocation

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrForbidden says that an address is one of this machine or this link, where a certificate's URL must not lead.
var ErrForbidden = errors.New("a URL in a certificate must not lead there without url_map")

// Guard is for net.Dialer.Control: it looks at the address that is about to be connected to, so that it does not matter
// which name led there. Private addresses pass, because a corporate CA has no other; those of this machine and its link
// do not.
func Guard(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%s: %w", host, ErrForbidden)
	}
	return permitted(addr)
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	broadcast   = netip.MustParseAddr("255.255.255.255")
	nat64       = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the IPv4 address is its end
	sixToFour   = netip.MustParsePrefix("2002::/16")    // RFC 3056: the IPv4 address stands behind it
)

func permitted(addr netip.Addr) error {
	addr = addr.WithZone("").Unmap()
	octets := addr.As16()
	switch {
	case nat64.Contains(addr):
		addr = netip.AddrFrom4([4]byte(octets[12:]))
	case sixToFour.Contains(addr):
		addr = netip.AddrFrom4([4]byte(octets[2:6]))
	}
	if addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() ||
		thisNetwork.Contains(addr) || addr == broadcast {
		return fmt.Errorf("%s: %w", addr, ErrForbidden)
	}
	return nil
}

// client makes an HTTP client without cookies, credentials or the environment's proxy. A guarded one connects only where
// Guard lets it. Through a proxy the proxy connects: then a host is judged by what it is called.
func client(proxy *url.URL, guarded bool) *http.Client {
	dialer := &net.Dialer{KeepAlive: idle}
	if guarded && proxy == nil {
		dialer.Control = Guard
	}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: idle,
		MaxIdleConns: maxFetches, MaxConnsPerHost: maxFetches, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
	if proxy != nil {
		transport.Proxy = func(r *http.Request) (*url.URL, error) {
			if guarded {
				if err := permittedName(r.URL.Hostname()); err != nil {
					return nil, err
				}
			}
			return proxy, nil
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: sameHost}
}

func permittedName(host string) error {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return fmt.Errorf("%s: %w", host, ErrForbidden)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return permitted(addr)
	}
	return nil
}

// sameHost follows redirects within one server.
func sameHost(to *http.Request, via []*http.Request) error {
	from := via[0].URL
	if to.URL.Host != from.Host || to.URL.Scheme != from.Scheme || to.URL.User != nil {
		return fmt.Errorf("it is redirected to another place, %s", to.URL.Redacted())
	}
	if len(via) > 3 {
		return errors.New("it is redirected more than three times")
	}
	return nil
}
