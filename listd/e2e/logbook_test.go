package e2e

import (
	"bytes"
	"fmt"
	"net/mail"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/peer"
)

// logbook notes which copies a sink has taken, and holds each against invariant 8 while it comes.
type logbook struct {
	mu      sync.Mutex
	copies  map[copyKey][]taking
	written map[copyKey]bool  // copies whose result stood in the database after some kill
	ids     map[string]string // Subject of a post to its Message-ID
	kills   []time.Time
	wrong   []string // what must not be
	changed chan struct{}
}

// taking is one time that a copy came.
type taking struct {
	kills int // how many there had been
	at    time.Time
}

func newLogbook() *logbook {
	return &logbook{copies: map[copyKey][]taking{}, written: map[copyKey]bool{}, ids: map[string]string{}, changed: make(chan struct{})}
}

// took is a sink's Took.
func (b *logbook) took(m peer.Mail) {
	message, err := mail.ReadMessage(bytes.NewReader(m.Octets))
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil || len(m.ForwardPaths) != 1 {
		b.wrong = append(b.wrong, fmt.Sprintf("a mail to %v cannot be read: %v", m.ForwardPaths, err))
		return
	}
	subject, id := message.Header.Get("Subject"), message.Header.Get("Message-ID")
	want, known := b.ids[subject]
	if !known || id != want {
		b.wrong = append(b.wrong, fmt.Sprintf("a mail to %v, %q, has the Message-ID %q, not %q:\n%s", m.ForwardPaths, subject, id, want, m.Octets))
		return
	}
	key := copyKey{want, m.ForwardPaths[0]}
	earlier := b.copies[key]
	switch {
	case b.written[key]:
		b.wrong = append(b.wrong, fmt.Sprintf("%v came again after its result was written", key))
	case len(earlier) > 0 && earlier[len(earlier)-1].kills == len(b.kills):
		b.wrong = append(b.wrong, fmt.Sprintf("%v came twice with no kill between", key))
	}
	b.copies[key] = append(earlier, taking{len(b.kills), m.Received})
	close(b.changed)
	b.changed = make(chan struct{})
}

// post announces a post before it is sent.
func (b *logbook) post(subject, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids[subject] = id
}

// killed says that a server was killed, when, and what the database had then.
func (b *logbook) killed(at time.Time, written map[copyKey]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kills = append(b.kills, at)
	for key := range written {
		b.written[key] = true
	}
}

// distinct returns how many different copies have come, and a channel that is closed when another comes.
func (b *logbook) distinct() (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.copies), b.changed
}

// toll is what a run cost.
type toll struct {
	copies     int // taken, repetitions aside
	lost       int // of those that were due
	duplicates int
	worst      int           // duplicates after one kill
	oldest     time.Duration // how long a result had not been written when a kill came
}

// count holds the book against the posts that were accepted.
func (b *logbook) count(accepted []string, members []string) (t toll) {
	b.mu.Lock()
	defer b.mu.Unlock()
	after := map[int]int{}
	for _, takings := range b.copies {
		t.copies++
		for i, again := range takings[1:] {
			t.duplicates++
			after[again.kills]++
			t.worst = max(t.worst, after[again.kills])
			if first := takings[i]; first.kills < len(b.kills) {
				t.oldest = max(t.oldest, b.kills[first.kills].Sub(first.at))
			}
		}
	}
	for _, id := range accepted {
		for _, member := range members {
			if len(b.copies[copyKey{id, member}]) == 0 {
				t.lost++
				b.wrong = append(b.wrong, fmt.Sprintf("%s got no copy of %s", member, id))
			}
		}
	}
	return t
}
