package config

import (
	"cmp"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A checker gathers what is wrong with the values, by their keys.
type checker struct {
	mistakes []Finding
	warnings []Finding
}

func (k *checker) mistake(key, what, remedy string) {
	k.mistakes = append(k.mistakes, Finding{Key: key, What: what, Remedy: remedy})
}

func (k *checker) warn(key, what, remedy string) {
	k.warnings = append(k.warnings, Finding{Key: key, What: what, Remedy: remedy})
}

// check applies every rule that the types alone cannot state.
func (c *Config) check() (mistakes, warnings []Finding) {
	k := &checker{}
	k.site(c)
	k.notices(c.Notices)
	k.smtp(c.SMTP)
	k.relay(c.Relay)
	k.queue(c.Queue)
	k.store(c.Store)
	k.trust(c.Trust)
	k.keyPassword(c)
	k.pkcs11(c.PKCS11)
	k.expiry(c.Expiry)
	for i, d := range c.Directories {
		k.directory(fmt.Sprintf("directories[%d]", i), d)
	}
	k.directoryNames(c.Directories)
	k.order(c)
	k.web(c.Web)
	k.metrics(c.Metrics)
	return k.mistakes, k.warnings
}

// site checks what the whole server is called by.
func (k *checker) site(c *Config) {
	if c.DataDir == "" {
		k.mistake("data_dir", "is empty", "name the folder that is to hold the database, as /var/lib/sealist")
	}
	if !robotName.MatchString(c.Robot) {
		k.mistake("robot", fmt.Sprintf("%q cannot stand before the @ of an address that takes commands", c.Robot), "write lower-case letters and digits, as sealist")
	}
	if c.Hostname != "" {
		k.domain("hostname", c.Hostname)
	}
	if c.Node != "" && !nodeName.MatchString(c.Node) {
		k.mistake("node", fmt.Sprintf("%q cannot be the name of a server", c.Node), "write letters, digits, dots and hyphens, as mail2")
	}
	k.domains("domains", c.Domains)
	for i, address := range c.Listmasters {
		if !bareAddress(address) {
			k.mistake(fmt.Sprintf("listmasters[%d]", i), fmt.Sprintf("%q is no mail address", address), "write it bare, as postmaster@example.org")
		}
	}
}

// never is the word for a time that does not come.
const never = "never"

// Unsigned is how long service mail that cannot be signed waits before it leaves unsigned; 0: it does not.
func (n Notices) Unsigned() time.Duration {
	d, err := ParseDuration(n.UnsignedAfter)
	if err != nil {
		return 0
	}
	return d.Std()
}

func (k *checker) notices(n Notices) {
	if d, err := ParseDuration(n.UnsignedAfter); n.UnsignedAfter != never && (err != nil || d == 0) {
		k.mistake("notices.unsigned_after", fmt.Sprintf("%q is no time", n.UnsignedAfter), "write never, or a time such as 4h")
	}
}

// nodeName leaves out "/", which divides a server's name from that of one of its runs.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$`)

// robotName keeps a robot's address apart from those of lists' functions, which have a "-".
var robotName = regexp.MustCompile(`^[a-z][a-z0-9]{0,49}$`)

// bareAddress tells whether s is one plain ASCII address without a name or
// brackets. The address a person writes to is parsed elsewhere, strictly; this
// catches what was mistyped.
func bareAddress(s string) bool {
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s && len(s) <= 254
}

func (k *checker) domains(key string, domains []string) {
	for i, d := range domains {
		itemKey := fmt.Sprintf("%s[%d]", key, i)
		if slices.Contains(domains[:i], d) {
			k.mistake(itemKey, fmt.Sprintf("%q stands here twice", d), "take one out")
			continue
		}
		k.domain(itemKey, d)
	}
}

// domain checks a name of letters, digits and hyphens (RFC 1123 section 2.1).
func (k *checker) domain(key, d string) {
	switch {
	case d != strings.ToLower(d):
		k.mistake(key, fmt.Sprintf("%q has capitals", d), "write "+strings.ToLower(d))
	case strings.HasSuffix(d, "."):
		k.mistake(key, fmt.Sprintf("%q ends in a dot", d), "write "+strings.TrimRight(d, "."))
	case strings.ContainsFunc(d, func(r rune) bool { return r > 0x7e }):
		k.mistake(key, fmt.Sprintf("%q has letters beyond ASCII", d), "write the domain in the form that begins with xn--")
	case !hostName(d):
		k.mistake(key, fmt.Sprintf("%q is no domain name", d), "write a name as lists.example.org, without @ and without a port")
	}
}

func hostName(d string) bool {
	if d == "" || len(d) > 253 {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// smtp checks listeners, TLS and networks.
func (k *checker) smtp(s SMTP) {
	for i, text := range s.Listen {
		key := fmt.Sprintf("smtp.listen[%d]", i)
		if slices.Contains(s.Listen[:i], text) {
			k.mistake(key, fmt.Sprintf("%q stands here twice", text), "take one out")
			continue
		}
		if _, err := ParseEndpoint(text); err != nil {
			k.mistake(key, err.Error(), endpointRemedy)
		}
	}
	k.tlsPair("smtp.tls", s.TLS)
	k.networks("smtp.trusted_networks", s.TrustedNetworks)
}

func (k *checker) networks(key string, networks []string) {
	for i, text := range networks {
		itemKey := fmt.Sprintf("%s[%d]", key, i)
		prefix, err := netip.ParsePrefix(text)
		if err == nil {
			if prefix != prefix.Masked() {
				k.mistake(itemKey, fmt.Sprintf("%q has bits set behind its /%d", text, prefix.Bits()), "write "+prefix.Masked().String())
			}
			continue
		}
		remedy := "write it as 192.0.2.0/24 or 2001:db8::/32"
		if address, err := netip.ParseAddr(text); err == nil {
			remedy = fmt.Sprintf("write %s/%d for this one address", text, address.BitLen())
		}
		k.mistake(itemKey, fmt.Sprintf("%q is no network", text), remedy)
	}
}

// queue checks that the times fit each other.
func (k *checker) queue(q Queue) {
	switch {
	case q.RetryMin > q.RetryMax:
		k.mistake("queue.retry_min", fmt.Sprintf("%s is longer than retry_max, which is %s", q.RetryMin, q.RetryMax), "make it the shorter of the two")
	case q.RetryMin > q.Lifetime:
		k.mistake("queue.retry_min", fmt.Sprintf("%s is longer than lifetime, which is %s: nothing is ever tried twice", q.RetryMin, q.Lifetime), "make it shorter")
	}
}

// expiry checks that whoever is to be told at the end is told of it at all.
func (k *checker) expiry(e Expiry) {
	for i, days := range e.Stages {
		if slices.Contains(e.Stages[:i], days) {
			k.mistake(fmt.Sprintf("expiry.stages[%d]", i), fmt.Sprintf("%d stands here twice", days), "take one out")
		}
	}
	late := slices.ContainsFunc(e.Stages, func(days int) bool { return days <= LastDays })
	m := e.HolderMail
	for _, of := range [][2]string{{"harvest", m.Harvest}, {"files", m.Files}, {"pinned", m.Pinned}, {"directory", m.Directory}} {
		if of[1] == HolderLast && len(e.Stages) > 0 && !late {
			k.warn("expiry.holder_mail."+of[0], fmt.Sprintf("nobody gets a mail: no stage is of %d days or less", LastDays), "add 3 to expiry.stages, or write all")
		}
	}
}

// store checks the database's address.
func (k *checker) store(s Store) {
	scheme, path, _ := strings.Cut(s.URL, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		k.postgres(s)
	case scheme != "sqlite":
		k.mistake("store.url", fmt.Sprintf("%q is no database Sealist knows", redactURL(s.URL)), "write sqlite:FILE, as sqlite:sealist.db, or postgres://USER@HOST/DATABASE")
	case path == "" || strings.HasPrefix(path, "//"):
		k.mistake("store.url", fmt.Sprintf("%q names no file", s.URL), "write sqlite:FILE without slashes behind the colon unless the path is absolute, as sqlite:sealist.db or sqlite:/var/lib/sealist/sealist.db")
	case strings.ContainsAny(path, "?#"):
		k.mistake("store.url", "has parameters behind the file's name", "write the file's name alone; Sealist sets what it needs")
	}
	if scheme == "sqlite" && s.PasswordFile != "" {
		k.mistake("store.password_file", "is for PostgreSQL; an SQLite file has no password", "take it out")
	}
}

// postgres checks what can be seen of a PostgreSQL database's address without
// its driver, which reads the rest when the server starts.
func (k *checker) postgres(s Store) {
	_, rest, found := strings.Cut(s.URL, "://")
	if !found {
		k.mistake("store.url", "is no URL", "write postgres://USER@HOST/DATABASE?sslmode=verify-full")
		return
	}
	rest, query, _ := strings.Cut(rest, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		k.mistake("store.url", "has parameters that cannot be read", "write them as ?sslmode=verify-full&sslrootcert=/etc/ssl/corp.pem")
		return
	}
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if strings.Contains(authority[:max(at, 0)], ":") {
		k.warn("store.url", "holds the password, which everybody sees who sees the configuration", "put it into a file and name that as store.password_file")
	}
	hosts := cmp.Or(authority[at+1:], parameters.Get("host"))
	if parameters.Get("sslmode") != "verify-full" && !s.Insecure && slices.ContainsFunc(strings.Split(hosts, ","), elsewhere) {
		k.mistake("store.url", "goes over the network, and nothing proves who is there", "write ?sslmode=verify-full behind it; insecure: true allows it all the same")
	}
	if s.PasswordFile != "" {
		if _, err := s.Password(); err != nil {
			k.mistake("store.password_file", pathError(err), "the file must hold the password and be readable by the user that runs listd")
		}
	}
}

// elsewhere reports whether a database's host, perhaps with its port, is
// another machine; a folder is that of a socket.
func elsewhere(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host != "" && host != "localhost" && !strings.HasPrefix(host, "/") && !(err == nil && ip.IsLoopback())
}

// redactURL keeps a password that stands in an address out of messages.
func redactURL(s string) string {
	scheme, rest, found := strings.Cut(s, "://")
	if i := strings.LastIndex(rest, "@"); found && i >= 0 {
		return scheme + "://…" + rest[i:]
	}
	return s
}
