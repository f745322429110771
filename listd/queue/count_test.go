package queue_test

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/store"
)

// tally counts results by kind, state, cause and TLS.
type tally struct {
	mu sync.Mutex
	by map[string]int
}

func (c *tally) count(kind store.DeliveryKind, o store.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]int{}
	}
	c.by[fmt.Sprint(kind, " ", o.State, " ", o.Cause, " ", o.TLS)]++
}

func (c *tally) is(want map[string]int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Equal(c.by, want)
}

// Every result is counted under the word for what became of it, the Renderer's where it said so.
func TestResultsAreCounted(t *testing.T) {
	for _, c := range []struct {
		name   string
		reply  string // of RCPT
		render queue.Rendering
		o      queue.Options
		down   bool
		want   string
	}{
		{name: "relayed", want: "copy relayed  false"},
		{name: "refused", reply: "550 5.1.1 no such user", want: "copy failed refused false"},
		{name: "put off", reply: "450 4.2.1 mailbox busy", want: "copy delayed put_off false"},
		{name: "given up", reply: "450 4.2.1 mailbox busy", o: queue.Options{Lifetime: time.Hour, Clock: func() time.Time { return time.Now().Add(2 * time.Hour) }}, want: "copy failed lifetime false"},
		{name: "no next hop", down: true, want: "copy delayed next_hop false"},
		{name: "withheld", render: queue.Withheld{Reason: "no usable certificate: expired", Cause: "expired"}, want: "copy withheld expired false"},
		{name: "cancelled", render: queue.Cancelled{Reason: "suspended", Cause: "suspended"}, want: "copy cancelled suspended false"},
		{name: "not now", render: queue.Delayed{Reason: "directory corp: refused", Cause: "source"}, want: "copy delayed source false"},
		{name: "not now, who knows why", render: queue.Delayed{Reason: "the database: hunter2"}, want: "copy delayed internal false"},
		{name: "soon", render: queue.Delayed{Reason: "memory", Cause: "memory", Soon: time.Hour}, want: "copy delayed memory false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
				if s.Verb == "RCPT" && c.reply != "" {
					return peer.Act{Reply: c.reply}
				}
				return peer.Act{}
			}})
			if c.down {
				w.sink.Stop()
			}
			counts := &tally{}
			c.o.Count = counts.count
			stop := w.run(func(store.Delivery) queue.Rendering { return c.render }, c.o)
			w.until("a first outcome", func(by map[string]store.Delivery) bool { return by["m0"].State != store.DeliveryQueued })
			stop()
			if !counts.is(map[string]int{c.want: 1}) {
				t.Errorf("%v, not %s", counts.by, c.want)
			}
			if c.down {
				w.sink.Start()
			}
		})
	}
}

// Notices are told apart.
func TestNoticesAreCountedAsSuch(t *testing.T) {
	w := newWorld(t, 1, peer.SinkOptions{})
	counts := &tally{}
	stop := w.run(func(d store.Delivery) queue.Rendering {
		return queue.Withheld{Cause: "no_certificate", Notices: []store.Notice{{Template: "no_certificate", List: d.List, To: d.Address}}}
	}, queue.Options{Count: counts.count})
	w.until("the notice", func(map[string]store.Delivery) bool { return strings.Contains(fmt.Sprint(w.sink.Mails()), "m0@") })
	stop()
	if !counts.is(map[string]int{"copy withheld no_certificate false": 1, "notice relayed  false": 1}) {
		t.Errorf("%v", counts.by)
	}
}
