package peer_test

import (
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

// recorder is a testing.TB that notes how it was ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skip(...any)           { r.end("skipped") }
func (r *recorder) Fatalf(string, ...any) { r.end("failed") }

func (r *recorder) end(how string) { // a real one would not come back from the first
	if r.ended == "" {
		r.ended = how
	}
}

func TestAnAbsentProgramSkipsUnlessPeersAreRequired(t *testing.T) {
	for value, want := range map[string]string{"": "skipped", "0": "skipped", "1": "failed"} {
		t.Setenv(peer.RequirePeers, value)
		r := &recorder{}
		if peer.Program(r, "no-such-program"); r.ended != want {
			t.Errorf("%s=%q: %s, want %s", peer.RequirePeers, value, r.ended, want)
		}
	}
}
