package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
)

// world is a database with one post whose copies are queued, and a next hop.
type world struct {
	t     *testing.T
	store *store.Store
	sink  *peer.Sink
	item  string
	log   *strings.Builder
	mu    sync.Mutex
}

// Write implements io.Writer for the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// newWorld queues a copy for each of n members.
func newWorld(t *testing.T, n int, o peer.SinkOptions) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, sink: peer.StartSink(t, o), log: &strings.Builder{}}
	st, err := store.Open(ctx, peer.Database(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	w.store = st
	id, err := st.CreateList(ctx, list.List{Address: list.MustParseAddress("team@lists.example.org"), Send: "public"})
	if err != nil {
		t.Fatal(err)
	}
	members := make([]list.Member, n)
	for i := range members {
		members[i] = list.Member{Address: list.MustParseAddress(fmt.Sprintf("m%d@example.org", i)), Role: list.RoleMember}
	}
	if _, err := st.AddMembers(ctx, id, members); err != nil {
		t.Fatal(err)
	}
	ids, err := st.Accept(ctx, store.Incoming{Octets: []byte("x"), Targets: []store.Target{{List: id, Kind: store.KindPost, ForwardPath: list.MustParseAddress("team@lists.example.org")}}})
	if err != nil {
		t.Fatal(err)
	}
	w.item = ids[0]
	if err := st.Decide(ctx, store.Decided{Item: w.item, State: store.ItemDistributing}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := st.Expand(ctx, w.item, n+1); err != nil {
		t.Fatal(err)
	}
	return w
}

// renderer makes clear copies, unless told otherwise for an address.
type renderer func(store.Delivery) queue.Rendering

// Render implements queue.Renderer.
func (r renderer) Render(_ context.Context, batch []store.Delivery) []queue.Rendering {
	out := make([]queue.Rendering, len(batch))
	for i, d := range batch {
		if r != nil && d.Kind == store.KindCopy {
			out[i] = r(d)
		}
		if out[i] == nil {
			out[i] = queue.Copy{ReversePath: "team-owner@lists.example.org", Parts: hello}
		}
	}
	return out
}

func hello() ([]relay.Segment, error) {
	s, err := relay.NewSegment([]byte("Subject: x\r\n\r\nhello\r\n"))
	return []relay.Segment{s}, err
}

// run runs a queue until the test ends, or until stop is called.
func (w *world) run(rd renderer, o queue.Options) (stop func()) {
	w.t.Helper()
	rl, err := relay.New(relay.Config{URL: w.sink.URL, TLS: relay.TLSNone}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	o.Owner = "test"
	o.Log = slog.New(slog.NewTextHandler(w, nil))
	ctx, cancel := context.WithCancel(context.Background())
	q := queue.New(w.store, rl, rd, o)
	done := make(chan error, 1)
	hard, cut := context.WithCancel(context.Background())
	w.t.Cleanup(cut)
	context.AfterFunc(ctx, func() { time.AfterFunc(10*time.Second, cut) })
	go func() { done <- q.Run(ctx, hard) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("Run: %v", err)
			}
			if err := rl.Close(context.Background()); err != nil {
				w.t.Errorf("closing the relay: %v", err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

// until waits for the deliveries to satisfy a condition, and returns them by address.
func (w *world) until(what string, ok func(map[string]store.Delivery) bool) map[string]store.Delivery {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		all, err := w.store.Deliveries(w.t.Context(), store.DeliveryFilter{Item: w.item, Kind: store.KindCopy})
		if err != nil {
			w.t.Fatal(err)
		}
		by := map[string]store.Delivery{}
		for _, d := range all {
			by[d.Address.Local()] = d
		}
		if ok(by) {
			return by
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waited too long for %s: %+v\n%s", what, by, w.logged())
		}
		time.Sleep(2 * time.Millisecond) // between two looks at the database
	}
}

func finished(by map[string]store.Delivery) bool {
	for _, d := range by {
		if !d.State.Finished() {
			return false
		}
	}
	return true
}

func TestEveryCopyIsRelayedOnce(t *testing.T) {
	const n = 500
	w := newWorld(t, n, peer.SinkOptions{})
	w.run(nil, queue.Options{Batch: 20})
	by := w.until("all copies", finished)
	seen := map[string]int{}
	for _, m := range w.sink.Mails() {
		seen[m.ForwardPaths[0]]++
		if m.ReversePath != "team-owner@lists.example.org" {
			t.Errorf("reverse-path %q", m.ReversePath)
		}
	}
	if len(by) != n || len(seen) != n {
		t.Fatalf("%d deliveries, %d recipients, want %d", len(by), len(seen), n)
	}
	for a, d := range by {
		if d.State != store.DeliveryRelayed || d.Attempts != 1 || d.Code != 250 || seen[a+"@example.org"] != 1 {
			t.Errorf("%s: %s after %d attempts with %d, seen %d times", a, d.State, d.Attempts, d.Code, seen[a+"@example.org"])
		}
	}
	item, err := w.store.Item(t.Context(), w.item)
	if err != nil || item.State != store.ItemDone {
		t.Errorf("the post is %s, %v", item.State, err)
	}
}

func TestRepliesAndRenderings(t *testing.T) {
	w := newWorld(t, 6, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
		switch {
		case s.Verb == "RCPT" && strings.HasPrefix(s.ForwardPath, "m1@"):
			return peer.Act{Reply: "550 5.1.1 no such user"}
		case s.Verb == "RCPT" && strings.HasPrefix(s.ForwardPath, "m2@"):
			return peer.Act{Reply: "450 4.2.1 mailbox busy"}
		}
		return peer.Act{}
	}})
	w.run(func(d store.Delivery) queue.Rendering {
		switch d.Address.Local() {
		case "m3":
			return queue.Withheld{Reason: "no certificate found", Notices: []store.Notice{{Template: "no_certificate", List: d.List, To: d.Address}}}
		case "m4":
			return queue.Cancelled{Reason: "no longer subscribed"}
		case "m5":
			return queue.Delayed{Reason: "directory corp: connection refused"}
		}
		return nil
	}, queue.Options{})
	by := w.until("first outcomes", func(by map[string]store.Delivery) bool {
		for _, d := range by {
			if d.State == store.DeliveryQueued {
				return false
			}
		}
		return true
	})
	for a, want := range map[string]store.Delivery{
		"m0": {State: store.DeliveryRelayed, Code: 250, Enhanced: "2.0.0", Attempts: 1},
		"m1": {State: store.DeliveryFailed, Code: 550, Enhanced: "5.1.1", Text: "no such user", Attempts: 1},
		"m2": {State: store.DeliveryDelayed, Code: 450, Enhanced: "4.2.1", Text: "mailbox busy", Attempts: 1},
		"m4": {State: store.DeliveryCancelled},
		"m5": {State: store.DeliveryDelayed, Attempts: 1},
	} {
		d := by[a]
		if d.State != want.State || d.Code != want.Code || d.Enhanced != want.Enhanced || want.Text != "" && d.Text != want.Text || d.Attempts != want.Attempts {
			t.Errorf("%s: %+v, want %+v", a, d, want)
		}
		if want.State == store.DeliveryDelayed && !d.NextAt.After(time.Now()) {
			t.Errorf("%s is delayed until %s", a, d.NextAt)
		}
	}
	notices, err := w.store.Deliveries(t.Context(), store.DeliveryFilter{Kind: store.KindNotice})
	if err != nil || len(notices) != 1 || notices[0].Notice.Template != "no_certificate" {
		t.Errorf("notices %+v, %v", notices, err)
	}
}

func TestHopDownChargesNobody(t *testing.T) {
	w := newWorld(t, 30, peer.SinkOptions{})
	w.sink.Stop()
	w.run(nil, queue.Options{Jitter: func(time.Duration) time.Duration { return 10 * time.Millisecond }})
	w.until("the hop to be found down", func(by map[string]store.Delivery) bool {
		return by["m0"].State == store.DeliveryDelayed && strings.Contains(by["m0"].Reason, "refused")
	})
	w.sink.Start()
	by := w.until("all copies", finished)
	for a, d := range by {
		if d.State != store.DeliveryRelayed || d.Attempts != 1 {
			t.Errorf("%s: %s after %d attempts", a, d.State, d.Attempts)
		}
	}
	if n := len(w.sink.Mails()); n != 30 {
		t.Errorf("%d mails, want 30", n)
	}
}

func TestOnePoisonousCopyHarmsItselfOnly(t *testing.T) {
	w := newWorld(t, 10, peer.SinkOptions{})
	w.run(func(d store.Delivery) queue.Rendering {
		if d.Address.Local() == "m3" {
			return queue.Copy{Parts: func() ([]relay.Segment, error) { panic("secret content") }}
		}
		return nil
	}, queue.Options{})
	by := w.until("the others", func(by map[string]store.Delivery) bool {
		for a, d := range by {
			if (a == "m3") == (d.State == store.DeliveryRelayed) {
				return false
			}
		}
		return by["m3"].State == store.DeliveryDelayed
	})
	if strings.Contains(w.logged()+by["m3"].Reason, "secret content") {
		t.Error("a panic's value reached the log or the database")
	}
}

func TestGivenUpAfterItsLifetime(t *testing.T) {
	w := newWorld(t, 1, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
		if s.Verb == "RCPT" {
			return peer.Act{Reply: "451 4.3.0 later"}
		}
		return peer.Act{}
	}})
	w.run(nil, queue.Options{Lifetime: time.Hour, Clock: func() time.Time { return time.Now().Add(2 * time.Hour) }})
	by := w.until("the end", finished)
	if d := by["m0"]; d.State != store.DeliveryFailed || d.Code != 451 || !strings.Contains(d.Reason, "given up") {
		t.Errorf("%+v", d)
	}
}

func TestStopGivesBackWhatWasNotBegun(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, 100)
	w := newWorld(t, 50, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
		if s.Verb == "BODY" && s.Transaction == 1 {
			entered <- struct{}{}
			<-hold
		}
		return peer.Act{}
	}})
	stop := w.run(nil, queue.Options{Workers: 1, Batch: 50})
	<-entered
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("Run ended while a copy waited for its reply")
	case <-time.After(50 * time.Millisecond): // nothing can announce that nothing happens
	}
	close(hold)
	<-stopped
	by := w.until("a look", func(map[string]store.Delivery) bool { return true })
	relayed := 0
	for a, d := range by {
		if d.LeasedBy != "" {
			t.Errorf("%s is still leased by %s", a, d.LeasedBy)
		}
		if d.State == store.DeliveryRelayed {
			relayed++
		}
	}
	if n := len(w.sink.Mails()); n != relayed || n == 0 || n == 50 {
		t.Errorf("%d mails at the sink, %d relayed in the database", n, relayed)
	}
}

