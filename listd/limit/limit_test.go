package limit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/limit"
)

// A network has its limit for itself, and anew after its time.
func TestLimiter(t *testing.T) {
	now := time.Unix(1000000, 0)
	l := limit.New(func() time.Time { return now }, 2, time.Hour)
	for n, test := range []struct {
		address string
		want    bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true}, // each address of IPv4
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"2001:db8:0:1::1", true}, // each /64 of IPv6
	} {
		if got := l.Allow(limit.Network(netip.MustParseAddr(test.address))); got != test.want {
			t.Errorf("%d %s: %v", n, test.address, got)
		}
	}
	if !l.Allow(limit.Network(netip.Addr{})) {
		t.Error("a socket without a client's address")
	}
	now = now.Add(time.Hour + time.Second)
	if !l.Allow(limit.Network(netip.MustParseAddr("192.0.2.1"))) {
		t.Error("still refused an hour later")
	}
}

// Whoever comes from everywhere does not fill the memory.
func TestMemory(t *testing.T) {
	l := limit.New(func() time.Time { return time.Unix(1000000, 0) }, 1, time.Hour)
	l.Allow("first")
	for i := range 100_000 {
		l.Allow(fmt.Sprint(i))
	}
	if !l.Allow("first") {
		t.Error("everybody is still remembered")
	}
}
