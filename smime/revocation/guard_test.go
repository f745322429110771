package revocation_test

import (
	"errors"
	"testing"

	"github.com/sealist/sealist/smime/revocation"
)

func TestGuard(t *testing.T) {
	for address, ok := range map[string]bool{
		"192.0.2.1:80": true, "10.1.2.3:80": true, "172.16.0.1:389": true, "192.168.1.1:443": true,
		"[2001:db8::1]:80": true, "[fd00::1]:80": true, "[64:ff9b::a00:1]:80": true,
		"127.0.0.1:80": false, "127.1.2.3:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "169.254.169.254:80": false,
		"224.0.0.1:80": false, "255.255.255.255:80": false,
		"[::1]:80": false, "[::]:80": false, "[fe80::1]:80": false, "[fe80::1%eth0]:80": false, "[ff02::1]:80": false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:169.254.169.254]:80": false, "[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false,
		"[::127.0.0.1]:80": false, "[::ffff:0:127.0.0.1]:80": false, "[64:ff9b:1::7f00:1]:80": false, "[64:ff9b:1:7f00:0:100::]:80": false,
		"[2001:0:7f00:1::]:80": false, "[::10.1.2.3]:80": true,
		"localhost:80": false, "": false, "/var/run/docker.sock": false,
	} {
		err := revocation.Guard("tcp", address, nil)
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := revocation.Guard("tcp", "127.0.0.1:80", nil); !errors.Is(err, revocation.ErrForbidden) {
		t.Error(err)
	}
}

// TestNamesBehindAProxy: behind a proxy a host is judged by what it is called, and resolvers read addresses in many forms.
func TestNamesBehindAProxy(t *testing.T) {
	for host, ok := range map[string]bool{
		"crl.corp.example": true, "pki": true, "crl.corp.example.": true, "xn--bcher-kva.example": true, "3com.example": true, "_crl.corp.example": true,
		"10.1.2.3": true, "2001:db8::1": true,
		"127.0.0.1": false, "127.1": false, "127.0.1": false, "2130706433": false, "0x7f000001": false, "0x7f.1": false, "0177.0.0.1": false, "017700000001": false,
		"127.0.0.1.": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false, "fe80::1%eth0": false, "169.254.169.254": false, "0": false, "0.0.0.0": false,
		"localhost": false, "LOCALHOST": false, "localhost.": false, "a.localhost": false, "localhost.localdomain": false, "x.localdomain": false, "localhost.corp.example": false,
		"１２７.0.0.1": false, "127。0。0。1": false, "127%2e0.0.1": false, "lоcalhost": false, "": false, "a..b": false, ".": false, "host name": false,
	} {
		if err := revocation.PermittedName(host); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}