// TestJudgedAgainBehindASlowHop dismisses a member while the copies before his
// are on their way: a batch that takes long is judged again.
func TestJudgedAgainBehindASlowHop(t *testing.T) {
	var mu sync.Mutex
	late, dismissed := time.Duration(0), false
	w := newWorld(t, 4, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
		if s.Verb == "BODY" { // the first copy takes its time
			mu.Lock()
			defer mu.Unlock()
			if !dismissed {
				late, dismissed = time.Minute, true
			}
		}
		return peer.Act{}
	}})
	w.run(func(d store.Delivery) queue.Rendering {
		mu.Lock()
		defer mu.Unlock()
		if dismissed && d.Address.Local() == "m3" {
			return queue.Cancelled{Reason: "no longer subscribed"}
		}
		return nil
	}, queue.Options{Workers: 1, Clock: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(late)
	}})
	by := w.until("all copies", finished)
	for name, d := range by {
		want := store.DeliveryRelayed
		if name == "m3" {
			want = store.DeliveryCancelled
		}
		if d.State != want || name != "m3" && d.Attempts != 1 {
			t.Errorf("%s: %s %s after %d attempts", name, d.State, d.Reason, d.Attempts)
		}
	}
	if n := len(w.sink.Mails()); n != 3 {
		t.Errorf("%d mails", n)
	}
}

