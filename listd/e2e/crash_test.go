package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// crew is how many members the list of a crash run has: several batches of the queue's results, not one.
const crew = 60

// Invariant 8: at whatever moment the server is killed, every member gets the copy. A copy comes twice only if its result
// was not yet written at the kill, or if the sender had not heard the 250 and sent the post again.
func TestAKilledServerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills servers")
	}
	ca := smimetest.NewCA("Corp")
	for _, point := range crashpoint.Points() {
		occurrences := []int{1}
		switch point {
		case crashpoint.RelayInData, crashpoint.RelayReplied:
			occurrences = []int{1, crew / 2, crew}
		}
		if os.Getenv("SEALIST_SLOW") == "1" && strings.HasPrefix(string(point), "relay.") {
			occurrences = nil
			for n := 1; n <= crew; n++ {
				occurrences = append(occurrences, n)
			}
		}
		for _, n := range occurrences {
			t.Run(fmt.Sprintf("%s:%d", point, n), func(t *testing.T) { crash(t, ca, point, n) })
		}
	}
}

// crash kills the server when it meets a point for the n-th time, starts it again, and counts the copies.
func crash(t *testing.T, ca *smimetest.CA, point crashpoint.Point, n int) {
	sink := peer.StartSink(t, peer.SinkOptions{})
	in := peer.Loopback(peer.Port(t))
	site := install(t, settings{listen: "smtp://" + in, relay: "smtp://" + sink.Addr, anchor: ca.PEM(), more: append(withoutDirectory(), "harvest: { enabled: false }")}, buildCrashing)
	members := make([]string, crew)
	for i := range members {
		members[i] = fmt.Sprintf("sailor%d@corp.example", i)
	}
	captain := ca.Issue(members[0])
	site.writeCertificate(captain)
	for _, member := range members[1:] {
		site.writeCertificate(ca.Issue(member))
	}
	board := ca.Issue(boardList)
	site.createBoard(board, members...)
	site.start(fmt.Sprintf("SEALIST_CRASH=%s:%d", point, n))

	l := sealedLetter(t, captain, board, "<ahoy@corp.example>", "Ahoy.")
	send := func() error { return submit(in, captain.Address, []string{boardList}, l.octets()) }
	first := make(chan error, 1)
	go func() { first <- send() }()
	select {
	case <-site.Done():
	case <-time.After(peer.Patience):
		t.Fatalf("the server did not meet %s for the %d. time", point, n)
	}
	if code := site.ExitCode(); code != -1 {
		t.Fatalf("the server ended by itself, exit %d:\n%s", code, site.Log())
	}
	site.start()
	if <-first != nil { // the sender is an MTA: what has not been answered with 250 it sends again
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	posts := 1
	if point == crashpoint.AcceptAfterCommit {
		posts = 2 // the sender could not know that the first was safe
	}
	site.waitState(posts, "done")

	copies := map[string]int{}
	for _, m := range sink.Mails() {
		copies[m.ForwardPaths[0]]++
		if id := header(t, m).Get("Message-ID"); id != l.id {
			t.Errorf("a copy to %v has the Message-ID %q", m.ForwardPaths, id)
		}
	}
	twice := 0
	for _, member := range members {
		switch c := copies[member]; {
		case c == 0:
			t.Errorf("%s got no copy", member)
		case c == 2:
			twice++
		case c > 2:
			t.Errorf("%s got %d copies", member, c)
		}
	}
	if len(copies) > len(members) {
		t.Errorf("copies went to %d addresses, the list has %d members", len(copies), len(members))
	}
	switch point {
	case crashpoint.AcceptAfterCommit, crashpoint.RelayInData, crashpoint.RelayReplied, crashpoint.QueueResultCommitted:
	default:
		if twice != 0 {
			t.Errorf("%d members got the copy twice, though no copy had left before the kill", twice)
		}
	}
	t.Logf("%d members, %d got the copy twice", len(members), twice)
}
