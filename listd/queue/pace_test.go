package queue

import (
	"testing"
	"time"
)

func TestPaceFollowsTheNextHop(t *testing.T) {
	p := newPace(8, 100)
	if p.n != 96 {
		t.Fatalf("begins with %d", p.n)
	}
	for range 10 {
		p.took(p.n, time.Millisecond)
	}
	if p.n != 800 {
		t.Errorf("a fast hop: %d", p.n)
	}
	p.took(5, time.Millisecond)
	p.took(p.n, 200*time.Millisecond)
	if p.n != 800 {
		t.Errorf("what tells nothing: %d", p.n)
	}
	for range 10 {
		p.took(p.n, time.Second)
	}
	if p.n != 8 {
		t.Errorf("a slow hop: %d", p.n)
	}
	p.took(3, time.Millisecond)
	if p.n != 8 {
		t.Errorf("a claim that found little: %d", p.n)
	}
	if small := newPace(2, 3); small.n != 6 {
		t.Errorf("begins with %d of 6", small.n)
	}
}
