package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"
)

// Names of the sources of certificates that are no directories.
const (
	SourceHarvest = "harvest"
	SourceFiles   = "files"
)

// SelectPinned is the value of resolver.select with which only pinned certificates are used.
const SelectPinned = "pinned"

// directoryDefaults is what a directory has that says nothing else.
func directoryDefaults() Directory {
	return Directory{Preset: "custom", AddressMatch: "certificate", Timeout: Duration(10 * time.Second), Scope: "sub", IdleTimeout: Duration(time.Minute)}
}

// preset gives the filter and attributes that fit a kind of server as it
// comes. Bare attribute names: OpenLDAP returns nothing for
// userSMIMECertificate;binary, Active Directory nothing for either ;binary.
func preset(name string) (filter string, attributes []string) {
	both := []string{"userSMIMECertificate", "userCertificate"}
	switch name {
	case "openldap", "389ds":
		return "(mail={addr})", both
	case "active-directory":
		return "(|(mail={addr})(proxyAddresses=smtp:{addr}))", both
	default:
		return "", nil
	}
}

// Complete makes relative paths absolute (from the folder of c.File, or the
// working directory's where there is none) and fills in what depends on other
// values: what a directory's preset implies, and resolver.order. Load does it
// by itself; a configuration made in the program wants it before it is used.
func (c *Config) Complete() {
	base := filepath.Dir(c.File)
	for _, path := range []*string{
		&c.DataDir, &c.KeyPasswordFile, &c.PKCS11.PINFile, &c.Store.PasswordFile, &c.SMTP.TLS.Cert, &c.SMTP.TLS.Key, &c.Relay.CAFile,
		&c.Trust.CAFile, &c.Trust.CAPath, &c.Trust.Intermediates,
	} {
		*path = under(base, *path)
	}
	c.Files.Dir = under(c.DataDir, c.Files.Dir)
	for i := range c.Trust.Anchors {
		c.Trust.Anchors[i].CAFile = under(base, c.Trust.Anchors[i].CAFile)
	}
	for i := range c.Relay.Hops {
		c.Relay.Hops[i].complete(base, c.Relay)
	}
	for i := range c.Directories {
		c.Directories[i].complete(base)
	}
	if len(c.Resolver.Order) == 0 {
		c.Resolver.Order = c.defaultOrder()
	}
}

// complete does the same for one next hop.
func (h *Hop) complete(base string, r Relay) {
	h.Protocol, h.TLS = cmp.Or(h.Protocol, "smtp"), cmp.Or(h.TLS, r.TLS)
	h.CAFile = cmp.Or(under(base, h.CAFile), r.CAFile)
	h.AuthFile = under(base, h.AuthFile)
}

// complete does the same for one directory.
func (d *Directory) complete(base string) {
	for _, path := range []*string{&d.CAFile, &d.BindPasswordFile, &d.ClientCert, &d.ClientKey} {
		*path = under(base, *path)
	}
	defaults := directoryDefaults()
	d.Preset = cmp.Or(d.Preset, defaults.Preset)
	d.AddressMatch = cmp.Or(d.AddressMatch, defaults.AddressMatch)
	d.Timeout = cmp.Or(d.Timeout, defaults.Timeout)
	d.Scope, d.IdleTimeout = cmp.Or(d.Scope, defaults.Scope), cmp.Or(d.IdleTimeout, defaults.IdleTimeout)
	filter, attributes := preset(d.Preset)
	d.Filter = cmp.Or(d.Filter, filter)
	if len(d.Attributes) == 0 {
		d.Attributes = attributes
	}
}

// defaultOrder asks the directories as they stand, then what was learnt from
// mail, then the files.
func (c *Config) defaultOrder() []string {
	var order []string
	for _, d := range c.Directories {
		if !slices.Contains(order, d.Name) {
			order = append(order, d.Name)
		}
	}
	return append(order, SourceHarvest, SourceFiles)
}

// under makes a path absolute; an empty one stays empty.
func under(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}
