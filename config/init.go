package config

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed sample.yaml
var sample string

// Sample returns a commented file to begin with.
func Sample() string { return sample }

// Written says of a file whether Init made it or found it there.
type Written struct {
	Path string `json:"path"`
	Made bool   `json:"made"`
}

// Init writes a configuration file to begin with and, beside it, a file with a
// random key password of 256 bits (0600). What is there already is left as it
// is, so that running it twice does no harm.
func Init(path string) ([]Written, error) {
	file, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	// The password goes first: a configuration never points to one that is not there.
	password, err := writeNew(filepath.Join(folder, keyPasswordCredential), hex.EncodeToString(secret)+"\n", 0o600)
	if err != nil {
		return nil, err
	}
	main, err := writeNew(file, sample, 0o644)
	if err != nil {
		return []Written{password}, err
	}
	return []Written{main, password}, nil
}

// writeNew writes a file that does not exist yet, durably, and leaves one that
// does alone.
func writeNew(path, text string, mode fs.FileMode) (Written, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return Written{Path: path}, nil
	}
	if err != nil {
		return Written{}, err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Written{}, fmt.Errorf("%s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return Written{Path: path, Made: true}, nil
}
