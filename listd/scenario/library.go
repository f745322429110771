package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// BuiltIn is the origin of a scenario that lies in no folder.
const BuiltIn = "built in"

//go:embed shipped
var shipped embed.FS

// Library finds scenarios: in the folders DOMAIN/LIST/scenari, DOMAIN/scenari
// and scenari of the data folder, in this order, then those that are built in.
// It keeps nothing: each use reads the files anew, so that a change counts from
// the next request on. It is safe for concurrent use.
type Library struct {
	dataDir string
}

// NewLibrary returns the library of a data folder; with an empty one, only
// what is built in.
func NewLibrary(dataDir string) *Library { return &Library{dataDir} }

// find returns the first file of that name that counts for the list; false if
// there is none.
func (l *Library) find(name string, of list.Address) (File, bool, error) {
	if l.dataDir != "" {
		for _, folder := range folders(scenarioFolder, of) {
			octets, err := readFile(l.dataDir, folder, name, maxFileOctets)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				err = fmt.Errorf("reading the scenario %s: %w", path.Join(folder, name), err)
			}
			return File{path.Join(folder, name), octets}, true, err
		}
	}
	octets, err := shipped.ReadFile("shipped/" + name)
	if err != nil {
		return File{}, false, nil
	}
	return File{name, octets}, true, nil
}

// Load returns the scenario that decides on a function of a list. One with
// errors is returned, too: it rejects, and Err says why. The error is
// ErrUnknown if there is no such scenario; any other means that a file could
// not be read.
func (l *Library) Load(f Function, name string, of list.Address) (Scenario, error) {
	full := string(f) + "." + name
	if !f.exists() || !plainName(name) {
		return Scenario{function: f, name: name}, fmt.Errorf("%.80s: %w", full, ErrUnknown)
	}
	file, ok, err := l.find(full, of)
	if err != nil || !ok {
		if err == nil {
			err = fmt.Errorf("%s: %w", full, ErrUnknown)
		}
		return Scenario{function: f, name: name}, err
	}
	return l.build(f, name, file, of)
}

// Read returns the scenario that a file would be for a list: to check one
// before it is put into a folder. The error is as Load's.
func (l *Library) Read(f Function, name string, file File, of list.Address) (Scenario, error) {
	return l.build(f, name, file, of)
}

// build puts a scenario together: the blocklist, the function's header, and
// the file's own rules, with all that is included.
func (l *Library) build(f Function, name string, file File, of list.Address) (Scenario, error) {
	s := Scenario{function: f, name: name, label: file.Label, text: string(file.Octets)}
	p := parse(f, file.Label, file.Octets)
	s.titles, s.problems = p.titles, p.problems
	if f.wantsBlocklist() {
		s.rules = append(s.rules, blocklistRule())
	}
	x := expansion{library: l, function: f, of: of, scenario: &s}
	if f != include {
		header := string(include) + "." + string(f) + ".header"
		if h, ok, err := l.find(header, of); err != nil {
			return s, err
		} else if ok {
			inner := parse(f, h.Label, h.Octets)
			s.problems = append(s.problems, inner.problems...)
			if err := x.add(inner, []string{header}); err != nil {
				return s, err
			}
		}
	}
	return s, x.add(p, []string{string(f) + "." + name})
}

// blocklistRule is in front of every scenario of a function that has it.
func blocklistRule() rule {
	c, _, err := parseCondition("search('" + blocklist + "',[sender])")
	if err != nil {
		panic(err) // it is written above
	}
	all := methods{SMTP: true, MD5: true, SMIME: true}
	return rule{Position{File: blocklist}, c.String(), c, all, Decision{Action: Reject, Quiet: true, Reason: ReasonBlocked}}
}

// blocklist is the search file of those whose posts are rejected in silence.
const blocklist = "blocklist.txt"

// expansion follows includes.
type expansion struct {
	library  *Library
	function Function
	of       list.Address
	scenario *Scenario
}

// add appends the rules of a file. within are the files that include it, the
// file itself last.
func (x *expansion) add(p parsed, within []string) error {
	s := x.scenario
	for _, ln := range p.lines {
		if len(s.rules) >= maxRules {
			s.problems = append(s.problems, Problem{ln.at, Fault, fmt.Sprintf("there are more than %d rules, with all that is included", maxRules), nil})
			return nil
		}
		if ln.include == "" {
			s.rules = append(s.rules, ln.rule)
			continue
		}
		if err := x.include(ln, within); err != nil {
			return err
		}
	}
	return nil
}

