package listd_test

import (
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// jump sets the server's clock ahead, or back.
func (w *world) jump(by time.Duration) { w.ahead.Add(int64(by)) }

// TestTheClockJumpsWhileCopiesAreOnTheirWay: a lease that seems to have ended, or to last for hours, neither repeats a copy
// that is at the next hop nor holds up the posts to come.
func TestTheClockJumpsWhileCopiesAreOnTheirWay(t *testing.T) {
	for name, by := range map[string]time.Duration{"three hours ahead": 3 * time.Hour, "three hours back": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			reached, release := make(chan struct{}, 100), make(chan struct{})
			w.sink.Behave(func(s peer.Step) peer.Act {
				if s.Verb == "BODY" {
					reached <- struct{}{}
					<-release
				}
				return peer.Act{}
			})
			w.start()
			alice := w.people["alice"]
			post := func() []byte { return mail(alice.Address, wallList, alice.Sign(smimetest.Text("x\r\n"))) }
			first := w.send(alice.Address, wallList, post())
			for range 4 {
				<-reached // the octets of every copy, and of the note that her certificate was learnt, are with the next hop, which has not answered
			}
			w.jump(by)
			second := w.send(alice.Address, wallList, post()) // wakes whoever claims
			for range 3 {
				<-reached
			}
			close(release)
			for _, item := range []store.Item{first, second} {
				if item, _ := w.settled(item); item.State != store.ItemDone {
					t.Errorf("%s (%s)", item.State, item.Reason)
				}
			}
			for name := range w.people {
				if n := len(w.copies(name)); name != "mallory" && n != 2 {
					t.Errorf("%s got %d copies of two posts", name, n)
				}
			}
		})
	}
}

// TestTheClockJumpsWhileCopiesWait: copies that wait go as soon as their time has come by the new clock, and posts to come go
// at once.
func TestTheClockJumpsWhileCopiesWait(t *testing.T) {
	for name, by := range map[string]time.Duration{"three hours ahead": 3 * time.Hour, "three hours back": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sink.Behave(peer.Answer("RCPT", "451 4.2.0 later"))
			w.start()
			alice := w.people["alice"]
			first := w.send(alice.Address, wallList, mail(alice.Address, wallList, alice.Sign(smimetest.Text("x\r\n"))))
			w.until("copies have been tried", func() bool {
				deliveries, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: first.ID, Kind: store.KindCopy, State: store.DeliveryDelayed})
				w.must(err)
				return len(deliveries) == 3
			})
			w.jump(by)
			w.sink.Behave(nil)
			second := w.send(alice.Address, wallList, mail(alice.Address, wallList, alice.Sign(smimetest.Text("y\r\n"))))
			w.settled(second)
			w.jump(max(0, -by) + time.Minute)
			w.settled(first)
			if n := len(w.copies("bob")); n != 2 {
				t.Errorf("bob got %d copies of two posts", n)
			}
		})
	}
}
