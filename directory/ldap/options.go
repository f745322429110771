package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ClientOptions say how the servers of one directory are reached. URLs must be given; everything else has a default.
type ClientOptions struct {
	// URLs are the servers, asked in this order: ldaps://host[:636], ldap://host[:389] or ldapi:///path/of/socket (also
	// ldapi://%2Fpath%2Fof%2Fsocket). They hold the same data: the next one is asked only while those before it do not
	// answer.
	URLs []string

	// Discover is a domain whose servers DNS names, in the place of URLs. They are asked over TLS only, and get no
	// credentials. LookupSRV asks DNS; nil: the system's resolver.
	Discover  string
	LookupSRV LookupSRV

	// StartTLS makes TLS out of each ldap:// connection before anything else is said. A server that refuses counts as
	// down; nothing ever goes on in clear.
	StartTLS bool

	// TLS has the CAs that vouch for the servers; nil means those of the system. The server name is the URL's host unless
	// it is set here. TLS 1.2 is the least.
	TLS *tls.Config

	// Insecure allows ldap:// without StartTLS to a host that is not this one: whoever sits between reads the bind
	// password and puts in certificates of his own.
	Insecure bool

	// BindDN is the name of a simple bind; empty binds nobody. BindPassword is called for each new connection, so that a
	// changed password file counts. Its result is not kept.
	BindDN       string
	BindPassword func() ([]byte, error)

	// External binds by SASL EXTERNAL (RFC 4422 appendix A): as whom the server takes our TLS client certificate, which
	// TLS must have, or, over ldapi, our user id. A bind that fails is an outage, never an anonymous one instead.
	External bool

	// Timeout is how long one question to one server may take, connecting included. Default 10 s.
	Timeout time.Duration

	// ConnectTimeout is how long of that connecting, TLS and binding may take. Default half of Timeout, 5 s at most.
	ConnectTimeout time.Duration

	// IdleTimeout is how long a connection may lie unused and still be used again: what stands between may have
	// forgotten it. Default 1 minute.
	IdleTimeout time.Duration

	// Control sees each address before it is connected to, and may refuse, as net.Dialer has it. Nil: none is refused.
	Control func(network, address string, c syscall.RawConn) error

	Clock func() time.Time // for the breaker and IdleTimeout; nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

func (o *ClientOptions) complete() error {
	switch {
	case o.Discover != "" && (len(o.URLs) > 0 || o.BindDN != "" || o.External || o.TLS != nil && len(o.TLS.Certificates) > 0):
		return errors.New("servers that DNS names get no credentials, and stand in the place of URLs")
	case o.Discover == "" && len(o.URLs) == 0:
		return errors.New("no URL of a server is given")
	case o.BindDN != "" && o.External:
		return errors.New("SASL EXTERNAL and a bind DN exclude each other")
	case o.LookupSRV == nil:
		o.LookupSRV = net.DefaultResolver.LookupSRV
	}
	if o.BindDN != "" && o.BindPassword == nil {
		return fmt.Errorf("bind_dn %q is given without a password: directories take that for no bind at all", o.BindDN)
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.ConnectTimeout <= 0 || o.ConnectTimeout > o.Timeout {
		o.ConnectTimeout = min(o.Timeout/2, 5*time.Second)
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Minute
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Options say where in a directory certificates are. Name, BaseDN and, without a Preset, Filter and Attributes must be
// given.
type Options struct {
	ClientOptions

	Name string // of the source: in explanations, logs, and as directory.Origin.Source

	// Domains of the addresses this directory answers for, without those below them; for others it says
	// directory.ErrNotSource. Empty: all.
	Domains []string

	// Preset gives Filter and Attributes that fit a kind of server: "openldap", "active-directory", "389ds"; "custom" or
	// empty gives none.
	Preset string

	BaseDN string
	Scope  Scope // zero: WholeSubtree

	// Filter finds the entry of an address. {addr} stands for the address, {local} and {domain} for its two sides; they
	// are escaped (RFC 4515 section 3), so that no address can change the filter.
	Filter string

	// Attributes hold certificates, by bare names without ";binary". All their values together are candidates.
	Attributes []string

	// EntryBinds takes a certificate that names no address at all as its entry's (address_match: entry). It counts only
	// over TLS or ldapi, and only if one entry alone answers to the address.
	EntryBinds bool

	// BatchSize is how many addresses one search asks for. Default and most 50.
	BatchSize int
}

// preset is what suits a kind of server as it comes.
type preset struct {
	filter     string
	attributes []string
}

// QUIRK: bare names, although RFC 4523 section 2.1 has userCertificate asked for as userCertificate;binary. OpenLDAP
// returns nothing for userSMIMECertificate;binary, Active Directory nothing for either attribute with ;binary; asked for
// the bare name, each returns what it has, OpenLDAP and 389 DS under the name with ;binary.
var bothAttributes = []string{"userSMIMECertificate", "userCertificate"}

func presetOf(name string) (preset, error) {
	switch name {
	case "", "custom":
		return preset{}, nil
	case "openldap", "389ds":
		return preset{"(mail={addr})", bothAttributes}, nil
	case "active-directory":
		return preset{"(|(mail={addr})(proxyAddresses=smtp:{addr}))", bothAttributes}, nil
	}
	return preset{}, fmt.Errorf("preset %q is none of openldap, active-directory, 389ds, custom", name)
}

const maxBatch = 50

func (o *Options) complete() error {
	p, err := presetOf(o.Preset)
	if err != nil {
		return err
	}
	if o.Filter == "" {
		o.Filter = p.filter
	}
	if len(o.Attributes) == 0 {
		o.Attributes = p.attributes
	}
	switch {
	case o.Name == "":
		return errors.New("the directory has no name")
	case o.BaseDN == "" && o.Discover == "":
		return errors.New("no base_dn is given")
	case o.Filter == "":
		return errors.New("no filter is given; a preset brings one")
	case len(o.Attributes) == 0:
		return errors.New("no attributes are given; a preset brings them")
	}
	for _, a := range o.Attributes {
		if strings.Contains(a, ";") {
			return fmt.Errorf("attribute %q: give the bare name, %q", a, bareName(a))
		}
	}
	o.Attributes = slices.Clone(o.Attributes)
	if o.BatchSize <= 0 || o.BatchSize > maxBatch {
		o.BatchSize = maxBatch
	}
	return nil
}

// Scope is how deep a search goes below its base.
type Scope int

// The scopes (RFC 4511 section 4.5.1.2).
const (
	WholeSubtree Scope = iota // the base and everything below it
	SingleLevel               // what stands directly below the base
	BaseObject                // the base alone
)

// String returns the name as LDAP URLs have it: sub, one, base.
func (s Scope) String() string {
	switch s {
	case SingleLevel:
		return "one"
	case BaseObject:
		return "base"
	}
	return "sub"
}

// ParseScope reads sub, one or base; empty is sub.
func ParseScope(name string) (Scope, error) {
	for _, s := range []Scope{WholeSubtree, SingleLevel, BaseObject} {
		if name == s.String() {
			return s, nil
		}
	}
	if name == "" {
		return WholeSubtree, nil
	}
	return WholeSubtree, fmt.Errorf("scope %q is none of sub, one, base", name)
}
