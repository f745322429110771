package notice

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

//go:embed templates
var shippedFiles embed.FS

const suffix = ".txt"

// readShipped compiles what is built in. The English templates say which there are, and which variables each has.
func readShipped() (map[list.Language]map[string]compiled, error) {
	all := map[list.Language]map[string]compiled{}
	for _, lang := range list.Languages() {
		all[lang] = map[string]compiled{}
		folder := path.Join("templates", string(lang))
		entries, err := shippedFiles.ReadDir(folder)
		if err != nil {
			return nil, fmt.Errorf("reading the templates of service mail: %w", err)
		}
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), suffix)
			text, err := shippedFiles.ReadFile(path.Join(folder, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("reading the templates of service mail: %w", err)
			}
			t, err := compile(name, string(text), all[list.English][name].variables)
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %w", lang, name, err)
			}
			all[lang][name] = t
		}
	}
	return all, nil
}

// shippedTemplate is the built-in one: English where there is none in a language.
func (n *Notices) shippedTemplate(lang list.Language, name string) (compiled, bool) {
	t, ok := n.shipped[lang][name]
	if !ok {
		t, ok = n.shipped[list.English][name]
	}
	return t, ok
}

// folders are where a template may lie that stands in for a shipped one, the list's own first, below Site.Dir.
func folders(of list.Address, lang list.Language) []string {
	var all []string
	if !of.IsZero() {
		all = append(all, path.Join(of.String(), string(lang)), path.Join(of.Domain(), string(lang)))
	}
	return append(all, string(lang))
}

// override finds the template of a list, its domain or the site. path is where it lies; "" if there is none.
func (n *Notices) override(of list.Address, lang list.Language, name string) (t compiled, path string, err error) {
	english, ok := n.shipped[list.English][name]
	if n.site.Dir == "" || !ok {
		return compiled{}, "", nil
	}
	for _, folder := range folders(of, lang) {
		file := filepath.Join(filepath.FromSlash(folder), name+suffix)
		octets, err := readFile(n.site.Dir, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		path := filepath.Join(n.site.Dir, file)
		if err == nil {
			t, err = compile(name, string(octets), english.variables)
		}
		return t, path, err
	}
	return compiled{}, "", nil
}

// readFile reads a regular file below a folder and not out of it, whatever links say.
func readFile(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if info, err := root.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() { // a pipe would keep us waiting
		return nil, fmt.Errorf("%w: it is no regular file", ErrTemplate)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTemplate+1))
}

// Fault is what is the matter with a file in the folder of templates.
type Fault struct {
	Path string
	Err  error
}

// Check reads every template in the site's folder, and makes a message of it. A file that no notice would ever use is a fault,
// too: most are named wrongly. No folder is none.
func (n *Notices) Check() ([]Fault, error) {
	var faults []Fault
	err := filepath.WalkDir(n.site.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || strings.HasSuffix(d.Name(), "~") {
			return err
		}
		if err := n.checkFile(path); err != nil {
			faults = append(faults, Fault{path, err})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return faults, err
}

func (n *Notices) checkFile(file string) error {
	relative, err := filepath.Rel(n.site.Dir, file)
	if err != nil {
		return err
	}
	steps := strings.Split(filepath.ToSlash(relative), "/")
	name, ok := strings.CutSuffix(steps[len(steps)-1], suffix)
	english, known := n.shipped[list.English][name]
	if !ok || !known {
		return fmt.Errorf("%w: no notice is called so; `listmaster notice ls` shows their names", ErrTemplate)
	}
	if len(steps) < 2 || len(steps) > 3 || !slices.Contains(list.Languages(), list.Language(steps[len(steps)-2])) {
		return fmt.Errorf("%w: it lies where none is looked for; write LANGUAGE/NAME.txt, DOMAIN/LANGUAGE/NAME.txt or LIST@DOMAIN/LANGUAGE/NAME.txt", ErrTemplate)
	}
	octets, err := readFile(n.site.Dir, filepath.FromSlash(relative))
	if err != nil {
		return err
	}
	t, err := compile(name, string(octets), english.variables)
	if err == nil {
		l, nt := n.example(name, list.List{}, list.Address{})
		_, _, err = t.execute(variables(l, nt))
	}
	return err
}
