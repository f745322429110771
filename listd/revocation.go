package listd

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/smime/revocation"
)

// openRevocation makes the room that finds out what has been revoked, and the
// judge whose word counts from here on.
func (s *Sealist) openRevocation(ctx context.Context) error {
	c := s.Config.Trust.Revocation
	o := revocation.Options{
		Check: []revocation.Mechanism{}, Proxy: c.Proxy, Directory: crlDirectories{s},
		AllowSHA1: strings.EqualFold(s.Config.Trust.Algorithms.SHA1Signatures, "allow"),
		Shelf:     crlShelf{s}, Clock: s.o.Clock, Log: s.log.With("room", "revocation"),
	}
	for _, m := range c.Check {
		o.Check = append(o.Check, revocation.Mechanism(m))
	}
	for _, m := range c.URLMap {
		o.URLMap = append(o.URLMap, revocation.Mapping{From: m.From, To: m.To})
	}
	var err error
	if s.Revocation, err = revocation.New(o); err != nil {
		return fmt.Errorf("trust.revocation: %w", err)
	}
	s.blocks = &blocks{store: s.Store}
	if err := s.blocks.load(ctx); err != nil {
		return err
	}
	s.Judge = s.Revocation.Judge(s.Trust, revocation.Policies{Signers: policy(c.Signers), Recipients: policy(c.Recipients)}).Except(s.blocks.except)
	return nil
}

func policy(c config.RevocationPolicy) revocation.Policy {
	return revocation.Policy{
		Unknown: revocation.Unknown(c.Unknown), Grace: time.Duration(c.Grace), NoMechanism: revocation.Unknown(c.NoMechanism),
	}
}

// Graces are those of the policies.
func (s *Sealist) Graces() admin.Graces {
	of := func(p config.RevocationPolicy) time.Duration {
		if p.Unknown != string(revocation.Grace) {
			return -1
		}
		return time.Duration(p.Grace)
	}
	c := s.Config.Trust.Revocation
	return admin.Graces{Recipients: of(c.Recipients), Signers: of(c.Signers)}
}

// crlDirectories answers for CRLs that stand in LDAP directories. A URL without
// a host, as Active Directory's certificate services write it, is asked of the
// configured directory that holds the entry; so is one with the host of a
// configured server. Any other server is asked anonymously, and only where a
// certificate's URL may lead.
type crlDirectories struct{ s *Sealist }

// Values implements revocation.Directory.
func (d crlDirectories) Values(ctx context.Context, q revocation.Question) ([][]byte, error) {
	if q.Server == "" {
		for i, c := range d.s.Config.Directories {
			if ldap.Holds(c.BaseDN, q.DN) {
				return d.s.Directories[i].Values(ctx, q.DN, q.Attribute)
			}
		}
		return nil, fmt.Errorf("no configured directory holds %q", q.DN)
	}
	u, err := url.Parse(q.Server)
	if err != nil {
		return nil, err
	}
	for i, c := range d.s.Config.Directories {
		if slices.ContainsFunc(c.URLs, func(own string) bool { return sameServer(own, u) }) {
			return d.s.Directories[i].Values(ctx, q.DN, q.Attribute)
		}
	}
	return anonymous(ctx, q)
}

// sameServer compares hosts: on which of its ports a server is asked is the
// configuration's choice.
func sameServer(own string, u *url.URL) bool {
	o, err := url.Parse(own)
	return err == nil && o.Hostname() != "" && strings.EqualFold(o.Hostname(), u.Hostname())
}

// anonymous asks a server that is not configured. What it answers is signed by
// the CA, or does not count.
func anonymous(ctx context.Context, q revocation.Question) ([][]byte, error) {
	o := ldap.ClientOptions{URLs: []string{q.Server}, Insecure: true, Timeout: 10 * time.Second}
	if !q.Mapped {
		o.Control = revocation.Guard
	}
	client, err := ldap.NewClient(o)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Values(ctx, q.DN, q.Attribute)
}
