package listd_test

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

// A post reaches everybody although the hop with the weight is down, over LMTP
// and a socket too, and nobody gets it twice.
func TestNextHops(t *testing.T) {
	w := newWorld(t)
	down := peer.StartSink(t, peer.SinkOptions{})
	down.Stop()
	backup := peer.StartSink(t, peer.SinkOptions{LMTP: true, Unix: true})
	w.config.Relay.Hops = []config.Hop{
		{Address: down.Addr, Weight: 1},
		{Address: backup.Addr, Protocol: "lmtp"},
	}
	w.config.Complete()
	w.open()
	w.start()
	item := w.send("alice@example.org", plainList, mail("alice@example.org", plainList, w.people["alice"].Sign(text)))
	_, deliveries := w.settled(item)
	for _, d := range deliveries {
		if d.State != store.DeliveryRelayed || d.Attempts != 1 {
			t.Errorf("%s: %s after %d attempts", d.Address, d.State, d.Attempts)
		}
	}
	if got := len(backup.Mails()); got != len(deliveries) || got < 3 || strings.Count(w.logged(), "put aside") != 1 {
		t.Errorf("%d mails for %d deliveries; the log:\n%s", got, len(deliveries), w.logged())
	}
}
