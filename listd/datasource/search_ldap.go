package datasource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealist/sealist/directory/ldap"
)

// inDirectory asks an LDAP server whether a filter finds an entry.
func (s *Searcher) inDirectory(ctx context.Context, f SearchFile, what SearchFor) (bool, error) {
	set, err := readSettings(f.Octets, "directory", "host", "suffix", "filter", "scope", "bind_dn", "bind_password", "bind_password_file",
		"use_tls", "ca_file", "ca_verify", "ssl_cert", "ssl_key", "insecure", "ssl_version", "ssl_ciphers")
	if err != nil {
		return false, err
	}
	r := ldap.Request{BaseDN: set["suffix"], SizeLimit: 1}
	template, err := set.need("filter")
	if err != nil {
		return false, err
	}
	if r.Filter, err = fill(template, what.Variables, inFilter); err != nil {
		return false, err
	}
	if ldap.CheckFilter(r.Filter) != nil {
		return false, errorf("filter is no LDAP filter (RFC 4515)")
	}
	if r.Scope, err = ldap.ParseScope(set["scope"]); err != nil {
		return false, errorf("scope is none of sub, one, base")
	}
	if name := set["directory"]; name != "" {
		d, ok := s.directories[name]
		if !ok {
			return false, errorf("directory names none in the configuration")
		}
		if r.BaseDN == "" {
			r.BaseDN = d.BaseDN()
		}
		return anyEntry(ctx, d.Client(), r)
	}
	if r.BaseDN, err = set.need("suffix"); err != nil {
		return false, err
	}
	o, err := set.client()
	if err != nil {
		return false, err
	}
	client, err := ldap.NewClient(o)
	if err != nil {
		return false, errorf("its servers cannot be asked so: use_tls, host or bind_dn does not fit (clear text to another machine needs insecure true)")
	}
	defer client.Close()
	return anyEntry(ctx, client, r)
}

// inFilter escapes a value for a filter, and refuses it in any place but that
// of a value.
func inFilter(before, value string) (string, error) {
	if open := strings.LastIndexByte(before, '('); open < 0 || !strings.Contains(before[open:], "=") {
		return "", errorf("filter has a variable where no value stands")
	}
	return ldap.Escape(value), nil
}

// anyEntry tells whether there is one. More than the one that was asked for is
// an answer, too; a referral without one is none.
func anyEntry(ctx context.Context, c *ldap.Client, r ldap.Request) (bool, error) {
	reply, err := c.Search(ctx, r)
	switch {
	case errors.Is(err, ldap.ErrTruncated):
		return true, nil
	case err != nil:
		return false, outage(err)
	case len(reply.Entries) == 0 && len(reply.Referrals) > 0:
		return false, fmt.Errorf("%s: %w", reply.Server, ldap.ErrReferral)
	}
	return len(reply.Entries) > 0, nil
}

// outage tells which server failed at what, without the words in which a server
// may repeat the question.
func outage(err error) error {
	var failed ldap.Errors
	if !errors.As(err, &failed) {
		return errors.New("the directory cannot be asked")
	}
	texts := make([]string, len(failed))
	for i, one := range failed {
		if texts[i] = one.Error(); one.Code >= 0 {
			texts[i] = fmt.Sprintf("%s: %s: result code %d", one.Server, one.Stage, one.Code)
		}
	}
	return errors.New(strings.Join(texts, "; "))
}

// client reads how the servers are reached.
func (s settings) client() (ldap.ClientOptions, error) {
	o := ldap.ClientOptions{BindDN: s["bind_dn"], Timeout: searchPatience / 2}
	hosts, err := s.need("host")
	if err != nil {
		return o, err
	}
	if o.Insecure, err = s.flag("insecure"); err != nil {
		return o, err
	}
	scheme := "ldap://"
	switch s["use_tls"] {
	case "", "none":
	case "starttls":
		o.StartTLS = true
	case "ldaps":
		scheme = "ldaps://"
	default:
		return o, errorf("use_tls is none of starttls, ldaps, none")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host = strings.TrimSpace(host); !strings.Contains(host, "://") {
			host = scheme + host
		}
		o.URLs = append(o.URLs, host)
	}
	if o.TLS, err = s.tls(o.Insecure); err != nil {
		return o, err
	}
	if o.BindDN != "" {
		secret := []byte(s["bind_password"])
		if name := s["bind_password_file"]; name != "" {
			if secret, err = s.file("bind_password_file"); err != nil {
				return o, err
			}
			secret = []byte(strings.TrimRight(string(secret), "\r\n"))
		}
		if len(secret) == 0 {
			return o, errorf("bind_dn needs bind_password_file or bind_password")
		}
		o.BindPassword = func() ([]byte, error) { return secret, nil }
	}
	return o, nil
}

// tls reads whose certificates count, and our own.
func (s settings) tls(insecure bool) (*tls.Config, error) {
	c := &tls.Config{}
	switch s["ca_verify"] {
	case "", "required", "require":
	case "none", "optional":
		if !insecure {
			return nil, errorf("ca_verify leaves the servers' certificates unverified, which needs insecure true")
		}
		c.InsecureSkipVerify = true
	default:
		return nil, errorf("ca_verify is none of required, optional, none")
	}
	if s["ca_file"] != "" {
		pem, err := s.file("ca_file")
		if err != nil {
			return nil, err
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errorf("ca_file has no certificate")
		}
	}
	if s["ssl_cert"] != "" || s["ssl_key"] != "" {
		cert, err := s.file("ssl_cert")
		if err != nil {
			return nil, err
		}
		key, err := s.file("ssl_key")
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, errorf("ssl_cert and ssl_key are no pair")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// file reads a file that a setting names.
func (s settings) file(name string) ([]byte, error) {
	if !filepath.IsAbs(s[name]) {
		return nil, errorf("%s is no absolute path", name)
	}
	octets, err := os.ReadFile(s[name])
	if err != nil {
		return nil, errorf("%s cannot be read", name)
	}
	return octets, nil
}
