package revocation

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
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
	sixToFour   = netip.MustParsePrefix("2002::/16") // RFC 3056: the IPv4 address stands behind it
	// The IPv4 address is the end of these: IPv4-compatible (RFC 4291 section 2.5.5.1), translated (RFC 2765), and
	// NAT64 (RFC 6052).
	embedding = []netip.Prefix{netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0:0/96"), netip.MustParsePrefix("64:ff9b::/96")}
	// Where a network's own NAT64 (RFC 8215) and Teredo (RFC 4380) put it depends on the network: none is let through.
	opaque = []netip.Prefix{netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/32")}
)

func permitted(addr netip.Addr) error {
	addr = addr.WithZone("").Unmap()
	contains := func(p netip.Prefix) bool { return p.Contains(addr) }
	octets := addr.As16()
	switch {
	case addr.IsLoopback() || addr.IsUnspecified(): // ::1 and :: are IPv4-compatible by their form
	case slices.ContainsFunc(opaque, contains):
		return fmt.Errorf("%s: %w", addr, ErrForbidden)
	case slices.ContainsFunc(embedding, contains):
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

// permittedName judges a host that a proxy connects to: only a plain domain name or an address in its usual form passes,
// because what else resolvers take for an address (127.1, 2130706433, 0x7f000001, full-width digits) differs from one to
// the next.
func permittedName(host string) error {
	forbidden := fmt.Errorf("%s: %w", host, ErrForbidden)
	if addr, err := netip.ParseAddr(host); err == nil {
		return permitted(addr)
	}
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	for _, label := range labels {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return forbidden
		}
	}
	last := labels[len(labels)-1]
	if last == "localhost" || labels[0] == "localhost" || last == "localdomain" || last[0] >= '0' && last[0] <= '9' {
		return forbidden
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
