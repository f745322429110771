package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/store"
)

// A database that cannot work keeps the server from starting, with the reason and what to do: status 3.
func TestServeRefusesTheStore(t *testing.T) {
	dir := t.TempDir()
	future := filepath.Join(dir, "future.db")
	s, err := store.Open(t.Context(), "sqlite:"+future, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", future)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	noDatabase := filepath.Join(dir, "text.db")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url  string
		says []string
	}{
		"unknown kind":    {"mysql://localhost/x", []string{"store.url", "is no database Sealist knows", "hint: write sqlite:"}},
		"no kind":         {"sealist.db", []string{"store.url", "is no database Sealist knows", "hint: write sqlite:"}},
		"no such port":    {"postgres://127.0.0.1:port/x", []string{"store.url", "invalid port", "hint: write sqlite:"}},
		"in clear":        {"postgres://db.example.org/x?sslmode=disable", []string{"store.url", "nothing proves who is there", "hint: write ?sslmode=verify-full"}},
		"nobody answers":  {"postgres://127.0.0.1:1/x", []string{"127.0.0.1:1", "cannot be reached", "hint: see that PostgreSQL runs"}},
		"no folder":       {"sqlite:" + filepath.Join(noDatabase, "x.db"), []string{"text.db", "hint: store.url names"}},
		"no database":     {"sqlite:" + noDatabase, []string{"text.db", "damaged, or none", "hint: see that store.url"}},
		"from the future": {"sqlite:" + future, []string{"it has version 9999", "install the newer version again", "hint: use listd and listmaster of one version"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sealist.yaml")
			text := fmt.Sprintf("data_dir: data\nsmtp: { listen: [\"smtp://127.0.0.1:0\"] }\nstore: { url: %q }\n", c.url)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			status, _, errOut := try(t, "serve", "--config", path)
			if status != 3 {
				t.Errorf("status %d", status)
			}
			for _, want := range c.says {
				if !strings.Contains(errOut, want) {
					t.Errorf("does not say %q:\n%s", want, errOut)
				}
			}
		})
	}
}
