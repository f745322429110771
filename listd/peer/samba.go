package peer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"
)

// What every Active Directory of this package has.
const (
	SambaDomain        = "ad.example" // its DNS name, and that of mail addresses by agreement
	SambaBaseDN        = "DC=ad,DC=example"
	SambaUsersDN       = "CN=Users," + SambaBaseDN
	SambaServiceName   = "lists@" + SambaDomain // a bind name; reads what every user reads
	SambaServiceSecret = "Lists-service-1"
	SambaAddress       = "10.213.77.2" // within the network namespace's link; the server's certificate names it
	sambaNear          = "10.213.77.1"
	sambaAdminSecret   = "Administrator-1"
)

// SambaOptions are what the domain controller begins with.
type SambaOptions struct {
	// Certificate, Key and CA (PEM) of the server; the certificate names SambaAddress.
	Certificate, Key, CA []byte

	// Entries are added in their order after the domain is made, with the service user there.
	Entries []Entry
}

// Samba is a Samba Active Directory domain controller in a network namespace of its own.
type Samba struct {
	*Process
	URL, TLSURL string

	tb  testing.TB
	dir string
}

// StartSamba makes a domain and starts its controller. It takes some ten seconds, so that it belongs to the slow tests:
// without SEALIST_SLOW=1, without root, or where no network namespace can be made, the test is skipped by name. One runs
// on a machine at a time: the others wait.
func StartSamba(tb testing.TB, o SambaOptions) *Samba {
	tb.Helper()
	if os.Getenv("SEALIST_SLOW") != "1" {
		tb.Skip("SEALIST_SLOW=1 runs the Active Directory domain controller")
	}
	if os.Geteuid() != 0 {
		tb.Skip("not root: Samba needs a network namespace")
	}
	samba, tool, ip := Program(tb, "samba"), Program(tb, "samba-tool"), Program(tb, "ip")
	exclusive(tb, filepath.Join(os.TempDir(), "sealist-samba.lock"))
	s := &Samba{tb: tb, dir: Folder(tb), URL: "ldap://" + SambaAddress, TLSURL: "ldaps://" + SambaAddress}
	within := s.network(ip)
	provision := exec.Command(ip, append(within, tool, "domain", "provision", "--realm="+strings.ToUpper(SambaDomain), "--domain=ADTEST", "--server-role=dc",
		"--dns-backend=SAMBA_INTERNAL", "--adminpass="+sambaAdminSecret, "--host-name=dc1", "--host-ip="+SambaAddress, "--targetdir="+s.path("domain"),
		"--option=interfaces=lo "+SambaAddress, "--option=bind interfaces only=yes", "--option=vfs objects=")...)
	if _, err := run(provision); err != nil {
		tb.Fatalf("make the domain: %v", err)
	}
	s.configure(o)
	s.Process = StartProcess(tb, s.path("samba.log"), exec.Command(ip, append(within, samba, "-i", "-M", "single", "-s", s.path("domain/etc/smb.conf"), "--debug-stdout")...))
	Until(tb, "Samba", func() error {
		if err := s.alive(); err != nil {
			return err
		}
		return s.admin(func(conn *ldap.Conn) error { return nil })
	})
	service := Entry{DN: "CN=lists," + SambaUsersDN, Attributes: map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"lists"},
		"userPrincipalName": {SambaServiceName}, "unicodePwd": {UnicodePassword(SambaServiceSecret)}, "userAccountControl": {"512"}}}
	s.Add(append([]Entry{service}, o.Entries...)...)
	return s
}

// network makes the namespace and returns the arguments of ip that run a program in it.
func (s *Samba) network(ip string) []string {
	s.tb.Helper()
	const space, near, far = "sealist-ad", "sealistad0", "sealistad1"
	do := func(args ...string) error {
		_, err := run(exec.Command(ip, args...))
		return err
	}
	do("netns", "del", space) // what a killed test left
	do("link", "del", near)
	if err := do("netns", "add", space); err != nil {
		Absent(s.tb, fmt.Sprintf("no network namespace can be made: %v", err))
	}
	s.tb.Cleanup(func() { do("netns", "del", space) })
	for _, args := range [][]string{
		{"link", "add", near, "type", "veth", "peer", "name", far}, {"link", "set", far, "netns", space},
		{"addr", "add", sambaNear + "/30", "dev", near}, {"link", "set", near, "up"},
		{"-n", space, "addr", "add", SambaAddress + "/30", "dev", far}, {"-n", space, "link", "set", far, "up"}, {"-n", space, "link", "set", "lo", "up"},
	} {
		if err := do(args...); err != nil {
			s.tb.Fatalf("make the network namespace: %v", err)
		}
	}
	return []string{"netns", "exec", space}
}

