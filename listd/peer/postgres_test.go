package peer_test

import (
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

// What was committed is there after an orderly stop, after a crash and after clients were cut off.
func TestPostgresKeepsWhatWasCommitted(t *testing.T) {
	p := peer.StartPostgres(t)
	p.CreateDatabase("lists")
	p.Exec("lists", "CREATE TABLE post (id BIGINT)")
	for n, restart := range []func(){
		func() { p.Stop(); p.Start() },
		func() { p.Kill(); p.Start() },
		p.Disconnect,
	} {
		p.Exec("lists", "INSERT INTO post VALUES (1)")
		restart()
		if got, want := p.Exec("lists", "SELECT count(*) FROM post"), string(rune('1'+n)); got != want {
			t.Errorf("after %d restarts: %s rows, want %s", n+1, got, want)
		}
	}
	if got := p.Exec("lists", "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s", got)
	}
}
