package peer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"
)

// What every slapd of this package has.
const (
	SlapdBaseDN        = "dc=corp,dc=example"
	SlapdPeopleDN      = "ou=people," + SlapdBaseDN
	SlapdServiceDN     = "cn=lists,ou=services," + SlapdBaseDN // may read everything but passwords
	SlapdServiceSecret = "list service secret"
	SlapdAdminDN       = "cn=admin," + SlapdBaseDN // may write
	SlapdAdminSecret   = "admin secret"
)

// SlapdOptions says how a directory differs from the plain one. The zero value is a directory without people and
// without TLS.
type SlapdOptions struct {
	// Entries are loaded before the server starts, after SlapdBaseDN, ou=people, ou=groups, ou=services and the
	// service user. The order is theirs: parents first.
	Entries []Entry

	// Certificate, Key (PEM) and CA (PEM, the anchors for client certificates) make the server offer ldaps:// and
	// StartTLS. The certificate should name the address 127.0.0.1. Without a Certificate there is no TLS.
	Certificate, Key, CA []byte

	// SimpleBindNeedsTLS refuses a password over a connection that is not encrypted ("security simple_bind=128"): the
	// server answers confidentialityRequired, code 13.
	SimpleBindNeedsTLS bool

	// ClientSubject is the subject of a client certificate as slapd writes it, as "cn=sealist,o=corp": who shows it by
	// SASL EXTERNAL is SlapdServiceDN. It needs CA.
	ClientSubject string

	// SizeLimit is the most entries one search returns; 0: no limit.
	SizeLimit int

	// Anonymous lets everybody read ou=people without a bind.
	Anonymous bool

	// Global and Database are further lines of slapd.conf: before the database section (schema, access) and in it.
	Global, Database []string
}

// Entry is one directory entry. Values are raw octets. OpenLDAP wants certificates under "userCertificate;binary", and
// refuses the option on "userSMIMECertificate".
type Entry struct {
	DN         string
	Attributes map[string][]string
}

// Person is an inetOrgPerson under SlapdPeopleDN with one mail address; userCertificate holds the DER certificates.
func Person(uid, mail string, userCertificate ...[]byte) Entry {
	e := Entry{DN: "uid=" + uid + "," + SlapdPeopleDN, Attributes: map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid}, "sn": {uid}, "mail": {mail},
	}}
	for _, der := range userCertificate {
		e.Attributes["userCertificate;binary"] = append(e.Attributes["userCertificate;binary"], string(der))
	}
	return e
}

// Slapd is OpenLDAP's server with a configuration and a data folder of its own.
type Slapd struct {
	*Process
	tb   testing.TB
	dir  string
	urls []string

	URL    string // ldap://127.0.0.1:port; StartTLS where a certificate was given
	TLSURL string // ldaps://127.0.0.1:port; empty without a certificate
	Socket string // ldapi://… : a unix socket
}

// StartSlapd loads the entries and starts a directory.
func StartSlapd(tb testing.TB, o SlapdOptions) *Slapd {
	tb.Helper()
	slapadd := Program(tb, "slapadd")
	Program(tb, "slapd")
	s := &Slapd{tb: tb, dir: Folder(tb)}
	if err := os.Mkdir(s.path("db"), 0o700); err != nil {
		tb.Fatal(err)
	}
	conf := write(tb, s.dir, "slapd.conf", s.configuration(o))
	entries := slices.Concat(frame(), o.Entries)
	data := write(tb, s.dir, "data.ldif", LDIF(entries))
	if _, err := run(exec.Command(slapadd, "-q", "-f", conf, "-l", data)); err != nil {
		tb.Fatalf("load %d entries: %v", len(entries), err)
	}
	s.URL = "ldap://" + Loopback(Port(tb))
	s.Socket = "ldapi://" + url.PathEscape(s.path("ldapi"))
	s.urls = []string{s.URL, s.Socket}
	if o.Certificate != nil {
		s.TLSURL = "ldaps://" + Loopback(Port(tb))
		s.urls = append(s.urls, s.TLSURL)
	}
	s.Start()
	return s
}

