package ldap

import (
	"crypto/tls"
	"testing"
)

func TestParseTarget(t *testing.T) {
	tests := []struct {
		url                string
		startTLS, insecure bool
		want               target // zero: refused
	}{
		{"ldaps://dc1.corp.example", false, false, target{network: "tcp", address: "dc1.corp.example:636", host: "dc1.corp.example", protocol: implicit}},
		{"LDAPS://dc1.corp.example:3269/", false, false, target{network: "tcp", address: "dc1.corp.example:3269", host: "dc1.corp.example", protocol: implicit}},
		{"ldaps://[2001:db8::1]", true, false, target{network: "tcp", address: "[2001:db8::1]:636", host: "2001:db8::1", protocol: implicit}},
		{"ldap://dc1.corp.example", true, false, target{network: "tcp", address: "dc1.corp.example:389", host: "dc1.corp.example", protocol: startTLS}},
		{"ldap://dc1.corp.example", true, true, target{network: "tcp", address: "dc1.corp.example:389", host: "dc1.corp.example", protocol: startTLS}},
		{"ldap://dc1.corp.example", false, false, target{}},
		{"ldap://dc1.corp.example", false, true, target{network: "tcp", address: "dc1.corp.example:389", host: "dc1.corp.example", protocol: clear}},
		{"ldap://127.0.0.1:3890", false, false, target{network: "tcp", address: "127.0.0.1:3890", host: "127.0.0.1", protocol: clear}},
		{"ldap://[::1]", false, false, target{network: "tcp", address: "[::1]:389", host: "::1", protocol: clear}},
		{"ldap://localhost", false, false, target{network: "tcp", address: "localhost:389", host: "localhost", protocol: clear}},
		{"ldap://localhost.corp.example", false, false, target{}},
		{"ldap://10.0.0.1", false, false, target{}},
		{"ldapi:///run/slapd/ldapi", false, false, target{network: "unix", address: "/run/slapd/ldapi", protocol: local}},
		{"ldapi://%2Frun%2Fslapd%2Fldapi", true, false, target{network: "unix", address: "/run/slapd/ldapi", protocol: local}},
		{"ldapi://%2Frun%2Fslapd%2Fldapi/", true, false, target{network: "unix", address: "/run/slapd/ldapi", protocol: local}},
		{"ldapi://", false, false, target{}},
		{"ldapi:///", false, false, target{}},
		{"ldapi://run/slapd", false, false, target{}},
		{"ldapi://%zz", false, false, target{}},
		{"https://dc1.corp.example", false, false, target{}},
		{"dc1.corp.example", false, false, target{}},
		{"ldaps://", false, false, target{}},
		{"ldaps://user:secret@dc1.corp.example", false, false, target{}},
		{"ldaps://dc1.corp.example/dc=corp?mail?sub", false, false, target{}},
		{"", false, false, target{}},
	}
	for _, test := range tests {
		got, err := parseTarget(test.url, test.startTLS, test.insecure)
		if (err != nil) != (test.want == target{}) {
			t.Errorf("%q: %v", test.url, err)
			continue
		}
		if err == nil {
			test.want.url = test.url
			if got != test.want {
				t.Errorf("%q: %+v, want %+v", test.url, got, test.want)
			}
		}
	}
}

func TestTLSConfig(t *testing.T) {
	one := target{host: "dc1.corp.example"}
	base := &tls.Config{MinVersion: tls.VersionTLS10}
	if c := one.tlsConfig(base); c.ServerName != "dc1.corp.example" || c.MinVersion != tls.VersionTLS12 || base.ServerName != "" {
		t.Errorf("%q, %x", c.ServerName, c.MinVersion)
	}
	if c := one.tlsConfig(&tls.Config{ServerName: "ldap.corp.example", MinVersion: tls.VersionTLS13}); c.ServerName != "ldap.corp.example" || c.MinVersion != tls.VersionTLS13 {
		t.Errorf("%q, %x", c.ServerName, c.MinVersion)
	}
	if c := one.tlsConfig(nil); c.InsecureSkipVerify || c.ServerName == "" {
		t.Error("without a configuration nothing is verified")
	}
}
