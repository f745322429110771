package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

var errNotYet = errors.New("not yet")

// A listmaster stops a list's copies, lets them go again, tries what waits, and calls off what has not left.
func TestListmasterHoldsTheQueue(t *testing.T) {
	h := newHarbour(t)
	h.start()
	h.must("queue", "pause", plainList)
	if err := h.submit(h.unsigned("<1@x>", "Stay here.")); err != nil {
		t.Fatal(err)
	}
	if err := h.submit(sealedLetter(t, h.anna, h.board, "<2@x>", "Go.")); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(1)
	posts := h.waitState(2, "distributing", "done")
	if posts[0].State != "distributing" || posts[0].States["queued"] != 1 {
		t.Errorf("%+v", posts[0])
	}
	if out := h.must("queue", "pause"); !strings.Contains(out, plainList) {
		t.Errorf("%s", out)
	}
	h.must("queue", "resume", plainList)
	h.sink.Wait(2)
	if _, exit := h.listmaster("queue", "resume", plainList); exit != 1 {
		t.Errorf("a list that is not paused: exit %d", exit)
	}

	h.sink.Behave(func(s peer.Step) peer.Act {
		if s.Verb == "RCPT" {
			return peer.Act{Reply: "451 4.7.1 come back later"}
		}
		return peer.Act{}
	})
	if err := h.submit(h.unsigned("<3@x>", "Later.")); err != nil {
		t.Fatal(err)
	}
	delayed := func() (p post) {
		peer.Until(t, "a copy that is put off", func() error {
			var all []post
			h.read(&all, "queue", "ls")
			if len(all) == 0 {
				return errNotYet
			}
			h.read(&p, "queue", "show", all[0].ID)
			if p.States["delayed"] != 1 {
				return errNotYet
			}
			return nil
		})
		return p
	}
	p := delayed()
	h.must("queue", "retry", p.ID)
	h.must("queue", "retry", "--all")
	if _, exit := h.listmaster("queue", "retry"); exit != 2 {
		t.Errorf("retry without a word of what: exit %d", exit)
	}
	p = delayed()
	peer.Until(t, "the end of a cancelled post", func() error { // a copy in hand is not stopped
		h.must("queue", "cancel", p.ID)
		h.read(&p, "queue", "show", p.ID)
		if p.State != "done" || p.States["cancelled"] != 1 {
			return errNotYet
		}
		return nil
	})
	out := h.must("audit", "ls")
	for _, want := range []string{"queue pause", "queue resume", "queue retry", "queue cancel"} {
		if !strings.Contains(out, want) {
			t.Errorf("the audit log does not tell of %s", want)
		}
	}
}
