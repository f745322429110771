package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
)

// maxSocketPath is what a unix socket's address holds on every system.
const maxSocketPath = 103

// metrics checks that only this machine reaches what asks for no login.
func (k *checker) metrics(m Metrics) {
	if m.Listen != "" {
		host, port, err := net.SplitHostPort(m.Listen)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		switch {
		case err != nil:
			k.mistake("metrics.listen", fmt.Sprintf("%q is no address", m.Listen), "write host and port, as 127.0.0.1:9090")
		case !m.Insecure && (host == "" || elsewhere(host)):
			k.mistake("metrics.listen", fmt.Sprintf("%q is reached by others than this machine, and asks nobody for a login", m.Listen),
				"write 127.0.0.1:"+port+", or let a proxy with a login stand before it; insecure: true allows it all the same")
		}
	}
	if m.Pprof != "" && (!filepath.IsAbs(m.Pprof) || len(m.Pprof) > maxSocketPath) {
		k.mistake("metrics.pprof", fmt.Sprintf("%q is no path of a socket", m.Pprof), fmt.Sprintf("write it from the root, in at most %d octets, as /run/sealist/pprof.sock", maxSocketPath))
	}
}
