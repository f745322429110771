package config

import (
	"bytes"
	"fmt"
	"strings"
)

// NextHops returns relay.hops, or relay.address as the one hop, all with their
// defaults. It wants a completed configuration.
func (r Relay) NextHops() []Hop {
	if len(r.Hops) > 0 {
		return r.Hops
	}
	protocol, address, _ := strings.Cut(r.Address, ":")
	return []Hop{{Protocol: protocol, Address: strings.TrimPrefix(address, "//"), TLS: r.TLS, CAFile: r.CAFile, Weight: 1}}
}

// MaxConnections returns how many connections serve at a time: those to the
// hops that have a weight, or to all if none has.
func (r Relay) MaxConnections() int {
	hops := r.NextHops()
	n := 0
	for _, h := range hops {
		if h.Weight > 0 {
			n++
		}
	}
	if n == 0 {
		n = len(hops)
	}
	return n * r.Connections
}

// URL writes a hop as relay.address has it.
func (h Hop) URL() string {
	if strings.HasPrefix(h.Address, "/") {
		return h.Protocol + ":" + h.Address
	}
	return h.Protocol + "://" + h.Address
}

// Auth reads auth_file: the user's name up to the first colon, and the
// password behind it. Without a file both are empty.
func (h Hop) Auth() (user string, password Secret, err error) {
	if h.AuthFile == "" {
		return "", Secret{}, nil
	}
	line, err := ReadSecretFile(h.AuthFile)
	if err != nil {
		return "", Secret{}, err
	}
	name, word, _ := bytes.Cut(line.Reveal(), []byte(":"))
	if len(name) == 0 || len(word) == 0 || bytes.ContainsAny(line.Reveal(), "\r\n\x00") {
		return "", Secret{}, fmt.Errorf("%s does not hold user:password on one line: %w", h.AuthFile, ErrNoSecret)
	}
	return string(name), NewSecret(word), nil
}
