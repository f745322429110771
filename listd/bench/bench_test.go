package bench_test

import (
	"os"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/bench"
)

// TestMain is also the mail server behind, when it is started as that.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "sink" {
		delay, err := time.ParseDuration(os.Args[2])
		if err == nil {
			err = bench.Serve(os.Stdin, os.Stdout, delay)
		}
		if err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	f, err := bench.Run(t.Context(), bench.Options{Members: 30, Size: 1000, Posts: 2, Sink: []string{os.Args[0], "sink"}})
	if err != nil {
		t.Fatal(err)
	}
	if f.Members != 30 || f.Octets < 1000 || f.PerSecond <= 0 || f.First <= 0 || f.CPU <= 0 || f.Bare <= 0 || f.Resident <= 0 {
		t.Errorf("%+v", f)
	}
	if _, err := bench.Run(t.Context(), bench.Options{Nodes: 2}); err == nil {
		t.Error("two servers on one file")
	}
}
