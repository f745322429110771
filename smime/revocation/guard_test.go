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
