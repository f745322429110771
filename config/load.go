package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// keyDelimiter is what viper puts between the steps of a key. Its own, a dot,
// would split host names and addresses.
const keyDelimiter = "::"

// maxFileBytes bounds the configuration file.
const maxFileBytes = 4 << 20

// Load reads the configuration file at path, applies the environment, fills in
// the defaults and checks everything. What is wrong comes as one *Errors that
// lists every mistake in the order of the lines; a file that cannot be read is
// an ordinary error. The warnings hold in either case.
func Load(path string) (*Config, []Warning, error) {
	file, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	octets, err := readBounded(file)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}

	r := &reader{file: file, lines: map[string]int{}}
	settings := r.read(octets)
	fromEnv := r.environment(os.Environ())
	c, err := decode(settings, fromEnv)
	if err != nil {
		return nil, r.warnings, fmt.Errorf("configuration %s: %w", file, err)
	}
	c.File = file
	c.Complete()

	if secret, err := c.KeyPassword(); err == nil {
		c.keyPassword = secret
	}
	mistakes, warnings := c.check()
	r.mistakes = append(r.mistakes, r.place(mistakes, fromEnv)...)
	r.warnings = append(r.warnings, r.place(warnings, fromEnv)...)
	inOrder(r.warnings)
	if len(r.mistakes) > 0 {
		inOrder(r.mistakes)
		return nil, r.warnings, &Errors{Mistakes: r.mistakes}
	}
	return c, r.warnings, nil
}

// Validate checks a configuration that was made in the program. The error is
// an *Errors without files and lines.
func (c *Config) Validate() error {
	mistakes, _ := c.check()
	if len(mistakes) > 0 {
		return &Errors{Mistakes: mistakes}
	}
	return nil
}

// readBounded reads a file of a sensible size.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder, not a file", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s has %d octets: more than a configuration can need", path, info.Size())
	}
	return os.ReadFile(path)
}

// decode puts the defaults, the file's settings and the environment's on top
// of each other. Both were checked before; what it still refuses is reported
// as it comes.
func decode(settings map[string]any, fromEnv map[string]leaf) (*Config, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	if err := v.MergeConfigMap(settings); err != nil {
		return nil, err
	}
	for _, l := range fromEnv {
		if err := v.BindEnv(strings.Join(l.path, keyDelimiter), l.variable()); err != nil {
			return nil, err
		}
	}
	c := Default()
	err := v.UnmarshalExact(c, func(d *mapstructure.DecoderConfig) {
		d.DecodeHook = mapstructure.TextUnmarshallerHookFunc()
	})
	return c, err
}

// ownVariables are the SEALIST_ variables that are no keys.
var ownVariables = []string{keyPasswordEnv, "SEALIST_CONFIG"}

// environment finds the keys that the environment sets, by their dotted names.
// A value that cannot be read is a mistake, and left out; a variable that
// looks like a key's misspelt is a warning.
func (r *reader) environment(environ []string) map[string]leaf {
	byVariable := map[string]leaf{}
	var variables []string
	for _, l := range leavesOf(reflect.TypeFor[Config](), nil) {
		byVariable[l.variable()] = l
		variables = append(variables, l.variable())
	}
	lists := map[string]bool{} // the variables somebody may expect to set a list
	for _, path := range paths(reflect.TypeFor[Config](), "") {
		name := "SEALIST_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
		if _, known := byVariable[name]; !known && !strings.Contains(path, "[]") {
			lists[name] = true
		}
	}
	set := map[string]leaf{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "SEALIST_") || text == "" || slices.Contains(ownVariables, name) {
			continue
		}
		l, known := byVariable[name]
		if lists[name] {
			r.warnings = append(r.warnings, Finding{File: "environment", Key: name, What: "is not read: the environment sets single values only", Remedy: "write the key into the file"})
			continue
		}
		if !known {
			if near := nearest(name, variables); near != "" && distance(name, near) <= 2 {
				r.warnings = append(r.warnings, Finding{File: "environment", Key: name, What: "is not a variable Sealist knows", Remedy: "did you mean " + near + "?"})
			}
			continue
		}
		if what, remedy := l.checkScalar(text); what != "" {
			r.mistakes = append(r.mistakes, Finding{File: "environment", Key: name, What: what, Remedy: remedy})
			continue
		}
		set[l.dotted()] = l
	}
	return set
}

// place gives findings about values their file and line: the key's own, else
// that of the section it is missing in, or the variable it came from.
func (r *reader) place(findings []Finding, fromEnv map[string]leaf) []Finding {
	for i := range findings {
		f := &findings[i]
		if l, ok := fromEnv[f.Key]; ok {
			f.File, f.Key = "environment", l.variable()
			continue
		}
		f.File = r.file
		for path := f.Key; path != "" && f.Line == 0; path = parent(path) {
			f.Line = r.lines[path]
		}
	}
	return findings
}

// parent takes the last step off a path: relay.tls, relay; domains[0], domains.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// inOrder sorts findings by line; those without one come last.
func inOrder(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		switch {
		case (a.Line == 0) != (b.Line == 0):
			return cmp.Compare(b.Line, a.Line)
		default:
			return cmp.Compare(a.Line, b.Line)
		}
	})
}
