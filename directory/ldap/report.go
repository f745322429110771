package ldap

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory"
)

// Report is what `listmaster directory test ADDRESS` prints: how each server is reached, and what the directory has for
// one address.
type Report struct {
	Directory  string           `json:"directory"`
	Address    string           `json:"address"`
	Served     bool             `json:"served"` // the address is in one of the directory's domains
	BaseDN     string           `json:"base_dn"`
	Scope      string           `json:"scope"`
	Filter     string           `json:"filter"` // as sent
	Attributes []string         `json:"attributes"`
	Servers    []ServerReport   `json:"servers"`
	AnsweredBy string           `json:"answered_by,omitempty"`
	Entries    []EntryReport    `json:"entries,omitempty"`
	Unreadable []UnreadableText `json:"unreadable,omitempty"`
	Referrals  []string         `json:"referrals,omitempty"` // not followed
	Notes      []string         `json:"notes,omitempty"`     // several entries, addresses that do not count
	Error      string           `json:"error,omitempty"`     // why there is no answer

	// Answer is what a lookup would have given, for who judges certificates; EntryMayBind tells that address_match: entry
	// would bind what names no address, and is not set.
	Answer       directory.Answer `json:"-"`
	EntryMayBind bool             `json:"-"`
}

// ServerReport is how one server was reached.
type ServerReport struct {
	URL          string     `json:"url"`
	Stage        Stage      `json:"stage,omitempty"` // at which it failed
	Error        string     `json:"error,omitempty"`
	Remedy       string     `json:"remedy,omitempty"` // what to do about it
	TLS          *TLSReport `json:"tls,omitempty"`
	BindIdentity string     `json:"bind_identity,omitempty"` // "anonymous" or the bind DN, once that has worked
	Milliseconds float64    `json:"milliseconds"`            // to connect, bind and search
}

// TLSReport is who the server showed itself to be.
type TLSReport struct {
	Version  string    `json:"version"`
	Cipher   string    `json:"cipher"`
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
	Verified bool      `json:"verified"`
}

// EntryReport is one entry found.
type EntryReport struct {
	DN           string              `json:"dn"`
	Attributes   []AttributeReport   `json:"attributes"`
	Certificates []CertificateReport `json:"certificates"`
}

// AttributeReport is one attribute of it, by the name under which the server returned it.
type AttributeReport struct {
	Name   string `json:"name"`
	Values int    `json:"values"`
	Octets int    `json:"octets"`
}

// CertificateReport is one certificate in it. Whether it is usable is for the resolver to say.
type CertificateReport struct {
	Attribute   string    `json:"attribute"`
	Fingerprint string    `json:"fingerprint"` // SHA-256, hexadecimal
	Subject     string    `json:"subject,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	Serial      string    `json:"serial,omitempty"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	NotAfter    time.Time `json:"not_after,omitzero"`
	Error       string    `json:"error,omitempty"` // it cannot be read
}

// UnreadableText is a value that is no certificate.
type UnreadableText struct {
	DN        string `json:"dn"`
	Attribute string `json:"attribute"`
	Detail    string `json:"detail"`
}

// Test tries every server on a connection of its own, whatever is known of its health, and tells what the first that
// answers has for an address.
func (d *Directory) Test(ctx context.Context, address string) Report {
	key := directory.Normalise(address)
	_, _, valid := directory.Split(key)
	r := Report{Directory: d.o.Name, Address: address, Served: valid && directory.Serves(d.o.Domains, key), BaseDN: d.o.BaseDN,
		Scope: d.o.Scope.String(), Filter: d.template.expand(key)}
	if !valid {
		r.Error = fmt.Sprintf("%q is no e-mail address", address)
		return r
	}
	servers, undiscovered := d.client.current(ctx)
	if undiscovered != nil {
		r.Error = undiscovered.Error()
		return r
	}
	base, err := d.base(ctx)
	if err != nil {
		r.Error = err.Error() // each server says why below
	}
	r.BaseDN = base
	request := d.request(base, r.Filter, 1)
	r.Attributes = request.Attributes
	for _, s := range servers {
		report, answer := d.try(ctx, s, request)
		r.Servers = append(r.Servers, report)
		if answer != nil && r.AnsweredBy == "" {
			r.AnsweredBy, r.Referrals = answer.Server, answer.Referrals
			d.describe(&r, *answer)
			r.Answer = d.answer(ctx, key, finding{entries: answer.Entries, server: answer.Server, trusted: answer.Trusted, filter: r.Filter})
			r.Notes = r.Answer.Notes
			r.EntryMayBind = !d.o.EntryBinds && answer.Trusted && len(answer.Entries) == 1
		}
	}
	if r.AnsweredBy == "" {
		r.Error = "no server answered"
	}
	return r
}

