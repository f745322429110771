package config

import (
	"crypto/tls"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// sourceName is how a source of certificates may be called.
var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// directoryNames finds names that are missing, taken or reserved.
func (k *checker) directoryNames(directories []Directory) {
	seen := map[string]bool{}
	for i, d := range directories {
		section := fmt.Sprintf("directories[%d]", i)
		key := section + ".name"
		switch {
		case d.Name == "":
			k.mistake(section, "has no name", "give it one, as name: corp")
		case slices.Contains([]string{SourceHarvest, SourceFiles, "pinned", "domain"}, d.Name):
			k.mistake(key, fmt.Sprintf("%q is the name of another source of certificates", d.Name), "give the directory a name of its own")
		case !sourceName.MatchString(d.Name):
			k.mistake(key, fmt.Sprintf("%q is no name", d.Name), "use small letters, digits, dots and hyphens")
		case seen[d.Name]:
			k.mistake(key, fmt.Sprintf("%q is the name of an earlier directory", d.Name), "give each directory a name of its own")
		}
		seen[d.Name] = true
	}
}

// directory checks one directory but its name.
func (k *checker) directory(section string, d Directory) {
	switch {
	case d.Discover:
		k.discover(section, d)
	case len(d.URLs) == 0:
		k.mistake(section, "names no server", "add urls, as urls: [ldaps://ldap.example.org]")
	}
	for i, text := range d.URLs {
		key := fmt.Sprintf("%s.urls[%d]", section, i)
		plain, what, remedy := checkLDAPURL(text, d.StartTLS)
		switch {
		case what != "":
			k.mistake(key, what, remedy)
		case plain && !d.Insecure:
			k.mistake(key, fmt.Sprintf("%q is read and changed by whoever sits between: certificates and the bind password go over it in clear", text),
				"write ldaps://, or set starttls: true; insecure: true allows it all the same")
		}
	}
	if d.CAFile != "" {
		k.certificates(section+".cafile", d.CAFile, false)
	}
	k.domains(section+".domains", d.Domains)
	k.bind(section, d)
	k.search(section, d)
}

// discover checks a directory whose servers DNS names.
func (k *checker) discover(section string, d Directory) {
	switch {
	case len(d.URLs) > 0:
		k.mistake(section+".discover", "stands beside urls", "take one of them out")
	case len(d.Domains) != 1:
		k.mistake(section+".discover", fmt.Sprintf("needs one domain, and domains has %d", len(d.Domains)), "make a directory for each domain, with its domain in domains")
	case d.BindDN != "" || d.BindPasswordFile != "" || d.BindExternal || d.ClientCert != "":
		k.mistake(section+".discover", "stands beside credentials: servers that only DNS names get none", "take bind_dn, bind_external and client_cert out, or name the servers in urls")
	case d.ServerName != "":
		k.mistake(section+".server_name", "stands beside discover: a discovered server must show its own name", "take it out")
	}
}

// bind checks name and password.
func (k *checker) bind(section string, d Directory) {
	sockets := len(d.URLs) > 0 && !slices.ContainsFunc(d.URLs, func(u string) bool { return !strings.HasPrefix(u, "ldapi://") })
	switch {
	case d.BindExternal && d.BindDN != "":
		k.mistake(section+".bind_external", "stands beside bind_dn", "take one of them out")
	case d.BindExternal && d.ClientCert == "" && !sockets:
		k.mistake(section+".bind_external", "has no client certificate to bind by", "set client_cert and client_key; only over ldapi:// the user id serves")
	case (d.ClientCert == "") != (d.ClientKey == ""):
		k.mistake(section+".client_cert", "certificate and key belong together, and one of them is missing", "set both client_cert and client_key")
	case d.ClientCert != "":
		if _, err := tls.LoadX509KeyPair(d.ClientCert, d.ClientKey); err != nil {
			k.mistake(section+".client_cert", "cannot be used: "+pathError(err), "client_cert and client_key must be PEM files that belong together and that the user who runs listd can read")
		}
	}
	if d.ConnectTimeout > d.Timeout {
		k.mistake(section+".connect_timeout", "is longer than timeout, which includes it", "make it shorter")
	}
	switch {
	case d.BindPasswordFile != "" && d.BindDN == "":
		k.mistake(section+".bind_password_file", "is a password without a name", "set bind_dn")
	case d.BindDN != "" && d.BindPasswordFile == "":
		// A bind with a name and no password is an anonymous bind that looks
		// like another (RFC 4513 section 5.1.2).
		k.mistake(section+".bind_dn", "has no password", "set bind_password_file; for an anonymous bind take bind_dn out")
	case d.BindPasswordFile != "":
		if _, err := d.BindPassword(); err != nil {
			k.mistake(section+".bind_password_file", pathError(err), "the file must hold the password and be readable by the user that runs listd")
		}
	}
	for _, dn := range []struct{ key, text string }{{"bind_dn", d.BindDN}, {"base_dn", d.BaseDN}} {
		if dn.text == "" || strings.Contains(dn.text, "@") { // QUIRK: Active Directory binds by user@domain too
			continue
		}
		if _, err := ldap.ParseDN(dn.text); err != nil && !strings.Contains(dn.text, `\`) { // QUIRK: and by DOMAIN\user
			k.mistake(section+"."+dn.key, fmt.Sprintf("%q is no distinguished name", dn.text), "write it as ou=people,dc=example,dc=org")
		}
	}
}

// search checks base, filter and attributes.
func (k *checker) search(section string, d Directory) {
	if d.BaseDN == "" && !d.Discover {
		k.mistake(section, "has no base_dn", "name the entry below which people are found, as base_dn: dc=example,dc=org")
	}
	switch {
	case d.Filter == "":
		k.mistake(section, "has no filter, and its preset gives none", "set filter, as filter: (mail={addr}), or preset: openldap, active-directory or 389ds")
	case !strings.Contains(d.Filter, "{addr}") && !strings.Contains(d.Filter, "{local}"):
		k.mistake(section+".filter", "finds the same entries for every address", "put {addr} or {local} where the address belongs, as (mail={addr})")
	default:
		sample := strings.NewReplacer("{addr}", "user@example.org", "{local}", "user", "{domain}", "example.org").Replace(d.Filter)
		if _, err := ldap.CompileFilter(sample); err != nil {
			k.mistake(section+".filter", fmt.Sprintf("%q is no LDAP filter: %s", d.Filter, ldapText(err)), "count the brackets, and write it as (mail={addr})")
		}
	}
	k.writable(section+".filter", d.Filter)
	if len(d.Attributes) == 0 {
		k.mistake(section, "has no attributes, and its preset gives none", "set attributes, as attributes: [userSMIMECertificate, userCertificate]")
	}
	for i, name := range d.Attributes {
		k.attribute(fmt.Sprintf("%s.attributes[%d]", section, i), name, d.Preset, d.Attributes[:i])
	}
}

// writable are attributes that people commonly may change in their own entries: Active Directory's property set
// "Personal Information", and what many OpenLDAP servers allow by "self write".
var writable = []string{
	"assistant", "c", "description", "facsimileTelephoneNumber", "homePhone", "homePostalAddress", "info", "ipPhone", "jpegPhoto", "l", "labeledURI",
	"mobile", "otherMailbox", "otherMobile", "otherTelephone", "pager", "personalTitle", "physicalDeliveryOfficeName", "postalAddress",
	"postalCode", "postOfficeBox", "preferredLanguage", "registeredAddress", "seeAlso", "st", "street", "streetAddress",
	"telephoneNumber", "url", "wWWHomePage",
}

// filterAttribute is an attribute in a filter, before the sign that compares it.
var filterAttribute = regexp.MustCompile(`\(\s*([A-Za-z][A-Za-z0-9-]*)[^()=]*=[^()]*\{`)

// writable warns of a filter that finds people by what they may write themselves: who writes a colleague's address there
// is taken for him.
func (k *checker) writable(key, filter string) {
	for _, match := range filterAttribute.FindAllStringSubmatch(filter, -1) {
		if slices.ContainsFunc(writable, func(w string) bool { return strings.EqualFold(w, match[1]) }) {
			k.warn(key, fmt.Sprintf("finds people by %s, which in many directories they may write themselves", match[1]),
				"use an attribute that only administrators write, as mail or proxyAddresses; with a certificate that names the address nobody gains anything, but with address_match: entry he would")
		}
	}
}

// attributeName is a descriptor of RFC 4512 section 1.4.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// attribute checks the name of one attribute that holds certificates. With a
// preset only the standard two are known; a custom directory may have its own.
func (k *checker) attribute(key, name, preset string, before []string) {
	known := []string{"userSMIMECertificate", "userCertificate"}
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
		name = known[i]
	}
	same := func(earlier string) bool { return strings.EqualFold(earlier, name) }
	bare, option, optioned := strings.Cut(name, ";")
	switch {
	case slices.ContainsFunc(before, same):
		k.mistake(key, fmt.Sprintf("%q stands here twice", name), "take one out")
	case optioned:
		k.mistake(key, fmt.Sprintf("%q has the option ;%s, with which some servers return nothing", name, option), "write "+bare+": Sealist understands either answer")
	case slices.Contains(known, name):
	case preset != "custom":
		remedy := "write " + oneOf(known) + "; another attribute goes with preset: custom"
		if near := nearest(name, known); near != "" {
			remedy = "did you mean " + near + "?"
		}
		k.mistake(key, fmt.Sprintf("%q is no attribute that holds certificates", name), remedy)
	case name != known[0] && name != known[1] && nearest(name, known) != "" && attributeName.MatchString(name):
		k.warn(key, fmt.Sprintf("%q is no usual attribute for certificates", name), "did you mean "+nearest(name, known)+"?")
	case !attributeName.MatchString(name):
		k.mistake(key, fmt.Sprintf("%q is no name of an attribute", name), "write it as userCertificate")
	}
}

// ldapText takes go-ldap's own numbering off its message.
func ldapText(err error) string {
	text := err.Error()
	if _, after, found := strings.Cut(text, ": ldap: "); found {
		return after
	}
	return text
}

// order checks that resolver.order names sources, each once.
func (k *checker) order(c *Config) {
	sources := []string{}
	for _, d := range c.Directories {
		if d.Name != "" {
			sources = append(sources, d.Name)
		}
	}
	sources = append(sources, SourceHarvest, SourceFiles)
	for i, name := range c.Resolver.Order {
		key := fmt.Sprintf("resolver.order[%d]", i)
		switch {
		case name == "": // the directory without a name has been reported
		case slices.Contains(c.Resolver.Order[:i], name):
			k.mistake(key, fmt.Sprintf("%q stands here twice", name), "take one out")
		case !slices.Contains(sources, name):
			remedy := "the sources are " + oneOf(sources)
			if near := nearest(name, sources); near != "" {
				remedy = "did you mean " + near + "?"
			}
			k.mistake(key, fmt.Sprintf("%q is no source of certificates", name), remedy)
		}
	}
	for i, d := range c.Directories {
		if d.Name != "" && !slices.Contains(c.Resolver.Order, d.Name) {
			k.warn(fmt.Sprintf("directories[%d]", i), fmt.Sprintf("is never asked: resolver.order does not name %q", d.Name), "add it there, or take the directory out")
		}
	}
}
