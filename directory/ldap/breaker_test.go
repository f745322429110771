package ldap

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var b breaker
	if b.open(now) {
		t.Error("a new breaker is open")
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		b.failed(now)
		if !b.open(now.Add(want*time.Second-1)) || b.open(now.Add(want*time.Second)) {
			t.Errorf("after %d failures it pauses until %v, want %v s", b.failures, b.until.Sub(now), int(want))
		}
		now = b.until
	}
	b.succeeded()
	b.failed(now)
	if b.open(now.Add(time.Second)) {
		t.Error("a success is not remembered")
	}
}
