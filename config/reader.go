package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader walks the nodes of a file beside the types of Config: it notes the
// line of every key and everything that cannot be read, and takes the latter
// out of the tree, so that the rest can still be decoded and checked.
type reader struct {
	file     string
	lines    map[string]int // by path, as directories[0].filter
	mistakes []Finding
	warnings []Finding
}

// read parses the file's octets. The map holds what could be read, fit for
// decoding into Config; it is nil for an empty file.
func (r *reader) read(octets []byte) map[string]any {
	decoder := yaml.NewDecoder(bytes.NewReader(octets))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.mistake(second.Line, "", "a second document begins here", "put everything into one and take the --- line out")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	root := document.Content[0]
	if root.Tag == "!!null" {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		r.mistake(root.Line, "", "the file is no list of keys with their values", "write lines as data_dir: /var/lib/sealist")
		return nil
	}
	r.mapping(root, reflect.TypeFor[Config](), "")
	var settings map[string]any
	if err := root.Decode(&settings); err != nil {
		r.syntax(err)
		return nil
	}
	return settings
}

// yamlLine finds the line in what the parser says.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?line (\d+): (?s)(.*)$`)

// syntax notes what the YAML parser does not understand.
func (r *reader) syntax(err error) {
	line, text := 0, err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	r.mistake(line, "", "this is not YAML: "+strings.TrimPrefix(text, "yaml: "),
		"look at the indentation, the colons and the quotes of this line and the one before; tabs do not indent")
}

func (r *reader) mistake(line int, key, what, remedy string) {
	r.mistakes = append(r.mistakes, Finding{File: r.file, Line: line, Key: key, What: what, Remedy: remedy})
}

// mapping reads the keys of one section.
func (r *reader) mapping(node *yaml.Node, t reflect.Type, above string) {
	fields := fieldsOf(t)
	kept := make([]*yaml.Node, 0, len(node.Content))
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := join(above, key.Value)
		f, known := fieldNamed(fields, key.Value)
		switch {
		case !known:
			r.unknown(key, above, fields)
		case seen[key.Value] != 0:
			r.mistake(key.Line, path, fmt.Sprintf("is already set in line %d", seen[key.Value]), "keep one of the two")
		default:
			seen[key.Value] = key.Line
			r.lines[path] = key.Line
			if r.value(value, f, path) {
				kept = append(kept, key, value)
			}
		}
	}
	node.Content = kept
}

// unknown names the key that was most likely meant.
func (r *reader) unknown(key *yaml.Node, above string, siblings []field) {
	names := make([]string, len(siblings))
	for i, f := range siblings {
		names[i] = f.key
	}
	remedy := "the keys here are " + strings.Join(names, ", ")
	if near := nearest(key.Value, names); near != "" {
		remedy = "did you mean " + join(above, near) + "?"
	} else if places := placesOf(key.Value); len(places) > 0 {
		remedy = "it belongs to " + oneOf(places)
	}
	r.mistake(key.Line, join(above, key.Value), "is not a key Sealist knows", remedy)
}

// placesOf lists where a key of this name stands.
func placesOf(key string) []string {
	var places []string
	for _, path := range paths(reflect.TypeFor[Config](), "") {
		if strings.HasSuffix(path, "."+key) {
			places = append(places, path)
		}
	}
	return places
}

// value reads one value and tells whether it is to be kept: nothing that is
// null or wrong is.
func (r *reader) value(node *yaml.Node, f field, path string) bool {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return false // "key:" with nothing behind it leaves the default
	}
	switch f.kind() {
	case aMapping:
		if node.Kind != yaml.MappingNode {
			r.mistake(node.Line, path, "is a section, not a single value", "put its keys below it, indented")
			return false
		}
		r.mapping(node, f.typ, path)
		return true
	case aListOfMappings:
		return r.sections(node, f, path)
	case aList:
		return r.list(node, f, path)
	default:
		if node.Kind != yaml.ScalarNode {
			r.mistake(node.Line, path, "is one value, not a list or a section", "write one "+string(f.kind()))
			return false
		}
		return r.scalar(node, f, path)
	}
}

// sections reads a list of sections, as directories.
func (r *reader) sections(node *yaml.Node, f field, path string) bool {
	if node.Kind != yaml.SequenceNode {
		r.mistake(node.Line, path, "is a list of sections", "begin each of them with a dash: - …")
		return false
	}
	for i, item := range node.Content {
		for item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		r.lines[itemPath] = item.Line
		if item.Kind != yaml.MappingNode {
			r.mistake(item.Line, itemPath, "is a section, not a single value", "put its keys behind the dash and below it")
			// An empty section holds the place, so that the paths of the later ones stay right.
			*item = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: item.Line}
			continue
		}
		r.mapping(item, f.typ.Elem(), itemPath)
	}
	return true
}

// list reads a list of words or numbers.
func (r *reader) list(node *yaml.Node, f field, path string) bool {
	if node.Kind != yaml.SequenceNode {
		r.mistake(node.Line, path, "is a list", "write it in brackets, as ["+node.Value+"], or one item a line behind a dash")
		return false
	}
	kept := node.Content[:0]
	for i, item := range node.Content {
		itemPath := fmt.Sprintf("%s[%d]", path, len(kept))
		for item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			r.mistake(item.Line, fmt.Sprintf("%s[%d]", path, i), "is one value, not a list or a section", "write one word here")
			continue
		}
		if r.scalar(item, f.item(), itemPath) {
			r.lines[itemPath] = item.Line
			kept = append(kept, item)
		}
	}
	node.Content = kept
	return true
}

// scalar checks one value. It is handed on as text, for what `010` or
// `2026-01-01` means is not YAML's to say.
func (r *reader) scalar(node *yaml.Node, f field, path string) bool {
	if what, remedy := f.checkScalar(node.Value); what != "" {
		r.mistake(node.Line, path, what, remedy)
		return false
	}
	node.Tag = "!!str"
	return true
}