// configure adds TLS to what the provisioning wrote, and leaves out what tests do not ask for.
func (s *Samba) configure(o SambaOptions) {
	s.tb.Helper()
	name := s.path("domain/etc/smb.conf")
	octets, err := os.ReadFile(name)
	if err != nil {
		s.tb.Fatalf("read the domain's configuration: %v", err)
	}
	key := write(s.tb, s.dir, "server.key", o.Key)
	if err := os.Chmod(key, 0o600); err != nil {
		s.tb.Fatal(err)
	}
	more := strings.Join([]string{"[global]", "tls enabled = yes", "tls keyfile = " + key, "tls certfile = " + write(s.tb, s.dir, "server.crt", o.Certificate),
		"tls cafile = " + write(s.tb, s.dir, "ca.crt", o.CA), "interfaces = lo " + SambaAddress, "bind interfaces only = yes",
		"server services = ldap kdc drepl cldap rpc dns", "dns forwarder = none"}, "\n\t")
	if err := os.WriteFile(name, []byte(strings.Replace(string(octets), "[global]", more, 1)), 0o600); err != nil {
		s.tb.Fatal(err)
	}
}

// Add adds entries.
func (s *Samba) Add(entries ...Entry) {
	s.tb.Helper()
	err := s.admin(func(conn *ldap.Conn) error {
		for _, e := range entries {
			request := ldap.NewAddRequest(e.DN, nil)
			for name, values := range e.Attributes {
				request.Attribute(name, values)
			}
			if err := conn.Add(request); err != nil {
				return fmt.Errorf("add %s: %w", e.DN, err)
			}
		}
		return nil
	})
	if err != nil {
		s.tb.Fatalf("change the directory: %v", err)
	}
}

// Replace sets the values of an attribute.
func (s *Samba) Replace(dn, attribute string, values ...string) {
	s.tb.Helper()
	err := s.admin(func(conn *ldap.Conn) error {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, values)
		return conn.Modify(request)
	})
	if err != nil {
		s.tb.Fatalf("change %s: %v", dn, err)
	}
}

func (s *Samba) admin(do func(*ldap.Conn) error) error {
	conn, err := ldap.DialURL(s.TLSURL, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true})) // the test's own server
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Bind("Administrator@"+SambaDomain, sambaAdminSecret); err != nil {
		return err
	}
	return do(conn)
}

func (s *Samba) path(name string) string { return filepath.Join(s.dir, name) }

// UnicodePassword is a password as the attribute unicodePwd wants it: in quotes, UTF-16 with the low octet first.
func UnicodePassword(s string) string {
	var b strings.Builder
	for _, c := range []byte(`"` + s + `"`) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

// exclusive waits until no other test process holds the file's lock, and holds it until the test ends.
func exclusive(tb testing.TB, name string) {
	tb.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = lockFile(f)
	}
	if err != nil {
		tb.Fatalf("wait for the other tests: %v", errors.Join(err))
	}
	tb.Cleanup(func() { f.Close() })
}

// MakePrimary makes a group, of which the user is a member, his primary one: Active Directory then no longer lists him
// among its members.
func (s *Samba) MakePrimary(user, group string) {
	s.tb.Helper()
	var rid string
	err := s.admin(func(conn *ldap.Conn) error {
		found, err := conn.Search(ldap.NewSearchRequest("CN="+group+","+SambaUsersDN, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"objectSid"}, nil))
		if err != nil {
			return err
		}
		sid := found.Entries[0].GetRawAttributeValue("objectSid")
		last := sid[len(sid)-4:] // the relative identifier, low octet first
		rid = fmt.Sprint(uint32(last[0]) | uint32(last[1])<<8 | uint32(last[2])<<16 | uint32(last[3])<<24)
		return nil
	})
	if err != nil {
		s.tb.Fatalf("look up the group %s: %v", group, err)
	}
	s.Replace("CN="+user+","+SambaUsersDN, "primaryGroupID", rid)
}
