package ldap

import (
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"
)

func TestParseTemplate(t *testing.T) {
	tests := []struct {
		filter string
		rules  int    // 0: addresses are asked for one by one
		fails  string // what the error speaks of
	}{
		{"(mail={addr})", 1, ""},
		{"(|(mail={addr})(proxyAddresses=smtp:{addr}))", 2, ""},
		{"(&(objectClass=person)(|(mail={addr})(mailAlternateAddress={addr}))(!(disabled=TRUE)))", 2, ""},
		{"(|(mail={addr})(|(a={addr})(b={local}@{domain})))", 3, ""},
		{"(uid={local})", 1, ""},
		{"(&(uid={local})(associatedDomain={domain}))", 0, ""},                                 // an entry with one but not the other
		{"(|(&(objectClass=user)(mail={addr}))(&(objectClass=contact)(other={addr})))", 0, ""}, // whose class decides
		{"(mail=*{addr}*)", 0, ""},
		{"(mail~={addr})", 0, ""},
		{"(!(mail={addr}))", 0, ""},
		{"(mail:caseExactMatch:={addr})", 0, ""},
		{"(|(mail={addr})(objectClass=everybody))", 0, ""},
		{"(mail=someone@corp.example)", 0, "neither {addr} nor {local}"},
		{"(domain={domain})", 0, "neither {addr} nor {local}"},
		{"(mail={address})", 0, "{address}"},
		{"(mail={addr", 0, "{addr"},
		{"(mail={addr}", 0, "filter"},
		{"mail={addr}", 0, "filter"},
		{"({local}=x)", 0, "attribute"},
		{"(|(mail={addr})({local}=*))", 0, "attribute"},
		{"({local}:caseExactMatch:={addr})", 0, "attribute"},
		{"", 0, "neither"},
	}
	for _, test := range tests {
		got, err := parseTemplate(test.filter)
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v, want an error about %q", test.filter, err, test.fails)
			}
			continue
		}
		if err != nil || len(got.rules) != test.rules {
			t.Errorf("%s: %d rules, %v; want %d", test.filter, len(got.rules), err, test.rules)
		}
	}
}

// hostile are addresses that would change a filter into which they are pasted.
var hostile = []string{
	"*)(mail=*@corp.example", "*@corp.example", "a)(|(mail=*))@corp.example", `a\2a@corp.example`, "a\x00b@corp.example", "()*\\\x00&|!=~><@corp.example",
	"{local}@corp.example", "{addr}@{domain}", "*", "", ")", "jörg@corp.example", "a b@corp.example", "x,dc=corp@corp.example",
}

// TestEscaping: whatever the address, the filter keeps its shape and its value is the address.
func TestEscaping(t *testing.T) {
	template, err := parseTemplate("(&(objectClass=person)(mail={addr}))")
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, address string) {
		tree, err := ldap.CompileFilter(template.expand(address))
		if err != nil {
			t.Fatalf("%q: %v", address, err)
		}
		if len(tree.Children) != 2 || tree.Children[1].Tag != ldap.FilterEqualityMatch || text(tree.Children[1].Children[1]) != address {
			t.Errorf("%q changed the filter: %s", address, template.expand(address))
		}
	}
	for _, address := range hostile {
		check(t, address)
	}
}

func FuzzEscaping(f *testing.F) {
	for _, address := range hostile {
		f.Add(address)
	}
	template, err := parseTemplate("(|(mail={addr})(uid={local})(dc={domain}))")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		tree, err := ldap.CompileFilter(template.batch([]string{address, "b@corp.example"}))
		if err != nil {
			t.Skip() // go-ldap refuses what is not UTF-8
		}
		if len(tree.Children) != 2 || len(tree.Children[0].Children) != 3 || text(tree.Children[0].Children[0].Children[1]) != address {
			t.Errorf("%q changed the filter", address)
		}
	})
}

func TestSort(t *testing.T) {
	template, err := parseTemplate("(|(mail={addr})(proxyAddresses=smtp:{addr}))")
	if err != nil {
		t.Fatal(err)
	}
	entry := func(dn string, attributes ...Attribute) Entry { return Entry{DN: dn, Attributes: attributes} }
	values := func(name string, values ...string) Attribute {
		a := Attribute{Name: name}
		for _, v := range values {
			a.Values = append(a.Values, []byte(v))
		}
		return a
	}
	entries := []Entry{
		entry("alice", values("Mail", "Alice@Corp.example"), values("proxyAddresses", "SMTP:alice@corp.example", "smtp:boss@corp.example", "x400:a@b")),
		entry("bob", values("mail", "bob@corp.example", "boss@corp.example")),
		entry("secret"),
	}
	own := template.sort(entries, []string{"alice@corp.example", "boss@corp.example", "carol@corp.example"})
	for address, want := range map[string]string{"alice@corp.example": "alice", "boss@corp.example": "alice bob", "carol@corp.example": ""} {
		var names []string
		for _, e := range own[address] {
			names = append(names, e.DN)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestBareName(t *testing.T) {
	for in, want := range map[string]string{
		"userCertificate;binary": "userCertificate", "usercertificate;BINARY": "usercertificate", "userCertificate": "userCertificate",
		"member;range=0-1499": "member;range=0-1499", "cn;lang-de": "cn;lang-de", ";binary": ";binary", "binary": "binary",
		"cn;lang-de;binary": "cn;lang-de",
	} {
		if got := bareName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
