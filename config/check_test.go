package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
)

// pair makes a self-signed certificate and its key, both PEM.
func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// put writes a file into a folder.
func put(t *testing.T, folder, name string, octets []byte, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, octets, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// world is a folder with the files that the tables below name.
func world(t *testing.T) string {
	folder := t.TempDir()
	cert, key := pair(t)
	other, _ := pair(t)
	block, _ := pem.Decode(cert)
	put(t, folder, "cert.pem", cert, 0o644)
	put(t, folder, "cert.der", block.Bytes, 0o644)
	put(t, folder, "two.pem", append(append([]byte("# a comment\n"), cert...), other...), 0o644)
	put(t, folder, "key.pem", key, 0o600)
	put(t, folder, "other.pem", other, 0o644)
	put(t, folder, "broken.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes[:100]}), 0o644)
	put(t, folder, "ca/a.pem", cert, 0o644)
	put(t, folder, "ca/README", []byte("nothing"), 0o644)
	put(t, folder, "none/README", []byte("nothing"), 0o644)
	put(t, folder, "mixed/a.pem", cert, 0o644)
	put(t, folder, "mixed/b.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o644)
	put(t, folder, "secret", []byte("hunter2\n"), 0o600)
	put(t, folder, "auth", []byte("lists:hun:ter2\n"), 0o600)
	put(t, folder, "open", []byte("hunter2\n"), 0o644)
	put(t, folder, "group", []byte("hunter2\n"), 0o640)
	put(t, folder, "empty", []byte("\n"), 0o600)
	return folder
}

// ldap is a directory without mistakes, to be spoilt by what comes behind.
const ldap = "directories: [{ name: corp, preset: openldap, urls: [ldaps://ldap.example.org], base_dn: o=x, "

func TestGoodValues(t *testing.T) {
	folder := world(t)
	for _, text := range []string{
		"smtp: { tls: { cert: cert.pem, key: key.pem } }",
		"smtp: { listen: ['smtp://:25', 'smtp://[::1]:25', 'lmtp://mx.example.org:24', 'lmtp:/run/x', 'smtp://127.0.0.1:0'] }",
		"smtp: { trusted_networks: [10.0.0.0/8, '2001:db8::/32', 192.0.2.1/32] }",
		"relay: { address: 'lmtp:/run/relay', tls: none }",
		"relay: { tls: required, cafile: cert.pem }",
		"relay: { hops: [{ address: 'mx1.example.org:25', weight: 3 }, { address: /run/lmtp, protocol: lmtp, auth_file: auth }] }",
		"relay: { tls: required, hops: [{ address: 'mx1.example.org:25', auth_file: auth }, { address: '127.0.0.1:25', tls: none, auth_file: auth }] }",
		"trust: { cafile: two.pem, capath: ca, intermediates: cert.der }",
		"trust: { cafile: cert.pem, intermediates: ca }",
		"trust: { anchors: [{ cafile: cert.pem, domains: [partner.example] }] }",
		"store: { url: 'sqlite:/srv/x.db' }",
		"key_password_file: secret",
		"hostname: lists.example.org",
		"listmasters: [postmaster@example.org]",
		ldap + "starttls: false, bind_dn: 'cn=x,o=x', bind_password_file: secret }]",
		ldap + "bind_dn: 'EXAMPLE\\lists', bind_password_file: secret }]",
		ldap + "bind_dn: 'lists@example.org', bind_password_file: secret }]",
		ldap + "attributes: [UserCertificate], filter: '(uid={local})' }]",
		"directories: [{ name: a, urls: [ldap://localhost], base_dn: o=x, filter: '(mail={addr})', attributes: [myCert] }]",
		"directories: [{ name: a, preset: openldap, urls: [ldap://ldap.example.org], starttls: true, base_dn: o=x }]",
		"directories: [{ name: a, preset: openldap, urls: [ldap://ldap.example.org], insecure: true, base_dn: o=x }]",
		"resolver: { order: [files] }",
		"metrics: { listen: '127.0.0.1:9090', pprof: /run/sealist/pprof.sock }",
		"metrics: { listen: 'localhost:0' }",
		"metrics: { listen: '[::1]:9090' }",
		"metrics: { listen: ':9090', insecure: true }",
		"directories: [{ name: a, preset: openldap, urls: ['ldapi://%2Frun%2Fslapd', 'ldapi:///run/slapd'], base_dn: o=x }]",
	} {
		put(t, folder, "sealist.yaml", []byte(text+"\n"), 0o600)
		if _, _, err := config.Load(filepath.Join(folder, "sealist.yaml")); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestBadValues(t *testing.T) {
	folder := world(t)
	for _, c := range []struct{ text, key, what string }{
		{"data_dir: ''", "data_dir", "is empty"},
		{"hostname: 'x y'", "hostname", "no domain name"},
		{"domains: [Lists.example.org]", "domains[0]", "capitals"},
		{"domains: [example.org, example.org]", "domains[1]", "twice"},
		{"domains: [lists.example.org.]", "domains[0]", "ends in a dot"},
		{"domains: [münchen.example]", "domains[0]", "beyond ASCII"},
		{"domains: ['user@example.org']", "domains[0]", "no domain name"},
		{"domains: [-x.example]", "domains[0]", "no domain name"},
		{"domains: [[a]]", "domains[0]", "one value"},
		{"domains: example.org", "domains", "is a list"},
		{"listmasters: ['Jo <jo@example.org>']", "listmasters[0]", "no mail address"},
		{"listmasters: [postmaster]", "listmasters[0]", "no mail address"},
		{"directories: [{ name: x, preset: openldap, base_dn: 'o=x' }]", "directories[0]", "names no server"},
		{"directories: [{ name: x, preset: openldap, discover: true }]", "directories[0].discover", "needs one domain"},
		{"directories: [{ name: x, preset: openldap, discover: true, domains: [a.example, b.example] }]", "directories[0].discover", "domains has 2"},
		{"directories: [{ name: x, preset: openldap, discover: true, domains: [a.example], urls: ['ldaps://a.example'] }]", "directories[0].discover", "beside urls"},
		{"directories: [{ name: x, preset: openldap, discover: true, domains: [a.example], bind_dn: 'o=x', bind_password_file: secret }]", "directories[0].discover", "get none"},
		{"directories: [{ name: x, preset: openldap, discover: true, domains: [a.example], server_name: b.example }]", "directories[0].server_name", "own name"},
		{"directories: [{ name: x, preset: openldap, urls: ['ldaps://a.example'], base_dn: 'o=x', bind_external: true }]", "directories[0].bind_external", "no client certificate"},
		{"directories: [{ name: x, preset: openldap, urls: ['ldaps://a.example'], base_dn: 'o=x', client_cert: cert.pem }]", "directories[0].client_cert", "belong together"},
		{"directories: [{ name: x, preset: openldap, urls: ['ldaps://a.example'], base_dn: 'o=x', client_cert: other.pem, client_key: key.pem }]", "directories[0].client_cert", "cannot be used"},
		{"directories: [{ name: x, preset: openldap, urls: ['ldapi:///run/x'], base_dn: 'o=x', bind_external: true, bind_dn: 'o=x', bind_password_file: secret }]", "directories[0].bind_external", "beside bind_dn"},
		{"directories: [{ name: x, preset: openldap, urls: ['ldaps://a.example'], base_dn: 'o=x', timeout: 2s, connect_timeout: 3s }]", "directories[0].connect_timeout", "longer than timeout"},
		{"directories: [{ name: x, preset: openldap, urls: ['ldaps://a.example'], base_dn: 'o=x', scope: deep }]", "directories[0].scope", "deep"},
		{"smtp: { listen: ['smtp:/run/x'] }", "smtp.listen[0]", "neither host and port nor"},
		{"smtp: { listen: ['lmtp:run/x'] }", "smtp.listen[0]", "neither host and port nor"},
		{"relay: { address: 'smtp://h:0' }", "relay.address", "no host and port to connect"},
		{"relay: { address: 'smtp://:25' }", "relay.address", "no host and port to connect"},
		{"queue: { retry_min: 2h }", "queue.retry_min", "longer than retry_max"},
		{"queue: { lifetime: 1m, retry_min: 2m }", "queue.retry_min", "longer than lifetime"},
		{"queue: { lifetime: 31d }", "queue.lifetime", "too long"},
		{"smtp: { listen: ['smtp://h:65536'] }", "smtp.listen[0]", "no port"},
		{"smtp: { listen: ['smtp://a b:25'] }", "smtp.listen[0]", "names no host"},
		{"smtp: { listen: ['smtp://:25', 'smtp://:25'] }", "smtp.listen[1]", "twice"},
		{"smtp: { tls: { cert: cert.pem } }", "smtp.tls.cert", "without its key"},
		{"smtp: { tls: { key: key.pem } }", "smtp.tls.key", "without its certificate"},
		{"smtp: { tls: { cert: other.pem, key: key.pem } }", "smtp.tls", "private key does not match public key"},
		{"smtp: { tls: { cert: gone.pem, key: key.pem } }", "smtp.tls.cert", "does not exist"},
		{"smtp: { tls: cert.pem }", "smtp.tls", "is a section"},
		{"smtp: { trusted_networks: [10.0.0.1/8] }", "smtp.trusted_networks[0]", "bits set"},
		{"smtp: { trusted_networks: [192.0.2.1] }", "smtp.trusted_networks[0]", "no network"},
		{"smtp: { max_message_bytes: 010 }", "smtp.max_message_bytes", "not a whole number"},
		{"smtp: { max_message_bytes: 5000000000 }", "smtp.max_message_bytes", "too large"},
		{"smtp: { max_message_bytes: [1] }", "smtp.max_message_bytes", "one value"},
		{"relay: { address: 'smtps://h:465' }", "relay.address", "neither with smtp: nor with lmtp:"},
		{"relay: { address: 'lmtp:/x', tls: required }", "relay.tls", "no name to verify"},
		{"relay: { cafile: none }", "relay.cafile", "is a folder"},
		{"relay: { hops: [{ address: 'smtp://h:25' }] }", "relay.hops[0].address", "no host"},
		{"relay: { hops: [{ address: 'h:25' }, { address: ':25' }] }", "relay.hops[1].address", "no host and port"},
		{"relay: { hops: [{ address: /run/x }] }", "relay.hops[0].protocol", "does not speak smtp"},
		{"relay: { tls: required, hops: [{ address: /run/x, protocol: lmtp }] }", "relay.hops[0].tls", "no name to verify"},
		{"relay: { hops: [{ address: 'h:25', cafile: none }] }", "relay.hops[0].cafile", "is a folder"},
		{"relay: { hops: [{ address: 'h:25', auth_file: auth }] }", "relay.hops[0].auth_file", "in between"},
		{"relay: { tls: required, hops: [{ address: 'h:25', auth_file: secret }] }", "relay.hops[0].auth_file", "user:password"},
		{"relay: { tls: required, hops: [{ address: 'h:25', auth_file: absent }] }", "relay.hops[0].auth_file", "does not exist"},
		{"relay: { tls: yes }", "relay.tls", `"yes" is not known`},
		{"store: { url: 'postgres://u:hunter2@db/x' }", "store.url", "goes over the network"},
		{"store: { url: 'postgres://db1:5432,db2/x?sslmode=require' }", "store.url", "goes over the network"},
		{"store: { url: 'postgres:///x?host=db' }", "store.url", "goes over the network"},
		{"store: { url: 'postgres:x' }", "store.url", "is no URL"},
		{"store: { url: 'sqlite:x.db', password_file: p }", "store.password_file", "has no password"},
		{"store: { url: 'postgres:///x', password_file: missing }", "store.password_file", "does not exist"},
		{"node: a/b", "node", "cannot be the name"},
		{"store: { url: 'mysql://u:hunter2@db/x' }", "store.url", "mysql://…@db/x"},
		{"store: { url: 'sqlite:' }", "store.url", "names no file"},
		{"metrics: { listen: '127.0.0.1' }", "metrics.listen", "no address"},
		{"metrics: { listen: '127.0.0.1:http' }", "metrics.listen", "no address"},
		{"metrics: { listen: ':9090' }", "metrics.listen", "by others"},
		{"metrics: { listen: '192.0.2.1:9090' }", "metrics.listen", "by others"},
		{"metrics: { listen: 'mx.example.org:9090' }", "metrics.listen", "by others"},
		{"metrics: { pprof: pprof.sock }", "metrics.pprof", "no path of a socket"},
		{"store: { url: 'sqlite:x?mode=ro' }", "store.url", "parameters"},
		{"trust: { cafile: gone.pem }", "trust.cafile", "does not exist"},
		{"trust: { anchors: [{ domains: [partner.example] }] }", "trust.anchors[0].cafile", "is missing"},
		{"trust: { anchors: [{ cafile: gone.pem, domains: [partner.example] }] }", "trust.anchors[0].cafile", "does not exist"},
		{"trust: { anchors: [{ cafile: cert.pem }] }", "trust.anchors[0].domains", "speak for nobody"},
		{"trust: { anchors: [{ cafile: cert.pem, domains: [Partner.example] }] }", "trust.anchors[0].domains[0]", "capitals"},
		{"trust: { cafile: key.pem }", "trust.cafile", "holds no certificate"},
		{"trust: { cafile: broken.pem }", "trust.cafile", "certificate 1 in"},
		{"trust: { capath: cert.pem }", "trust.capath", "no folder"},
		{"trust: { capath: none }", "trust.capath", "holds no certificate"},
		{"trust: { capath: mixed }", "trust.capath", "b.pem cannot be read"},
		{"trust: { algorithms: { rsa_min_bits: 512 } }", "trust.algorithms.rsa_min_bits", "too small"},
		{"trust: { max_signing_age: -1h }", "trust.max_signing_age", "negative"},
		{"trust: { max_signing_age: 1m }", "trust.max_signing_age", "too short"},
		{"key_password_file: gone", "key_password_file", "does not exist"},
		{"key_password_file: empty", "key_password_file", "is empty"},
		{"key_password_file: open", "key_password_file", "read by others (mode 0644)"},
		{"harvest: { enabled: 1 }", "harvest.enabled", "neither true nor false"},
		{"harvest: true", "harvest", "is a section"},
		{"directories: { name: x }", "directories", "list of sections"},
		{"directories: [corp]", "directories[0]", "is a section"},
		{ldap + "preset: exchange }]", "directories[0].preset", "already set"},
		{ldap + "urls: [] }]", "directories[0].urls", "already set"},
		{ldap + "domains: [Example.org] }]", "directories[0].domains[0]", "capitals"},
		{ldap + "filter: '(mail={addr}' }]", "directories[0].filter", "no LDAP filter"},
		{ldap + "filter: '(mail=*)' }]", "directories[0].filter", "same entries"},
		{ldap + "attributes: [userSMIMECertificat] }]", "directories[0].attributes[0]", "holds certificates"},
		{ldap + "attributes: ['userCertificate;binary'] }]", "directories[0].attributes[0]", "option ;binary"},
		{ldap + "attributes: [userCertificate, usercertificate] }]", "directories[0].attributes[1]", "twice"},
		{ldap + "bind_dn: 'cn=x' }]", "directories[0].bind_dn", "no password"},
		{ldap + "bind_password_file: secret }]", "directories[0].bind_password_file", "without a name"},
		{ldap + "bind_dn: nonsense, bind_password_file: secret }]", "directories[0].bind_dn", "no distinguished name"},
		{ldap + "bind_dn: 'cn=x', bind_password_file: gone }]", "directories[0].bind_password_file", "does not exist"},
		{ldap + "starttls: true }]", "directories[0].urls[0]", "starttls is set too"},
		{ldap + "timeout: 1ms }]", "directories[0].timeout", "too short"},
		{ldap + "address_match: none }]", "directories[0].address_match", "not known"},
		{ldap + "}, { name: corp, preset: openldap, urls: [ldapi:///x], base_dn: o=x }]", "directories[1].name", "earlier directory"},
		{"directories: [{ name: a, preset: openldap, urls: ['ldap://u:hunter2@h'], base_dn: o=x }]", "directories[0].urls[0]", "user in it"},
		{"directories: [{ name: a, preset: openldap, urls: ['ldaps://h/o=x?mail'], base_dn: o=x }]", "directories[0].urls[0]", "parameters"},
		{"directories: [{ name: a, preset: openldap, urls: ['http://h'], base_dn: o=x }]", "directories[0].urls[0]", "neither ldaps"},
		{"directories: [{ name: a, preset: openldap, urls: ['ldaps://'], base_dn: o=x }]", "directories[0].urls[0]", "names no host"},
		{"directories: [{ name: a, preset: openldap, urls: ['ldapi://run/slapd'], base_dn: o=x }]", "directories[0].urls[0]", "names no socket"},
		{"directories: [{ name: a, preset: openldap, urls: ['ldapi:///run/slapd'], starttls: true, base_dn: o=x }]", "directories[0].urls[0]", "no STARTTLS"},
		{"directories: [{ name: 'A b', preset: openldap, urls: [ldapi:///x], base_dn: o=x }]", "directories[0].name", "no name"},
		{"directories: [{ name: a, preset: openldap, urls: ['ldap://10.0.0.1'], base_dn: o=x }]", "directories[0].urls[0]", "whoever sits between"},
		{"resolver: { order: [files, files] }", "resolver.order[1]", "twice"},
		{"resolver: { max_certificates: 9 }", "resolver.max_certificates", "too large"},
	} {
		put(t, folder, "sealist.yaml", []byte("\n"+c.text+"\n"), 0o600)
		_, _, err := config.Load(filepath.Join(folder, "sealist.yaml"))
		all, ok := err.(*config.Errors)
		if !ok {
			t.Errorf("%s is taken as good: %v", c.text, err)
			continue
		}
		found := false
		for _, m := range all.Mistakes {
			found = found || (m.Key == c.key && strings.Contains(m.What, c.what))
			if m.Line != 2 || m.Remedy == "" {
				t.Errorf("%s: no line or no remedy: %+v", c.text, m)
			}
		}
		if !found {
			t.Errorf("%s: no mistake of %s %q in\n%v", c.text, c.key, c.what, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password is in the message: %v", c.text, err)
		}
	}
}

// A group may read the key password only where root gives it that.
func TestKeyPasswordOfAGroup(t *testing.T) {
	folder := world(t)
	put(t, folder, "sealist.yaml", []byte("key_password_file: group\n"), 0o600)
	_, _, err := config.Load(filepath.Join(folder, "sealist.yaml"))
	if root := os.Getuid() == 0; (err == nil) != root {
		t.Errorf("as root %v: %v", root, err)
	}
}

// A filter by what people may write into their own entries is warned of; one by what they may not is not.
func TestFilterByWritableAttributes(t *testing.T) {
	for filter, want := range map[string]bool{
		"(mail={addr})": false, "(|(mail={addr})(proxyAddresses=smtp:{addr}))": false, "(&(objectClass=person)(mail={addr})(description=*))": false,
		"(info={addr})": true, "(|(mail={addr})(OtherMailbox={addr}))": true, "(&(telephoneNumber={local})(l=x))": true, "(labeledURI=mailto:{addr})": true,
	} {
		_, warnings := load(t, ldap+"filter: '"+filter+"' }]\n")
		warned := slices.ContainsFunc(warnings, func(w config.Warning) bool {
			return w.Key == "directories[0].filter" && strings.Contains(w.What, "may write themselves")
		})
		if warned != want {
			t.Errorf("%s: %v", filter, warnings)
		}
	}
}

func TestDirectoryNobodyAsks(t *testing.T) {
	_, warnings := load(t, ldap+"}]\nresolver: { order: [harvest] }\n")
	for _, w := range warnings {
		if w.Key == "directories[0]" && strings.Contains(w.What, "never asked") {
			return
		}
	}
	t.Errorf("not warned: %v", warnings)
}

// The server's certificate in the place of the authority's is an easy mistake,
// and nothing works after it.
func TestAnchorThatIsNoAuthority(t *testing.T) {
	folder := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, authority := range map[string]bool{"server.pem": false, "ca.pem": true} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: authority}
		der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
		if err != nil {
			t.Fatal(err)
		}
		put(t, folder, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
		put(t, folder, "sealist.yaml", []byte("trust: { cafile: "+name+" }\n"), 0o644)
		_, warnings, err := config.Load(filepath.Join(folder, "sealist.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		warned := slices.ContainsFunc(warnings, func(w config.Warning) bool { return w.Key == "trust.cafile" && strings.Contains(w.What, "authority") })
		if warned == authority {
			t.Errorf("%s: %v", name, warnings)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	folder := world(t)
	if err := os.Symlink("a.pem", filepath.Join(folder, "ca", "0123abcd.0")); err != nil {
		t.Fatal(err)
	}
	put(t, folder, "ca/.hidden", nil, 0o600)
	put(t, folder, "ca/below/x.pem", nil, 0o600)
	files, err := config.CertificateFiles(filepath.Join(folder, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if got := strings.Join(files, " "); got != "0123abcd.0 README a.pem" {
		t.Errorf("got %s", got)
	}
}

func TestMistypedAttribute(t *testing.T) {
	for name, want := range map[string]string{"userCertifcate": "did you mean userCertificate?", "userSMIMECertificat": "did you mean userSMIMECertificate?", "myCert": ""} {
		_, warnings := load(t, "directories: [{ name: corp, urls: [ldaps://ldap.example.org], base_dn: o=x, filter: '(mail={addr})', attributes: ["+name+"] }]\n")
		got := ""
		for _, w := range warnings {
			if w.Key == "directories[0].attributes[0]" {
				got = w.Remedy
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestExpiry: the stages are numbers of days; a list in the file takes the place of the default.
func TestExpiry(t *testing.T) {
	for text, want := range map[string]string{
		"expiry: {stages: [7]}":                         "",
		"expiry: {stages: []}":                          "",
		"expiry: {stages: [30, 7, 30]}":                 "stands here twice",
		"expiry: {stages: [soon]}":                      "not a whole number",
		"expiry: {stages: [400]}":                       "too large",
		"expiry: {holder_mail: {directory: sometimes}}": "sometimes",
	} {
		file := filepath.Join(t.TempDir(), "sealist.yaml")
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, warnings, err := config.Load(file)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", text, err)
		case text == "expiry: {stages: [7]}" && (len(c.Expiry.Stages) != 1 || c.Expiry.Stages[0] != 7 || !strings.Contains(fmt.Sprint(warnings), "holder_mail.directory")):
			t.Errorf("%s: %+v, %v", text, c.Expiry, warnings)
		case text == "expiry: {stages: []}" && len(c.Expiry.Stages) != 0:
			t.Errorf("%s: %+v", text, c.Expiry)
		}
	}
}
