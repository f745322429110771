package relay

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// hop is a pool of connections to one next hop.
type hop struct {
	c       Config
	lmtp    bool
	network string
	address string
	log     *slog.Logger

	slots chan struct{} // one token a connection

	mu     sync.Mutex
	idle   []*conn // most recently used last
	closed bool
}

// newHop checks the configuration; it connects to nothing yet.
func newHop(c Config, log *slog.Logger) (*hop, error) {
	h := &hop{}
	var err error
	if h.lmtp, h.network, h.address, err = parseURL(c.URL); err != nil {
		return nil, err
	}
	setDefault(&c.TLS, TLSOpportunistic)
	setDefault(&c.Hello, "localhost")
	setDefault(&c.Connections, 8)
	setDefault(&c.MaxTransactions, 1000)
	setDefault(&c.IdleTimeout, 15*time.Second)
	setDefault(&c.ConnectTimeout, 30*time.Second)
	setDefault(&c.CommandTimeout, 5*time.Minute)
	setDefault(&c.DataTimeout, 3*time.Minute)
	setDefault(&c.FinalTimeout, 10*time.Minute)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.TLSConfig == nil {
		c.TLSConfig = &tls.Config{}
	}
	c.TLSConfig = c.TLSConfig.Clone()
	if host, _, err := net.SplitHostPort(h.address); err == nil && h.network == "tcp" {
		setDefault(&c.TLSConfig.ServerName, host)
	}
	if c.TLSConfig.ClientSessionCache == nil {
		c.TLSConfig.ClientSessionCache = tls.NewLRUClientSessionCache(c.Connections)
	}
	switch c.TLS {
	case TLSNone:
	case TLSOpportunistic:
		c.TLSConfig.InsecureSkipVerify = true
	case TLSRequired, TLSImplicit:
		c.TLSConfig.InsecureSkipVerify = false
		if c.TLSConfig.ServerName == "" {
			return nil, fmt.Errorf("relay: %s with tls %s: a socket has no name to verify a certificate by", c.URL, c.TLS)
		}
	default:
		return nil, fmt.Errorf("relay: tls %q: write none, opportunistic, required or implicit", c.TLS)
	}
	if strings.ContainsFunc(c.Hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("relay: hello name %q: write a host name", c.Hello)
	}
	if err := c.Auth.check(h, c.TLS); err != nil {
		return nil, fmt.Errorf("relay: %s: %w", c.URL, err)
	}
	h.log = log.With("room", "relay", "hop", c.URL)
	h.c = c
	h.slots = make(chan struct{}, c.Connections)
	return h, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// parseURL reads smtp://host:port, lmtp://host:port and lmtp:/path.
func parseURL(url string) (lmtp bool, network, address string, err error) {
	scheme, rest, _ := strings.Cut(url, ":")
	lmtp = scheme == "lmtp"
	hostPort, slashes := strings.CutPrefix(rest, "//")
	switch {
	case scheme != "smtp" && scheme != "lmtp":
	case slashes:
		if _, port, e := net.SplitHostPort(hostPort); e == nil && port != "" {
			return lmtp, "tcp", hostPort, nil
		}
	case lmtp && strings.HasPrefix(rest, "/"):
		return lmtp, "unix", rest, nil
	}
	return false, "", "", fmt.Errorf("relay: %q: write smtp://host:port, lmtp://host:port or lmtp:/path/of/socket", url)
}
