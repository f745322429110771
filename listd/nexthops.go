package listd

import (
	"fmt"
	"strings"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/relay"
)

// relay makes the connection pools to the next hops.
func (s *Sealist) relay() (*relay.Relay, error) {
	var hops []relay.Hop
	for _, h := range s.Config.Relay.NextHops() {
		c, err := s.hop(h)
		if err != nil {
			return nil, err
		}
		hops = append(hops, relay.Hop{Config: c, Weight: h.Weight})
	}
	return relay.NewHops(hops, s.o.Clock, s.log)
}

func (s *Sealist) hop(h config.Hop) (relay.Config, error) {
	tls, err := clientTLS(h.CAFile)
	if err != nil {
		return relay.Config{}, fmt.Errorf("reading cafile of the next hop %s (relay.cafile): %w", h.URL(), err)
	}
	c := relay.Config{
		URL: h.URL(), TLS: relay.TLSMode(h.TLS), TLSConfig: tls,
		Hello: s.hostname(), Connections: s.Config.Relay.Connections,
	}
	user, password, err := h.Auth()
	if err != nil {
		return relay.Config{}, fmt.Errorf("reading auth_file of the next hop %s: %w", h.URL(), err)
	}
	if user != "" {
		c.Auth = &relay.Auth{User: user, Password: password.Reveal}
	}
	return c, nil
}

// nextHops names them for the log.
func (s *Sealist) nextHops() string {
	var urls []string
	for _, h := range s.Config.Relay.NextHops() {
		urls = append(urls, h.URL())
	}
	return strings.Join(urls, " ")
}
