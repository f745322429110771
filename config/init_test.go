package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealist/sealist/config"
)

func TestInit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "sealist.yaml")
	written, err := config.Init(path)
	if err != nil || len(written) != 2 || !written[0].Made || !written[1].Made {
		t.Fatalf("%v %v", written, err)
	}
	c, warnings, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Key != "trust" {
		t.Errorf("warnings: %v", warnings)
	}
	info, err := os.Stat(c.KeyPasswordFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	first, err := c.KeyPassword()
	if err != nil || len(first.Reveal()) != 64 {
		t.Fatalf("%d digits, %v", len(first.Reveal()), err)
	}

	// Again: nothing is overwritten.
	if err := os.WriteFile(path, []byte("hostname: mine.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	written, err = config.Init(path)
	if err != nil || written[0].Made || written[1].Made {
		t.Fatalf("%v %v", written, err)
	}
	c, _, err = config.Load(path)
	if err != nil || c.Hostname != "mine.example" {
		t.Fatalf("%+v %v", c, err)
	}
	second, err := c.KeyPassword()
	if err != nil || string(second.Reveal()) != string(first.Reveal()) {
		t.Error("the key password was written anew")
	}
}

// Two servers never get the same key password.
func TestInitIsRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		path := filepath.Join(t.TempDir(), "sealist.yaml")
		if _, err := config.Init(path); err != nil {
			t.Fatal(err)
		}
		octets, err := os.ReadFile(filepath.Join(filepath.Dir(path), "key_password"))
		if err != nil {
			t.Fatal(err)
		}
		seen[string(octets)] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d different passwords of 3", len(seen))
	}
}

func TestInitWhereNothingCanBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Init(filepath.Join(file, "sealist.yaml")); err == nil {
		t.Error("no error")
	}
}

// What the sample shows commented out is known, too, and shows the defaults.
func TestSampleUncommented(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)#([a-z_]+:.*|  .*)$`).ReplaceAllString(config.Sample(), "$1$2")
	text = regexp.MustCompile(`(?m)^    #`).ReplaceAllString(text, "    ")
	if strings.Count(text, "#") < 5 || !strings.Contains(text, "\ndirectories:\n  - name: corp\n") {
		t.Fatalf("not uncommented:\n%s", text)
	}
	_, _, err := config.Load(write(t, text))
	all, ok := err.(*config.Errors)
	if !ok {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, m := range all.Mistakes {
		if !strings.Contains(m.What, "does not exist") && m.Key != "directories[0].urls[0]" {
			t.Errorf("%v", m)
		}
	}
}
