package smtpd

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// What counts as one network.
func TestNetwork(t *testing.T) {
	s, err := New(Config{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := New(Config{IPv4Prefix: 32, IPv6Prefix: 128}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string][2]string{
		"192.0.2.77":            {"192.0.2.0/24", "192.0.2.77/32"},
		"2001:db8:1:2:3:4:5:6":  {"2001:db8:1:2::/64", "2001:db8:1:2:3:4:5:6/128"},
		"fe80::1%eth0":          {"fe80::/64", "fe80::1/128"},
		"255.255.255.255":       {"255.255.255.0/24", "255.255.255.255/32"},
		"2001:db8:ffff:ffff::1": {"2001:db8:ffff:ffff::/64", "2001:db8:ffff:ffff::1/128"},
	} {
		a := netip.MustParseAddr(address)
		if got := [2]string{s.network(a).String(), narrow.network(a).String()}; got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

// However many come, a meter remembers maxKnown of them, those seen last.
func TestMeterIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	m := newMeter[string](Limits{Messages: 1, Recipients: 1}, func() time.Time { return now })
	m.message("regular")
	for i := range 3 * maxKnown {
		if !m.message(fmt.Sprint(i)) {
			t.Fatalf("%d is not new", i)
		}
		if i%1000 == 0 && m.message("regular") {
			t.Fatalf("after %d others, who is seen again and again is forgotten", i)
		}
	}
	if len(m.known) > maxKnown || m.order.Len() != len(m.known) {
		t.Errorf("%d accounts, %d in order", len(m.known), m.order.Len())
	}
	if !m.message("0") || m.message(fmt.Sprint(3*maxKnown-1)) {
		t.Error("it does not forget the one not seen for longest")
	}
	if len(m.open) != 0 {
		t.Errorf("%d connections", len(m.open))
	}
}
