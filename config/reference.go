package config

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"
)

// typesSources are the files with the types themselves: their comments are the
// reference, so that there is one text for who reads the code and who edits the
// file.
//
//go:embed types*.go
var typesSources embed.FS

//go:generate go test -run TestReferencePage -update .

// Reference returns the reference of sealist.yaml in Markdown: every key with
// what it means, its default and its environment variable. It is made from the
// comments of the types; docs/configuration.md is a copy.
func Reference() string {
	w := &referenceWriter{docs: fieldDocs()}
	w.b.WriteString(referenceHead)
	w.section(reflect.ValueOf(*Default()), "", nil, false)
	return w.b.String()
}

// Key is what the reference says about one key.
type Key struct {
	Key      string `json:"key"` // dotted, [] behind a list of sections
	Type     string `json:"type"`
	Limits   string `json:"limits,omitempty"`
	Default  string `json:"default,omitempty"`
	Variable string `json:"variable,omitempty"` // of the environment; empty: the file alone sets it
	Restart  bool   `json:"restart"`            // read when the server starts, and not at a reload
	Meaning  string `json:"meaning"`
}

// Keys returns the reference key by key, in its order.
func Keys() []Key {
	w := &referenceWriter{docs: fieldDocs()}
	w.section(reflect.ValueOf(*Default()), "", nil, false)
	return w.keys
}

const referenceHead = `# sealist.yaml

Every key of the configuration file, with its default. ` + "`listd config init`" + ` writes a
file to begin with, ` + "`listd config check`" + ` tells everything that is wrong with one. An
empty file is valid: SMTP on loopback, a database under the data folder, no
directory, and nobody trusted.

Durations are written as ` + "`7d`, `12h`, `30m` or `1h30m`" + `. Relative paths count from the
folder of the file, but where the key says otherwise. Every scalar outside a
list can also come from the environment, under the name given with it; the
environment comes before the file. A running server takes a new file up on
SIGHUP (docs/operations.md), but for keys that "take a restart".
`

// fieldDocs finds the comment of every field, by "Type.Field".
func fieldDocs() map[string]string {
	docs := map[string]string{}
	sources, err := fs.Glob(typesSources, "*.go")
	for _, name := range sources {
		var source []byte
		var file *ast.File
		if source, err = typesSources.ReadFile(name); err == nil {
			file, err = parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
		}
		if err != nil {
			break
		}
		readDocs(file, docs)
	}
	if err != nil {
		panic(err) // it is the source this program was compiled from
	}
	return docs
}

func readDocs(file *ast.File, docs map[string]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if structure, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range structure.Fields.List {
				for _, name := range f.Names {
					docs[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Doc.Text())
				}
			}
		}
		return true
	})
}

type referenceWriter struct {
	b    strings.Builder
	keys []Key
	docs map[string]string
}

// section writes the keys of one section: first the single values, then the
// sections in it, so that a heading never cuts a list of keys in two.
func (w *referenceWriter) section(defaults reflect.Value, path string, steps []string, inList bool) {
	fields := fieldsOf(defaults.Type())
	if path == "" {
		w.b.WriteString("\n## The server\n")
	}
	w.b.WriteString("\n")
	for _, f := range fields {
		if k := f.kind(); k.scalar() || k == aList {
			w.key(f, defaults, join(path, f.key), append(steps, f.key), inList)
		}
	}
	for _, f := range fields {
		below, value := join(path, f.key), defaults.FieldByName(f.name)
		switch f.kind() {
		case aMapping:
			w.heading(defaults.Type(), f, below)
			w.section(value, below, append(steps, f.key), inList)
		case aListOfMappings:
			below += "[]"
			w.heading(defaults.Type(), f, below)
			w.section(elementDefaults(f.typ.Elem()), below, nil, true)
		}
	}
}

// elementDefaults is what an element of a list of sections begins with.
func elementDefaults(t reflect.Type) reflect.Value {
	if t == reflect.TypeFor[Directory]() {
		return reflect.ValueOf(directoryDefaults())
	}
	return reflect.Zero(t)
}

func (w *referenceWriter) heading(t reflect.Type, f field, path string) {
	fmt.Fprintf(&w.b, "\n## %s\n\n%s\n", path, w.docs[t.Name()+"."+f.name])
}

// key writes one key: its facts in one line, then its meaning.
func (w *referenceWriter) key(f field, section reflect.Value, path string, steps []string, inList bool) {
	k := Key{Key: path, Type: string(f.kind()), Limits: limitsOf(f), Default: defaultText(section.FieldByName(f.name)),
		Restart: f.restart, Meaning: w.docs[section.Type().Name()+"."+f.name]}
	if f.values != nil {
		k.Type = oneOf(f.values)
		if f.kind() == aList {
			k.Type = "list of " + k.Type
		}
	}
	if f.kind().scalar() && !inList {
		k.Variable = leaf{field: f, path: steps}.variable()
	}
	w.keys = append(w.keys, k)
	facts := []string{k.Type}
	if k.Limits != "" {
		facts = append(facts, k.Limits)
	}
	if k.Default != "" {
		facts = append(facts, "default `"+k.Default+"`")
	}
	if k.Variable != "" {
		facts = append(facts, "`"+k.Variable+"`")
	}
	if f.restart {
		facts = append(facts, "takes a restart")
	}
	fmt.Fprintf(&w.b, "- `%s`: %s\n", k.Key, strings.Join(facts, "; "))
	for line := range strings.SplitSeq(k.Meaning, "\n") {
		fmt.Fprintf(&w.b, "  %s\n", line)
	}
}

// limitsOf writes the range of a number or duration.
func limitsOf(f field) string {
	switch {
	case f.min != "" && f.max != "":
		return f.min + " to " + f.max
	case f.min != "":
		return "at least " + f.min
	case f.max != "":
		return "at most " + f.max
	}
	return ""
}

// defaultText writes a default as the file would have it; nothing for an empty
// one.
func defaultText(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case []string:
		if len(value) == 0 {
			return ""
		}
		return "[" + strings.Join(value, ", ") + "]"
	case []int:
		return strings.ReplaceAll(fmt.Sprint(value), " ", ", ")
	case bool:
		return fmt.Sprint(value)
	default:
		if v.IsZero() {
			return ""
		}
		return fmt.Sprint(value)
	}
}
