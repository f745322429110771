package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sealist/sealist/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// referencePage is the copy of the reference for those who read the
// repository.
const referencePage = "../docs/configuration.md"

func TestReferencePageIsCurrent(t *testing.T) {
	want := config.Reference()
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatalf("%v: run `go generate ./config`", err)
	}
	if string(got) != want {
		t.Fatalf("%s is not what the comments in config/types.go say: run `go generate ./config`", referencePage)
	}
}

func TestReferenceTellsEveryKeysMeaning(t *testing.T) {
	lines := strings.Split(config.Reference(), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "- `") && (i+1 == len(lines) || len(strings.TrimSpace(lines[i+1])) < 5) {
			t.Errorf("no comment: %s", line)
		}
	}
	for _, want := range []string{
		"- `relay.tls`: none, opportunistic, required or implicit; default `opportunistic`; `SEALIST_RELAY_TLS`",
		"- `directories[].timeout`: duration; 100ms to 5m; default `10s`",
		"- `trust.max_signing_age`: duration; at least 1h; default `7d`; `SEALIST_TRUST_MAX_SIGNING_AGE`",
		"## metrics",
		"- `harvest.expire`: duration; at least 1d; default `400d`; `SEALIST_HARVEST_EXPIRE`",
	} {
		if !strings.Contains(config.Reference(), want) {
			t.Errorf("missing: %s", want)
		}
	}
}
