package listd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/smime/trust"
)

// certificates reads the certificates of a PEM or DER file, of a folder of
// such files, or of both; an empty path is none. A folder may hold other files
// beside them, and links to the same files, as OpenSSL's c_rehash makes them:
// each certificate counts once.
func certificates(paths ...string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	seen := map[string]bool{}
	for _, path := range paths {
		files, err := config.CertificateFiles(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			octets, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			certs, err := trust.ParseCertificates(octets)
			if errors.Is(err, trust.ErrNoCertificate) && file != path {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			for _, c := range certs {
				if fp := trust.Fingerprint(c); !seen[fp] {
					seen[fp] = true
					out = append(out, c)
				}
			}
		}
	}
	return out, nil
}

// clientTLS returns the settings of a connection whose server is vouched for
// by the authorities in cafile, or by the system's if it is empty.
func clientTLS(cafile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cafile == "" {
		return c, nil
	}
	certs, err := certificates(cafile)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	for _, cert := range certs {
		c.RootCAs.AddCert(cert)
	}
	return c, nil
}

// serverTLS returns the settings of STARTTLS with the certificate in these
// files, or nil if none is configured.
func serverTLS(cert, key string) (*tls.Config, error) {
	if cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}

// scopedAnchors reads the trust anchors that speak for some domains only.
func scopedAnchors(anchors []config.Anchor) ([]trust.ScopedAnchors, error) {
	var scoped []trust.ScopedAnchors
	for _, a := range anchors {
		certs, err := certificates(a.CAFile)
		if err != nil {
			return nil, err
		}
		scoped = append(scoped, trust.ScopedAnchors{Anchors: certs, Domains: a.Domains})
	}
	return scoped, nil
}

// loadPair reads the certificate that is shown to a server.
func loadPair(cert, key string) ([]tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	return []tls.Certificate{pair}, err
}
