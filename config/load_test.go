package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
)

// write puts a configuration into a folder of its own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sealist.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a configuration that has to be good.
func load(t *testing.T, text string) (*config.Config, []config.Warning) {
	t.Helper()
	c, warnings, err := config.Load(write(t, text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return c, warnings
}

// mistakes reads a configuration that has to be bad, and returns what is wrong
// as "line key: what (remedy)".
func mistakes(t *testing.T, text string) []string {
	t.Helper()
	path := write(t, text)
	c, _, err := config.Load(path)
	var all *config.Errors
	if !errors.As(err, &all) {
		t.Fatalf("%s\nis taken as good (%v)", text, err)
	}
	if c != nil {
		t.Error("a configuration came with its mistakes")
	}
	var lines []string
	for _, m := range all.Mistakes {
		if m.File != path && m.File != "environment" {
			t.Errorf("mistake without its file: %+v", m)
		}
		if m.What == "" || m.Remedy == "" {
			t.Errorf("mistake that does not tell what to do: %+v", m)
		}
		lines = append(lines, fmt.Sprintf("%d %s: %s (%s)", m.Line, m.Key, m.What, m.Remedy))
	}
	return lines
}

func TestEmptyFileIsValid(t *testing.T) {
	for _, text := range []string{"", "# nothing but a comment\n", "---\n", "smtp:\ntrust: ~\n"} {
		c, warnings := load(t, text)
		want := config.Default()
		want.File = c.File
		want.Complete()
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%q:\n got %+v\nwant %+v", text, c, want)
		}
		if c.SMTP.Listen[0] != "smtp://127.0.0.1:2525" || c.Store.URL != "sqlite:sealist.db" || len(c.Directories) != 0 || c.Trust.CAFile != "" {
			t.Errorf("not the promised defaults: %+v", c)
		}
		var said []string
		for _, w := range warnings {
			said = append(said, w.Key)
		}
		if got := strings.Join(said, " "); got != "trust key_password_file" {
			t.Errorf("warnings about %q", got)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	if err := config.Default().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValuesOfTheFile(t *testing.T) {
	c, _ := load(t, `data_dir: data
domains: [lists.example.org, example.net]
smtp:
  listen: ["lmtp:/run/sealist/lmtp"]
  max_message_bytes: 1048576
relay: { address: "lmtp://[::1]:24", tls: none, connections: 3 }
trust: { max_signing_age: 3d12h, algorithms: { sha1_signatures: allow } }
directories:
  - name: corp
    preset: active-directory
    urls: [ldaps://dc1.example.org]
    base_dn: "dc=example,dc=org"
    timeout: 500ms
  - name: local
    urls: ["ldap://127.0.0.1:1389", "ldapi:///run/slapd"]
    base_dn: "o=x"
    filter: "(&(mail={addr})(uid={local}))"
    attributes: [mySMIME]
    address_match: entry
harvest: { enabled: false }
`)
	base := filepath.Dir(c.File)
	for _, pair := range [][2]any{
		{c.DataDir, filepath.Join(base, "data")},
		{c.Files.Dir, filepath.Join(base, "data", "X509-user-certs")},
		{c.Domains, []string{"lists.example.org", "example.net"}},
		{c.SMTP.Listen, []string{"lmtp:/run/sealist/lmtp"}},
		{c.SMTP.TrustedNetworks, []string{"127.0.0.0/8", "::1/128"}},
		{c.SMTP.MaxMessageBytes, int64(1 << 20)},
		{c.Relay, config.Relay{Address: "lmtp://[::1]:24", TLS: "none", Connections: 3}},
		{c.Trust.MaxSigningAge.Std(), 84 * time.Hour},
		{c.Trust.Algorithms.SHA1Signatures, "allow"},
		{c.Trust.Algorithms.RSAMinBits, 2048},
		{c.Directories[0].Filter, "(|(mail={addr})(proxyAddresses=smtp:{addr}))"},
		{c.Directories[0].Attributes, []string{"userSMIMECertificate", "userCertificate"}},
		{c.Directories[0].Timeout.Std(), 500 * time.Millisecond},
		{c.Directories[0].AddressMatch, "certificate"},
		{c.Directories[1].Preset, "custom"},
		{c.Directories[1].Attributes, []string{"mySMIME"}},
		{c.Directories[1].Timeout.Std(), 10 * time.Second},
		{c.Resolver.Order, []string{"corp", "local", "harvest", "files"}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("got %v, want %v", pair[0], pair[1])
		}
	}
}

// A shorter list must replace the default's, not overlay it.
func TestListsReplaceTheDefaults(t *testing.T) {
	c, _ := load(t, "smtp: { trusted_networks: [10.0.0.0/8], listen: [] }\n")
	if got := fmt.Sprint(c.SMTP.TrustedNetworks, c.SMTP.Listen); got != "[10.0.0.0/8] []" {
		t.Errorf("got %s", got)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SEALIST_RELAY_ADDRESS", "smtp://mx.example.org:26")
	t.Setenv("SEALIST_TRUST_ALGORITHMS_RSA_MIN_BITS", "3072")
	t.Setenv("SEALIST_TRUST_MAX_SIGNING_AGE", "2d")
	t.Setenv("SEALIST_HARVEST_ENABLED", "false")
	t.Setenv("SEALIST_RELAY_CONECTIONS", "8")
	t.Setenv("SEALIST_DOMAINS", "lists.example.org")
	t.Setenv("SEALIST_SMTP_LISTEN", "smtp://127.0.0.1:26")
	c, warnings := load(t, "relay: { address: \"smtp://127.0.0.1:25\", tls: none }\ntrust: { max_signing_age: 9d }\n")
	if c.Relay.Address != "smtp://mx.example.org:26" || c.Relay.TLS != "none" || c.Relay.Connections != 8 ||
		c.Trust.Algorithms.RSAMinBits != 3072 || c.Trust.MaxSigningAge.String() != "2d" || c.Harvest.Enabled {
		t.Errorf("got %+v %+v %+v", c.Relay, c.Trust, c.Harvest)
	}
	said := fmt.Sprint(warnings)
	for _, want := range []string{
		"environment: SEALIST_DOMAINS: is not read: the environment sets single values only",
		"environment: SEALIST_SMTP_LISTEN: is not read",
		"environment: SEALIST_RELAY_CONECTIONS: is not a variable Sealist knows (did you mean SEALIST_RELAY_CONNECTIONS?)",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("missing %q in %s", want, said)
		}
	}
}

func TestMistakesOfTheEnvironment(t *testing.T) {
	t.Setenv("SEALIST_RELAY_CONNECTIONS", "many")
	t.Setenv("SEALIST_RELAY_ADDRESS", "http://127.0.0.1")
	want := []string{
		`0 SEALIST_RELAY_CONNECTIONS: "many" is not a whole number (write digits alone, as 8)`,
		`0 SEALIST_RELAY_ADDRESS: "http://127.0.0.1" begins neither with smtp: nor with lmtp: as it must (write smtp://host:port, lmtp://host:port or lmtp:/path/of/socket)`,
	}
	if got := mistakes(t, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	got := mistakes(t, `data_dir: /var/lib/sealist
domain: [lists.example.org]
smtp:
  listen: ["smtp://127.0.0.1", "http://127.0.0.1:25"]
  max_message_bytes: 25M
  starttls: true
relay:
  tls: oportunistic
  connections: 0
cafile: /etc/ca.pem
trust:
  max_signing_age: 7
relay: {}
directories:
  - urls: [ldap://ldap.example.org]
    filter: "(mail=x"
    basedn: dc=example
  - name: files
    preset: openldap
    urls: ldaps://ldap.example.org
    base_dn: dc=example
resolver: { order: [files, harvst] }
`)
	want := []string{
		`2 domain: is not a key Sealist knows (did you mean domains?)`,
		`4 smtp.listen[0]: "smtp://127.0.0.1" has no host:port behind the slashes (write smtp://host:port, lmtp://host:port or lmtp:/path/of/socket)`,
		`4 smtp.listen[1]: "http://127.0.0.1:25" begins neither with smtp: nor with lmtp: as it must (write smtp://host:port, lmtp://host:port or lmtp:/path/of/socket)`,
		`5 smtp.max_message_bytes: "25M" is not a whole number (write digits alone, as 8)`,
		`6 smtp.starttls: is not a key Sealist knows (it belongs to directories[].starttls)`,
		`8 relay.tls: "oportunistic" is not known here (did you mean opportunistic?)`,
		`9 relay.connections: 0 is too small (the least is 1)`,
		`10 cafile: is not a key Sealist knows (it belongs to relay.cafile, relay.hops[].cafile, trust.cafile, trust.anchors[].cafile or directories[].cafile)`,
		`12 trust.max_signing_age: "7" is no duration (write a number with its unit, as 7d, 12h, 30m or 1h30m)`,
		`13 relay: is already set in line 7 (keep one of the two)`,
		`15 directories[0].urls[0]: "ldap://ldap.example.org" is read and changed by whoever sits between: certificates and the bind password go over it in clear (write ldaps://, or set starttls: true; insecure: true allows it all the same)`,
		`15 directories[0]: has no base_dn (name the entry below which people are found, as base_dn: dc=example,dc=org)`,
		`15 directories[0]: has no attributes, and its preset gives none (set attributes, as attributes: [userSMIMECertificate, userCertificate])`,
		`15 directories[0]: has no name (give it one, as name: corp)`,
		`16 directories[0].filter: finds the same entries for every address (put {addr} or {local} where the address belongs, as (mail={addr}))`,
		`17 directories[0].basedn: is not a key Sealist knows (did you mean directories[0].base_dn?)`,
		`18 directories[1]: names no server (add urls, as urls: [ldaps://ldap.example.org])`,
		`18 directories[1].name: "files" is the name of another source of certificates (give the directory a name of its own)`,
		`20 directories[1].urls: is a list (write it in brackets, as [ldaps://ldap.example.org], or one item a line behind a dash)`,
		`22 resolver.order[1]: "harvst" is no source of certificates (did you mean harvest?)`,
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case got[i] != want[i]:
			t.Errorf("\n got %s\nwant %s", got[i], want[i])
		}
	}
}

func TestNotYAML(t *testing.T) {
	for text, line := range map[string]string{
		"data_dir: /a\nsmtp:\n\tlisten: []\n": "3 ",
		"data_dir: [\n":                       "1 ",
		"a: b: c\n":                           "0 ",
		"- a\n- b\n":                          "1 ",
		"data_dir: /a\n---\ndata_dir: /b\n":   "2 ",
		"data_dir: *gone\n":                   "0 ",
	} {
		got := mistakes(t, text)
		if len(got) != 1 || !strings.HasPrefix(got[0], line) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{filepath.Join(folder, "none.yaml"), folder} {
		_, _, err := config.Load(path)
		var all *config.Errors
		if err == nil || errors.As(err, &all) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestYAMLAliases(t *testing.T) {
	c, _ := load(t, `directories:
  - &first { name: one, preset: openldap, urls: &u [ldapi:///s], base_dn: &b "o=x" }
  - { name: two, preset: openldap, urls: *u, base_dn: *b }
`)
	if c.Directories[1].BaseDN != "o=x" || c.Directories[1].URLs[0] != "ldapi:///s" {
		t.Errorf("%+v", c.Directories[1])
	}
}

// A typing error deep in a section is found.
func TestMistypedKeyOfASection(t *testing.T) {
	if got := mistakes(t, "web:\n  base_ulr: x\n"); got[0] != "2 web.base_ulr: is not a key Sealist knows (did you mean web.base_url?)" {
		t.Errorf("%q", got)
	}
}