// Start starts the server again after Stop or Kill, on the same ports, with the entries it had.
func (s *Slapd) Start() {
	s.tb.Helper()
	// -d keeps slapd in the foreground as the test's child; "stats" logs every operation.
	s.Process = StartProcess(s.tb, s.path("slapd.log"), exec.Command(Program(s.tb, "slapd"),
		"-f", s.path("slapd.conf"), "-h", strings.Join(s.urls, " "), "-d", "stats"))
	Until(s.tb, "slapd", func() error {
		if err := s.alive(); err != nil {
			return err
		}
		conn, err := ldap.DialURL(s.Socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Freeze stops the process without closing its connections: a directory that no longer answers. Thaw lets it go on.
func (s *Slapd) Freeze() {
	s.tb.Helper()
	s.Signal(syscall.SIGSTOP)
	// The signal reaches the threads one after another: one may still answer.
	tasks := fmt.Sprintf("/proc/%d/task", s.PID())
	Until(s.tb, "slapd to stand still", func() error {
		threads, err := os.ReadDir(tasks)
		for _, thread := range threads {
			stat, err := os.ReadFile(filepath.Join(tasks, thread.Name(), "stat"))
			if err == nil && !bytes.Contains(stat, []byte(") T ")) {
				return fmt.Errorf("thread %s is not stopped", thread.Name())
			}
		}
		return err
	})
}

// Thaw ends Freeze.
func (s *Slapd) Thaw() { s.Signal(syscall.SIGCONT) }

// Searches returns how many search operations the server has logged since the test began.
func (s *Slapd) Searches() int { return strings.Count(s.Log(), " SRCH base=") }

// Binds returns how many bind operations the server has logged since the test began.
func (s *Slapd) Binds() int { return strings.Count(s.Log(), " BIND dn=") }

// Add adds entries to the running directory.
func (s *Slapd) Add(entries ...Entry) {
	s.tb.Helper()
	s.admin(func(conn *ldap.Conn) error {
		for _, e := range entries {
			request := ldap.NewAddRequest(e.DN, nil)
			for name, values := range e.Attributes {
				request.Attribute(name, values)
			}
			if err := conn.Add(request); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replace sets all values of one attribute of an entry; without values it removes the attribute.
func (s *Slapd) Replace(dn, attribute string, values ...string) {
	s.tb.Helper()
	s.admin(func(conn *ldap.Conn) error {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, values)
		return conn.Modify(request)
	})
}

// Delete removes entries.
func (s *Slapd) Delete(dns ...string) {
	s.tb.Helper()
	s.admin(func(conn *ldap.Conn) error {
		for _, dn := range dns {
			if err := conn.Del(ldap.NewDelRequest(dn, nil)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Slapd) admin(do func(*ldap.Conn) error) {
	s.tb.Helper()
	conn, err := ldap.DialURL(s.Socket)
	if err != nil {
		s.tb.Fatalf("reach slapd: %v", err)
	}
	defer conn.Close()
	if err := conn.Bind(SlapdAdminDN, SlapdAdminSecret); err != nil {
		s.tb.Fatalf("bind as the directory's admin: %v", err)
	}
	if err := do(conn); err != nil {
		s.tb.Fatalf("change the directory: %v", err)
	}
}

func (s *Slapd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Slapd) configuration(o SlapdOptions) []byte {
	var c bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&c, format+"\n", args...) }
	for _, schema := range []string{"core", "cosine", "inetorgperson"} {
		line("include /etc/ldap/schema/%s.schema", schema)
	}
	line("modulepath /usr/lib/ldap")
	line("moduleload back_mdb")
	line("pidfile %s", s.path("slapd.pid"))
	line("localSSF 256") // the unix socket counts as encrypted
	if o.Certificate != nil {
		line("TLSCertificateFile %s", write(s.tb, s.dir, "server.crt", o.Certificate))
		line("TLSCertificateKeyFile %s", write(s.tb, s.dir, "server.key", o.Key))
	}
	if o.CA != nil {
		line("TLSCACertificateFile %s", write(s.tb, s.dir, "ca.crt", o.CA))
		line("TLSVerifyClient allow")
	}
	if o.ClientSubject != "" {
		line(`authz-regexp "^%s$" "%s"`, strings.ToLower(o.ClientSubject), SlapdServiceDN)
	}
	if o.SimpleBindNeedsTLS {
		line("security simple_bind=128")
	}
	if o.SizeLimit > 0 {
		line("sizelimit %d", o.SizeLimit)
	} else {
		line("sizelimit unlimited")
	}
	for _, l := range o.Global {
		line("%s", l)
	}
	line("database mdb")
	line("maxsize 1073741824")
	line("suffix %s", SlapdBaseDN)
	line("rootdn %s", SlapdAdminDN)
	line("rootpw \"%s\"", SlapdAdminSecret)
	line("directory %s", s.path("db"))
	line("index objectClass,uid,mail eq")
	line("access to attrs=userPassword by anonymous auth by * none")
	anybody := "none"
	if o.Anonymous {
		anybody = "read"
	}
	line("access to * by dn.exact=\"%s\" read by dn.subtree=\"%s\" read by anonymous %s by * none", SlapdServiceDN, SlapdPeopleDN, anybody)
	for _, l := range o.Database {
		line("%s", l)
	}
	return c.Bytes()
}

// frame is what every directory holds above its people.
func frame() []Entry {
	unit := func(name string) Entry {
		return Entry{DN: "ou=" + name + "," + SlapdBaseDN, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {name}}}
	}
	return []Entry{
		{DN: SlapdBaseDN, Attributes: map[string][]string{"objectClass": {"dcObject", "organization"}, "dc": {"corp"}, "o": {"Corp"}}},
		unit("people"), unit("groups"), unit("services"),
		{DN: SlapdServiceDN, Attributes: map[string][]string{
			"objectClass": {"organizationalRole", "simpleSecurityObject"}, "cn": {"lists"}, "userPassword": {SlapdServiceSecret}}},
	}
}

// LDIF writes entries as RFC 2849 has it, every value in base64.
func LDIF(entries []Entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&b, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(e.DN)))
		names := make([]string, 0, len(e.Attributes))
		for name := range e.Attributes {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, value := range e.Attributes[name] {
				fmt.Fprintf(&b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