// try asks one server on a fresh connection.
func (d *Directory) try(ctx context.Context, s *server, request Request) (report ServerReport, answer *Reply) {
	start := time.Now()
	report = ServerReport{URL: s.target.url}
	defer func() { report.Milliseconds = float64(time.Since(start).Microseconds()) / 1000 }()
	within, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, errTimeout)
	defer cancel()
	fail := func(e *Error) (ServerReport, *Reply) {
		report.Stage, report.Error, report.Remedy = e.Stage, e.Err.Error(), remedy(e, s)
		return report, nil
	}
	conn, failed := dial(within, s.target, s.o)
	if failed != nil {
		return fail(failed)
	}
	defer conn.close()
	report.TLS = tlsReport(conn)
	report.BindIdentity = "anonymous"
	switch {
	case s.o.BindDN != "":
		report.BindIdentity = s.o.BindDN
	case s.o.External:
		report.BindIdentity = "SASL EXTERNAL"
		if who, err := conn.ldap.WhoAmI(nil); err == nil && who.AuthzID != "" { // RFC 4532; not every server has it
			report.BindIdentity += " as " + who.AuthzID
		}
	}
	result, failed := s.ask(within, within, conn, d.client.searchRequest(request))
	if failed != nil {
		return fail(failed)
	}
	whole := d.client.reply(s.target, result)
	return report, &whole
}

// remedy is what to do about a failure.
func remedy(e *Error, s *server) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e.Err, &unknown):
		return "set cafile to the authority that signed the server's certificate"
	case errors.As(e.Err, &name):
		return "write the URL with a name that the certificate has, or set server_name to it"
	case errors.As(e.Err, &invalid):
		return "the server needs a new certificate; look at its dates and purposes"
	case e.Code == ldap.LDAPResultInvalidCredentials && s.o.External:
		return "the server knows nobody by our client certificate or user id: see how it maps them (olcAuthzRegexp)"
	case e.Code == ldap.LDAPResultInvalidCredentials:
		return "bind_dn or what bind_password_file holds is wrong, or the account is locked: try both with ldapwhoami"
	case e.Code == ldap.LDAPResultStrongAuthRequired, e.Code == ldap.LDAPResultConfidentialityRequired:
		return "the server wants TLS before a password: write ldaps://, or set starttls"
	case e.Code == ldap.LDAPResultNoSuchObject && s.o.BindDN == "" && !s.o.External:
		return "base_dn does not exist there, or an anonymous user may not see it: set bind_dn and bind_password_file"
	case e.Code == ldap.LDAPResultNoSuchObject:
		return "base_dn does not exist there, or we may not see it"
	case e.Code == ldap.LDAPResultOperationsError && s.o.BindDN == "" && !s.o.External:
		// QUIRK: Active Directory answers so to whoever has not bound.
		return "set bind_dn and bind_password_file: the server tells anonymous users nothing"
	case e.Code == ldap.LDAPResultInsufficientAccessRights, e.Code == ldap.LDAPResultInappropriateAuthentication:
		return "set bind_dn, or have the server let this user search"
	case e.Stage == StageStartTLS:
		return "the server does not offer StartTLS: write ldaps://, or have TLS set up there; Sealist does not go on in clear"
	case e.Stage == StageConnect:
		return "nothing answers there: look at the URL's host and port, at firewalls, and whether the server runs"
	case e.Stage == StageTLS:
		return "is it an ldaps port? ldap:// with starttls is another one, 389 as a rule"
	}
	return ""
}

func tlsReport(conn *connection) *TLSReport {
	state, ok := conn.tlsState()
	if !ok || len(state.PeerCertificates) == 0 {
		return nil
	}
	peer := state.PeerCertificates[0]
	return &TLSReport{Version: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite), Subject: peer.Subject.String(),
		Issuer: peer.Issuer.String(), NotAfter: peer.NotAfter, Verified: len(state.VerifiedChains) > 0}
}

// describe tells the entries of an answer.
func (d *Directory) describe(r *Report, answer Reply) {
	for _, e := range answer.Entries {
		entry := EntryReport{DN: e.DN}
		for _, a := range e.Attributes {
			octets := 0
			for _, value := range a.Values {
				octets += len(value)
			}
			entry.Attributes = append(entry.Attributes, AttributeReport{Name: a.Name, Values: len(a.Values), Octets: octets})
		}
		var a directory.Answer
		d.read(e, r.Address, finding{entries: answer.Entries, server: answer.Server, trusted: answer.Trusted}, &a)
		for _, c := range a.Candidates {
			entry.Certificates = append(entry.Certificates, certificateReport(c))
		}
		for _, u := range a.Unreadable {
			r.Unreadable = append(r.Unreadable, UnreadableText{DN: e.DN, Attribute: u.Origin.Attribute, Detail: u.Detail})
		}
		r.Entries = append(r.Entries, entry)
	}
	slices.SortStableFunc(r.Entries, func(a, b EntryReport) int { return strings.Compare(a.DN, b.DN) })
}

func certificateReport(c directory.Candidate) CertificateReport {
	sum := sha256.Sum256(c.Certificate)
	report := CertificateReport{Attribute: c.Origin.Attribute, Fingerprint: hex.EncodeToString(sum[:])}
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		report.Error = err.Error()
		return report
	}
	report.Subject, report.Issuer, report.Serial = cert.Subject.String(), cert.Issuer.String(), fmt.Sprintf("%x", cert.SerialNumber)
	report.NotBefore, report.NotAfter = cert.NotBefore, cert.NotAfter
	return report
}
