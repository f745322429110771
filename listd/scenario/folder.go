package scenario

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/sealist/sealist/listd/list"
)

// Names of the folders, as Sympa has them.
const (
	scenarioFolder = "scenari"
	filterFolder   = "search_filters"
)

// maxFilterOctets bounds a search file: a text file may list many addresses.
const maxFilterOctets = 16 << 20

// File is a file that was found, and where.
type File struct {
	Label  string // its path below the data folder; a bare name where it is built in
	Octets []byte
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// plainName tells whether a name can stand in the name of a scenario or search
// file: letters, digits, "_", "-" and ".", and no dot in front. So it leads to
// no other folder.
func plainName(name string) bool { return plain.MatchString(name) }

// folders returns the folders of one kind that count for a list, its own
// first, as paths below the data folder. Without a list: the site's.
func folders(kind string, of list.Address) []string {
	var all []string
	if !of.IsZero() {
		if !strings.ContainsRune(of.Local(), '/') {
			all = append(all, path.Join(of.Domain(), of.Local(), kind))
		}
		all = append(all, path.Join(of.Domain(), kind))
	}
	return append(all, kind)
}

// readFile reads a file of a folder, which must be a regular file of its own:
// a symbolic link could lead anywhere, a pipe would keep us waiting. The error
// is fs.ErrNotExist if there is no such file or folder; it wraps ErrPermanent
// for a file that will not be read.
func readFile(dataDir, folder, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Join(dataDir, filepath.FromSlash(folder)))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	label := path.Join(folder, name)
	if !before.Mode().IsRegular() {
		return nil, permanent("%s is a %s: it must be a regular file", label, kindOf(before.Mode()))
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, after) {
		return nil, fmt.Errorf("%s was replaced while it was read", label)
	}
	octets, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(octets)) > limit {
		return nil, permanent("%s is larger than %d octets", label, limit)
	}
	return octets, err
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	}
	return "device, pipe or socket"
}

// fileNames lists the regular files of a folder in their order; none if there
// is no such folder.
func fileNames(dataDir, folder string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dataDir, filepath.FromSlash(folder)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}
