package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/config"
)

// Whatever is done with a secret but Reveal, it does not show.
func TestSecretIsNeverShown(t *testing.T) {
	secret := config.NewSecret([]byte("hunter2"))
	type exported struct{ Password config.Secret }
	type hidden struct{ password config.Secret } // fmt cannot call methods of these
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "a", secret, "b", exported{secret}, "c", &exported{secret}, "d", hidden{secret})
	}
	marshalled, err := json.Marshal(map[string]any{"a": secret, "b": exported{secret}})
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(marshalled)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		for _, value := range []any{secret, &secret, exported{secret}, &exported{secret}, hidden{secret}, &hidden{secret}, []config.Secret{secret}} {
			shown += fmt.Sprintf(verb, value)
		}
	}
	for _, form := range []string{"hunter2", "68756e74657232", "104 117 110 116"} {
		if strings.Contains(shown, form) {
			t.Errorf("%s is shown in\n%s", form, shown)
		}
	}
	if !strings.Contains(shown, "[secret]") {
		t.Error("nothing was shown at all")
	}
	if string(secret.Reveal()) != "hunter2" || secret.IsZero() || !(config.Secret{}).IsZero() {
		t.Error("the secret was lost")
	}
}

func TestKeyPasswordSources(t *testing.T) {
	folder := t.TempDir()
	c := &config.Config{File: filepath.Join(folder, "sealist.yaml")}
	reveal := func() string {
		t.Helper()
		secret, err := c.KeyPassword()
		if err != nil {
			t.Fatal(err)
		}
		return string(secret.Reveal())
	}

	if _, err := c.KeyPassword(); !errors.Is(err, config.ErrNoSecret) {
		t.Errorf("none: %v", err)
	}
	put(t, folder, "key_password", []byte("beside\r\n"), 0o600)
	if got := reveal(); got != "beside" {
		t.Errorf("beside the file: %q", got)
	}
	put(t, folder, "named", []byte("named"), 0o600)
	c.KeyPasswordFile = filepath.Join(folder, "named")
	if got := reveal(); got != "named" {
		t.Errorf("named: %q", got)
	}
	put(t, folder, "credentials/key_password", []byte("credential\n"), 0o600)
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(folder, "credentials"))
	if got := reveal(); got != "credential" {
		t.Errorf("credential: %q", got)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", folder+"/none")
	if got := reveal(); got != "named" {
		t.Errorf("no such credential: %q", got)
	}
	t.Setenv("SEALIST_KEY_PASSWORD", "variable")
	if got := reveal(); got != "variable" {
		t.Errorf("variable: %q", got)
	}
	t.Setenv("SEALIST_KEY_PASSWORD", "")
	c.KeyPasswordFile = filepath.Join(folder, "gone")
	if _, err := c.KeyPassword(); err == nil {
		t.Error("a file that is named and not there was passed over")
	}
}

// A program that gave up being root still has the key password.
func TestLoadKeepsTheKeyPassword(t *testing.T) {
	c, _ := load(t, "key_password_file: "+passwordFile(t)+"\n")
	if err := os.Remove(c.KeyPasswordFile); err != nil {
		t.Fatal(err)
	}
	secret, err := c.KeyPassword()
	if err != nil || string(secret.Reveal()) != "hunter2" {
		t.Errorf("%v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if strings.Contains(fmt.Sprintf(verb, c)+fmt.Sprintf(verb, *c), "hunter2") {
			t.Errorf("%s shows it", verb)
		}
	}
}

func passwordFile(t *testing.T) string {
	folder := t.TempDir()
	put(t, folder, "key_password", []byte("hunter2\n"), 0o600)
	return filepath.Join(folder, "key_password")
}