func (x *expansion) include(ln line, within []string) error {
	name := string(include) + "." + ln.include
	fault := func(format string, args ...any) {
		x.scenario.problems = append(x.scenario.problems, Problem{ln.at, Fault, fmt.Sprintf(format, args...), nil})
	}
	switch {
	case slices.Contains(within, name):
		fault("a loop of includes: %s", strings.Join(append(slices.Clone(within), name), ", "))
		return nil
	case len(within) > maxDepth:
		fault("includes are nested deeper than %d", maxDepth)
		return nil
	}
	file, ok, err := x.library.find(name, x.of)
	switch {
	case errors.Is(err, ErrPermanent):
		fault("%v", err)
		return nil
	case err != nil:
		return err
	case !ok:
		fault("there is no file %s to include", name)
		return nil
	}
	p := parse(x.function, file.Label, file.Octets)
	x.scenario.problems = append(x.scenario.problems, p.problems...)
	return x.add(p, append(slices.Clone(within), name))
}

// Entry is a scenario that can be chosen.
type Entry struct {
	Name   string // as "private_smime"
	Origin string // where its file lies
	Hidden bool   // a file NAME:ignore says not to offer it
}

// Names returns the scenarios of a function that a list may use, in the order
// of their names. Without a list: those of the site and the built-in ones.
func (l *Library) Names(f Function, of list.Address) ([]Entry, error) {
	found := map[string]*Entry{}
	hidden := map[string]bool{}
	take := func(file, where string) {
		function, name, ok := strings.Cut(file, ".")
		bare, ignored := strings.CutSuffix(name, ":ignore")
		switch {
		case !ok || function != string(f) || !plainName(bare):
		case ignored:
			hidden[bare] = true
		case found[name] == nil:
			found[name] = &Entry{Name: name, Origin: where}
		}
	}
	if l.dataDir != "" {
		for _, folder := range folders(scenarioFolder, of) {
			names, err := fileNames(l.dataDir, folder)
			if err != nil {
				return nil, fmt.Errorf("listing the scenarios: %w", err)
			}
			for _, file := range names {
				take(file, path.Join(folder, file))
			}
		}
	}
	entries, err := shipped.ReadDir("shipped")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		take(e.Name(), BuiltIn)
	}
	var all []Entry
	for _, name := range slices.Sorted(maps.Keys(found)) {
		e := *found[name]
		e.Hidden = hidden[name]
		all = append(all, e)
	}
	return all, nil
}

// Strays returns a warning for each file in the folders that count for a list
// whose name is of no function: most are written wrongly.
func (l *Library) Strays(of list.Address) ([]Problem, error) {
	if l.dataDir == "" {
		return nil, nil
	}
	var all []Problem
	for _, folder := range folders(scenarioFolder, of) {
		names, err := fileNames(l.dataDir, folder)
		if err != nil {
			return nil, fmt.Errorf("listing the scenarios: %w", err)
		}
		for _, file := range names {
			if f, _, ok := strings.Cut(file, "."); ok && !Function(f).exists() && Function(f) != include {
				all = append(all, warning(Position{File: path.Join(folder, file)}, "nothing in Sealist asks the function %s", f))
			}
		}
	}
	return all, nil
}

// Filters returns the files that a search condition of a list means: of a text
// file those of all levels, of other kinds the first one. No file is an error
// that wraps ErrPermanent, but for the blocklist, which need not be there.
func (l *Library) Filters(name string, of list.Address) ([]File, error) {
	var found []File
	if l.dataDir != "" && plainName(name) {
		for _, folder := range folders(filterFolder, of) {
			octets, err := readFile(l.dataDir, folder, name, maxFilterOctets)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading the search file %s: %w", path.Join(folder, name), err)
			}
			found = append(found, File{path.Join(folder, name), octets})
			if !strings.HasSuffix(name, ".txt") {
				break
			}
		}
	}
	if len(found) == 0 && name != blocklist {
		return nil, permanent("there is no search file %s in a folder %s", name, filterFolder)
	}
	return found, nil
}