// Whoever waits for a slow next hop leaves the rest to others.
func TestASlowHopIsNoReasonToClaimEverything(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, 1000)
	w := newWorld(t, 1000, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
		if s.Verb == "BODY" {
			entered <- struct{}{}
			<-hold
		}
		return peer.Act{}
	}})
	stop := w.run(nil, queue.Options{Workers: 8, Batch: 100})
	for range 8 {
		<-entered
	}
	now := time.Now()
	others, err := w.store.ClaimDeliveries(t.Context(), "another", now, now.Add(time.Minute), 1000)
	if err != nil || len(others) < 600 {
		t.Errorf("%d of 1000 are left, %v", len(others), err)
	}
	close(hold)
	stop()
}

// A queue that stops leaves posts to whoever leads them: given back while they
// are still worked on, another server would begin with them, too.
func TestAStoppedQueueLeavesPostsInHand(t *testing.T) {
	w := newWorld(t, 1, peer.SinkOptions{})
	ctx := t.Context()
	lists, err := w.store.Lists(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Accept(ctx, store.Incoming{Octets: []byte("y"), Targets: []store.Target{{List: lists[0].ID, Kind: store.KindPost, ForwardPath: lists[0].Address}}}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	items, err := w.store.ClaimItems(ctx, "test", now.Add(time.Second), now.Add(time.Minute), 10)
	if err != nil || len(items) != 1 {
		t.Fatalf("%v, %v", items, err)
	}
	w.run(nil, queue.Options{})()
	if i, err := w.store.Item(ctx, items[0].ID); err != nil || i.LeasedBy != "test" || i.Claims != 1 {
		t.Errorf("leased by %q, %d claims, %v", i.LeasedBy, i.Claims, err)
	}
}

// What a worker could not begin in time goes back uncounted, and leaves in the end.
func TestWhatIsHeldTooLongGoesBack(t *testing.T) {
	w := newWorld(t, 40, peer.SinkOptions{})
	w.run(nil, queue.Options{Workers: 2, Batch: 20, Hold: time.Nanosecond})
	for address, d := range w.until("all copies", finished) {
		if d.State != store.DeliveryRelayed || d.Attempts != 1 {
			t.Errorf("%s: %s, %d attempts", address, d.State, d.Attempts)
		}
	}
	if sessions := w.sink.Sessions(); len(w.sink.Mails()) != 40 || sessions < 1 {
		t.Errorf("%d mails in %d sessions", len(w.sink.Mails()), sessions)
	}
}
