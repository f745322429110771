package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What a running server cannot change is named, with the line it stands in; the rest is not.
func TestNeedsRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealist.yaml")
	load := func(text string) *Config {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	now := load("data_dir: data\n")
	for text, keys := range map[string][]string{
		"data_dir: data\n": nil,
		"data_dir: data\nhostname: other.example\nlog: { level: debug }\nrelay: { address: \"smtp://127.0.0.1:26\" }\n": nil,
		"data_dir: elsewhere\n": {"data_dir:1"},
		"data_dir: data\nsmtp:\n  listen: [\"smtp://127.0.0.1:26\"]\nstore:\n  url: sqlite:other.db\nlog: { format: json }\n": {"smtp.listen:3", "store.url:5", "log.format:6"},
	} {
		next := load(text)
		var got []string
		for _, f := range now.NeedsRestart(next) {
			if f.File != path || f.What == "" || f.Remedy == "" {
				t.Errorf("%+v", f)
			}
			got = append(got, f.Key+":"+string(rune('0'+f.Line)))
		}
		if !slices.Equal(got, keys) {
			t.Errorf("%q: got %v, want %v", text, got, keys)
		}
	}
	t.Setenv("SEALIST_STORE_URL", "sqlite:env.db")
	if f := now.NeedsRestart(load("data_dir: data\n")); len(f) != 1 || f[0].Key != "SEALIST_STORE_URL" || f[0].File != "environment" {
		t.Errorf("%+v", f)
	}
}
