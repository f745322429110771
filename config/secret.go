package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

// redacted is what stands in the place of a secret wherever it would be shown.
const redacted = "[secret]"

// Secret is a password that shows itself to nobody but who asks for it by
// Reveal: printing, logging and marshalling give "[secret]". The zero value is
// no secret at all.
type Secret struct {
	reveal func() []byte // fmt prints the address of a function even where it may not call Format
}

// NewSecret keeps a copy of the octets.
func NewSecret(octets []byte) Secret {
	kept := bytes.Clone(octets)
	return Secret{reveal: func() []byte { return kept }}
}

// Reveal returns the octets themselves, nil for the zero value.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// IsZero tells whether there is no secret, or an empty one.
func (s Secret) IsZero() bool { return len(s.Reveal()) == 0 }

// String never shows the secret.
func (s Secret) String() string { return redacted }

// GoString never shows the secret.
func (s Secret) GoString() string { return redacted }

// Format never shows the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText never shows the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON never shows the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue never shows the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// ErrNoSecret is wrapped by the errors about a secret that was given nowhere.
var ErrNoSecret = errors.New("no secret was given")

// maxSecretBytes bounds a file that is read as a secret.
const maxSecretBytes = 64 << 10

// ReadSecretFile reads a file that holds one secret. One line end at its end
// is not part of it. An empty file is an error that wraps ErrNoSecret.
func ReadSecretFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, err
	}
	defer f.Close()
	octets, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return Secret{}, err
	}
	if len(octets) > maxSecretBytes {
		return Secret{}, fmt.Errorf("%s is larger than %d octets: it cannot be a password", path, maxSecretBytes)
	}
	octets = bytes.TrimSuffix(octets, []byte("\n"))
	octets = bytes.TrimSuffix(octets, []byte("\r"))
	if len(octets) == 0 {
		return Secret{}, fmt.Errorf("%s is empty: %w", path, ErrNoSecret)
	}
	return NewSecret(octets), nil
}

// ReadKeyPasswordFile is ReadSecretFile for a key password, or a PIN: a file that
// others may read is refused, with the remedy.
func ReadKeyPasswordFile(path string) (Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Secret{}, err
	}
	if tooOpen(info) {
		return Secret{}, &Errors{Mistakes: []Finding{{File: path, What: fmt.Sprintf("can be read by others (mode %04o)", info.Mode().Perm()), Remedy: "chmod 600 " + path}}}
	}
	return ReadSecretFile(path)
}

// Names under which the key password comes from outside the configuration.
const (
	keyPasswordEnv        = "SEALIST_KEY_PASSWORD"
	keyPasswordCredential = "key_password" // systemd: LoadCredential=key_password:…
)

// KeyPassword finds the password under which the lists' keys are kept: the
// environment variable SEALIST_KEY_PASSWORD, else the systemd credential
// key_password, else the file of key_password_file. The error wraps
// ErrNoSecret if none of them is there; the server then runs with the lists
// that have a key locked. Load keeps what it found.
func (c *Config) KeyPassword() (Secret, error) {
	if !c.keyPassword.IsZero() {
		return c.keyPassword, nil
	}
	if value := os.Getenv(keyPasswordEnv); value != "" {
		return NewSecret([]byte(value)), nil
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		secret, err := ReadSecretFile(filepath.Join(dir, keyPasswordCredential))
		if !errors.Is(err, os.ErrNotExist) {
			return secret, err
		}
	}
	if path := c.keyPasswordPath(); path != "" {
		secret, err := ReadSecretFile(path)
		if c.KeyPasswordFile != "" || !errors.Is(err, os.ErrNotExist) {
			return secret, err
		}
	}
	return Secret{}, fmt.Errorf("key password: %w", ErrNoSecret)
}

// keyPasswordPath is the file of key_password_file, else the one that may
// stand beside the configuration file, else nothing.
func (c *Config) keyPasswordPath() string {
	if c.KeyPasswordFile != "" || c.File == "" {
		return c.KeyPasswordFile
	}
	return filepath.Join(filepath.Dir(c.File), keyPasswordCredential)
}

// BindPassword reads the password for bind_dn; the zero Secret if no file is
// configured.
func (d Directory) BindPassword() (Secret, error) {
	if d.BindPasswordFile == "" {
		return Secret{}, nil
	}
	return ReadSecretFile(d.BindPasswordFile)
}

// Password reads the file of password_file. Without one it is empty, and no
// error.
func (s Store) Password() (Secret, error) {
	if s.PasswordFile == "" {
		return Secret{}, nil
	}
	return ReadSecretFile(s.PasswordFile)
}
