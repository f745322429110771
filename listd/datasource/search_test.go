package datasource_test

import (
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// look searches one file for somebody.
func look(t *testing.T, name, text, sender string, directories ...*ldap.Directory) (bool, error) {
	t.Helper()
	return datasource.NewSearcher(directories).Search(t.Context(), []datasource.SearchFile{{Name: name, Octets: []byte(text)}},
		datasource.SearchFor{Value: sender, Variables: map[string]string{"sender": sender, "listname": "board"}})
}

func TestSearchText(t *testing.T) {
	const file = "# staff\n; too\nAnna@corp.example\r\n\n  *@lab.example  \nx*y*z@corp.example\n.*@regex.example\n"
	for sender, want := range map[string]bool{
		"anna@corp.example": true, "ANNA@corp.example": true, "hannah@corp.example": false, "anna@corp.example.net": false,
		"bob@lab.example": true, "bob@sublab.example": false, "x1y2z@corp.example": true, "xyz@corp.example": true, "xz@corp.example": false,
		"any@regex.example": false, ".x@regex.example": true, "# staff": false, "nobody": false, "": false,
	} {
		if got, err := look(t, "staff.txt", file, sender); got != want || err != nil {
			t.Errorf("%q: %v, %v", sender, got, err)
		}
	}
	s := datasource.NewSearcher(nil)
	files := []datasource.SearchFile{{Name: "a/staff.txt", Octets: []byte("a@x.example")}, {Name: "staff.txt", Octets: []byte("b@x.example")}}
	if ok, err := s.Search(t.Context(), files, datasource.SearchFor{Value: "b@x.example"}); !ok || err != nil {
		t.Errorf("the second file: %v, %v", ok, err)
	}
	if _, err := look(t, "staff.xml", "", "x"); !errors.Is(err, datasource.ErrSearchFile) {
		t.Errorf("another ending: %v", err)
	}
}

func TestSearchLDAP(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, peer.SlapdOptions{Anonymous: true, Entries: []peer.Entry{person("anna"), person("bob"), peer.Person("star", "*@"+domain)}})
	base := "host " + strings.TrimPrefix(s.URL, "ldap://") + "\nsuffix " + peer.SlapdBaseDN + "\n"
	bind := "bind_dn " + peer.SlapdServiceDN + "\nbind_password " + peer.SlapdServiceSecret + "\n"
	for _, c := range []struct {
		what, file, sender string
		found              bool
	}{
		{"one entry", base + "filter (mail=[sender])\n", "anna@" + domain, true},
		{"none", base + "filter (mail=[sender])\n", "carl@" + domain, false},
		{"many", base + "scope sub\nfilter (mail=*)\n", "nobody", true},
		{"a star is a star", base + "filter (mail=[sender])\n", "*@" + domain, true},
		{"a star is no pattern", base + "filter (mail=[sender])\n", "a*@" + domain, false},
		{"parentheses are no filter", base + "filter (mail=[sender])\n", "x)(uid=anna", false},
		{"folded, with a bind", base + bind + "filter (&(uid=anna)\\\n(mail=[sender]))\n", "anna@" + domain, true},
		{"a level too high", base + "scope one\nfilter (mail=[sender])\n", "anna@" + domain, false},
	} {
		if got, err := look(t, "staff.ldap", c.file, c.sender); got != c.found || err != nil {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}

	// By a directory of the configuration.
	d, err := ldap.New(ldap.Options{ClientOptions: ldap.ClientOptions{URLs: []string{s.URL}}, Name: "corp", Preset: "openldap", BaseDN: peer.SlapdBaseDN})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := look(t, "staff.ldap", "directory corp\nfilter (mail=[sender])", "bob@"+domain, d); !got || err != nil {
		t.Errorf("a configured directory: %v, %v", got, err)
	}

	// What cannot be asked is an outage, and says nothing of the file.
	const secret = "s3cret"
	for what, file := range map[string]string{
		"a wrong password": base + "bind_dn " + peer.SlapdServiceDN + "\nbind_password " + secret + "\nfilter (mail=[sender])",
		"no such base":     strings.Replace(base, "dc=corp", "dc="+secret, 1) + "filter (mail=[sender])",
		"nobody listens":   "host 127.0.0.1:1\nsuffix dc=" + secret + "\nfilter (cn=" + secret + ")",
	} {
		if _, err := look(t, "staff.ldap", file, "anna@"+domain); err == nil || errors.Is(err, datasource.ErrSearchFile) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What servers answer that is no plain yes or no. Their own words, which may
// repeat the question, are not told.
func TestSearchLDAPFaults(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		reply reply
		found bool
		err   string
	}{
		"busy":                  {reply{code: goldap.LDAPResultBusy}, false, "result code 51"},
		"no access":             {reply{code: goldap.LDAPResultInsufficientAccessRights}, false, "result code 50"},
		"no such base":          {reply{code: goldap.LDAPResultNoSuchObject}, false, "result code 32"},
		"time limit":            {reply{code: goldap.LDAPResultTimeLimitExceeded}, false, "result code 3"},
		"more than one":         {reply{entries: []entry{fakePerson("a")}, code: goldap.LDAPResultSizeLimitExceeded}, true, ""},
		"only a referral":       {reply{referrals: []string{"ldap://other.example/dc=x"}}, false, "other servers"},
		"an entry and referral": {reply{entries: []entry{fakePerson("a")}, referrals: []string{"ldap://other.example/dc=x"}}, true, ""},
		"an end in the middle":  {reply{hangUp: true}, false, "search"},
	} {
		f := startFake(t, func(search) reply { return c.reply })
		ok, err := look(t, "staff.ldap", "host "+f.url+"\nsuffix dc=x\nfilter (mail=[sender])", "anna@"+domain)
		if ok != c.found || (err == nil) != (c.err == "") {
			t.Errorf("%s: %v, %v", what, ok, err)
		}
		if err != nil && (errors.Is(err, datasource.ErrSearchFile) || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "says so")) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Another machine is asked over verified TLS, or where the file says that it
// may be insecure.
func TestSearchLDAPOverTLS(t *testing.T) {
	t.Parallel()
	ca := smimetest.NewCA("Directory CA")
	server := ca.Issue("ldap", smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth), smimetest.KeyUsage(x509.KeyUsageDigitalSignature),
		func(t *smimetest.Template) { t.X509.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	s := peer.StartSlapd(t, peer.SlapdOptions{Anonymous: true, Entries: []peer.Entry{person("anna")}, Certificate: server.CertificatePEM(), Key: server.KeyPEM()})
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	tail := "\nsuffix " + peer.SlapdBaseDN + "\nfilter (mail=[sender])\n"
	ldaps, plain := "host "+strings.TrimPrefix(s.TLSURL, "ldaps://"), "host "+strings.TrimPrefix(s.URL, "ldap://")
	for _, c := range []struct {
		what, file string
		found, bad bool
	}{
		{"ldaps", ldaps + "\nuse_tls ldaps\nca_file " + pem + tail, true, false},
		{"StartTLS", plain + "\nuse_tls starttls\nca_file " + pem + tail, true, false},
		{"an unknown CA", ldaps + "\nuse_tls ldaps" + tail, false, false},
		{"unverified", ldaps + "\nuse_tls ldaps\nca_verify none" + tail, false, true},
		{"unverified and said so", ldaps + "\nuse_tls ldaps\nca_verify none\ninsecure true" + tail, true, false},
		{"clear to another machine", "host ldap.example.org" + tail, false, true},
	} {
		got, err := look(t, "staff.ldap", c.file, "anna@"+domain)
		if got != c.found || c.found && err != nil || !c.found && err == nil || errors.Is(err, datasource.ErrSearchFile) != c.bad {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
}

func TestSearchSQL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people ?#.db")
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3F", "#", "%23", " ", "%20").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE staff (mail TEXT, lists TEXT); INSERT INTO staff VALUES ('anna@corp.example','board'), ('o''neil@corp.example','')`); err != nil {
		t.Fatal(err)
	}
	head := "sql_named_filter_query\ndb_type SQLite\ndb_name " + path + "\nstatement "
	for _, c := range []struct {
		what, statement, sender string
		found                   bool
	}{
		{"found", "SELECT count(*) FROM staff WHERE mail=[sender]", "anna@corp.example", true},
		{"not found", "SELECT count(*) FROM staff WHERE mail=[sender]", "bob@corp.example", false},
		{"a quote is bound", "SELECT count(*) FROM staff WHERE mail=[sender]", "o'neil@corp.example", true},
		{"an injection is bound", "SELECT count(*) FROM staff WHERE mail=[sender]", "x' OR '1'='1", false},
		{"two variables, folded", "SELECT count(*) FROM staff \\\n WHERE mail=[sender] AND lists=[listname]", "anna@corp.example", true},
		{"no row", "SELECT 1 FROM staff WHERE mail=[sender]", "bob@corp.example", false},
		{"null", "SELECT NULL, mail FROM staff", "", false},
		{"two columns", "SELECT 2, mail FROM staff", "", true},
	} {
		if got, err := look(t, "staff.sql", head+c.statement+"\n", c.sender); got != c.found || err != nil {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	// It is only read; and errors say nothing of the statement.
	for what, statement := range map[string]string{
		"writing": "DELETE FROM staff RETURNING 1", "no such table": "SELECT count(*) FROM secret", "no SQL": "secret",
		"no number": "SELECT 'secret'", "quoted": "SELECT count(*) FROM staff WHERE mail='[sender]'", "unknown variable": "SELECT [secrets]",
	} {
		_, err := look(t, "staff.sql", head+statement, "anna@corp.example")
		if err == nil || strings.Contains(err.Error(), "FROM") || what != "writing" && !errors.Is(err, datasource.ErrSearchFile) {
			t.Errorf("%s: %v", what, err)
		}
		if what != "unknown variable" && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := look(t, "staff.sql", head+"SELECT count(*) FROM staff", ""); !got || err != nil {
		t.Errorf("after it: %v, %v", got, err)
	}
	if _, err := look(t, "staff.sql", strings.Replace(head, path, path+".gone", 1)+"SELECT 1", ""); err == nil || errors.Is(err, datasource.ErrSearchFile) {
		t.Errorf("a database that is not there: %v", err)
	}
}

// What is wrong with a file is told by its settings' names, not by what they
// are.
func TestSearchFileMistakes(t *testing.T) {
	const ldapHead, sqlHead = "host 127.0.0.1\nsuffix dc=x\n", "db_type SQLite\ndb_name /x\n"
	for _, c := range []struct{ name, text, want string }{
		{"a.ldap", "filter (a=b)\nsuffix dc=x", "host is missing"},
		{"a.ldap", ldapHead, "filter is missing"},
		{"a.ldap", "host x\nfilter (a=b)", "suffix is missing"},
		{"a.ldap", ldapHead + "filter (a=secret", "filter is no LDAP filter"},
		{"a.ldap", ldapHead + "filter ([sender]=x)", "variable where no value stands"},
		{"a.ldap", ldapHead + "filter [sender]", "variable where no value stands"},
		{"a.ldap", ldapHead + "filter (a=[msg_header->subject])", "no variable [msg_header->subject]"},
		{"a.ldap", ldapHead + "filter (a=b)\nscope secret", "scope is none of"},
		{"a.ldap", ldapHead + "filter (a=b)\nsecret x", "line 4 is no setting that is known"},
		{"a.ldap", ldapHead + "filter (a=b)\nbind_dn", "bind_dn has no value"},
		{"a.ldap", ldapHead + "filter (a=b)\nbind_dn cn=secret", "needs bind_password_file"},
		{"a.ldap", ldapHead + "filter (a=b)\nbind_dn cn=x\nbind_password_file secret", "no absolute path"},
		{"a.ldap", ldapHead + "filter (a=b)\nca_file /secret/x", "ca_file cannot be read"},
		{"a.ldap", ldapHead + "filter (a=b)\nuse_tls secret", "use_tls is none of"},
		{"a.ldap", ldapHead + "filter (a=b)\nca_verify secret", "ca_verify is none of"},
		{"a.ldap", ldapHead + "filter (a=b)\ninsecure secret", "neither true nor false"},
		{"a.ldap", "directory secret\nfilter (a=b)", "names none in the configuration"},
		{"a.sql", sqlHead, "statement is missing"},
		{"a.sql", "db_type mysql\nstatement SELECT 1", "asks no other database"},
		{"a.sql", "db_type SQLite\ndb_name secret.db\nstatement SELECT 1", "no absolute path"},
	} {
		_, err := look(t, c.name, c.text, "anna@corp.example")
		if !errors.Is(err, datasource.ErrSearchFile) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}
