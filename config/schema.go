package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A field is one key as the types describe it.
type field struct {
	key      string       // its own name, as `cafile`
	name     string       // the Go field's name, by which the comments are found
	typ      reflect.Type // of the value; for a list, of the list
	values   []string     // the words allowed; nil: any
	min, max string       // range of a number or duration; empty: none
	restart  bool         // read when the server starts, and not at a reload
}

// fieldsOf lists the keys of a struct type in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("mapstructure")
		if key == "-" || !f.IsExported() {
			continue
		}
		described := field{
			key: key, name: f.Name, typ: f.Type,
			min: f.Tag.Get("min"), max: f.Tag.Get("max"),
			restart: f.Tag.Get("reload") == "restart",
		}
		if words := f.Tag.Get("values"); words != "" {
			described.values = strings.Split(words, "|")
		}
		fields = append(fields, described)
	}
	return fields
}

// fieldNamed finds a key among its siblings.
func fieldNamed(fields []field, key string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

var durationType = reflect.TypeFor[Duration]()

// kind tells what the reader has to expect at a key.
func (f field) kind() kind {
	switch {
	case f.typ == durationType:
		return aDuration
	case f.typ.Kind() == reflect.Struct:
		return aMapping
	case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
		return aListOfMappings
	case f.typ.Kind() == reflect.Slice:
		return aList
	case f.typ.Kind() == reflect.Bool:
		return aBool
	case f.typ.Kind() == reflect.Int || f.typ.Kind() == reflect.Int64:
		return aNumber
	default:
		return aText
	}
}

// item is one value of a list.
func (f field) item() field {
	f.typ = f.typ.Elem()
	return f
}

type kind string

const (
	aText           kind = "text"
	aBool           kind = "true or false"
	aNumber         kind = "number"
	aDuration       kind = "duration"
	aList           kind = "list"
	aMapping        kind = "section"
	aListOfMappings kind = "list of sections"
)

// scalar tells whether a kind is one value and no structure.
func (k kind) scalar() bool {
	return k != aList && k != aMapping && k != aListOfMappings
}

// plainNumber is a number as people write it. Leading zeros and other bases
// are refused: YAML and Go do not agree on what they mean.
var plainNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// checkScalar tells what is wrong with the text of one value, and what to do;
// both are empty if nothing is.
func (f field) checkScalar(text string) (what, remedy string) {
	switch f.kind() {
	case aBool:
		if text != "true" && text != "false" {
			return fmt.Sprintf("%q is neither true nor false", text), "write true or false"
		}
	case aNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || !plainNumber.MatchString(text) {
			return fmt.Sprintf("%q is not a whole number", text), "write digits alone, as 8"
		}
		if f.min != "" && n < mustInt(f.min) {
			return fmt.Sprintf("%d is too small", n), "the least is " + f.min
		}
		if f.max != "" && n > mustInt(f.max) {
			return fmt.Sprintf("%d is too large", n), "the most is " + f.max
		}
	case aDuration:
		d, err := ParseDuration(text)
		if err != nil {
			return err.Error(), "write a number with its unit, as 7d, 12h, 30m or 1h30m"
		}
		if f.min != "" && d < mustDuration(f.min) {
			return fmt.Sprintf("%s is too short", d), "the least is " + f.min
		}
		if f.max != "" && d > mustDuration(f.max) {
			return fmt.Sprintf("%s is too long", d), "the most is " + f.max
		}
	default:
		if f.values != nil && !slices.Contains(f.values, text) {
			what = fmt.Sprintf("%q is not known here", text)
			if near := nearest(text, f.values); near != "" {
				return what, "did you mean " + near + "?"
			}
			return what, "write " + oneOf(f.values)
		}
	}
	return "", ""
}

// mustInt reads a number of a tag; the tests look at every tag.
func mustInt(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// mustDuration reads a duration of a tag.
func mustDuration(s string) Duration {
	d, err := ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// oneOf writes "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// A leaf is a scalar outside every list: what the environment can set.
type leaf struct {
	field
	path []string // as {"relay", "address"}
}

// dotted is the key as people name it: relay.address.
func (l leaf) dotted() string { return strings.Join(l.path, ".") }

// variable is the environment variable that sets it: SEALIST_RELAY_ADDRESS.
func (l leaf) variable() string {
	return "SEALIST_" + strings.ToUpper(strings.Join(l.path, "_"))
}

// leavesOf lists the scalars outside every list of a struct type.
func leavesOf(t reflect.Type, above []string) []leaf {
	var leaves []leaf
	for _, f := range fieldsOf(t) {
		path := append(slices.Clone(above), f.key)
		switch k := f.kind(); {
		case k == aMapping:
			leaves = append(leaves, leavesOf(f.typ, path)...)
		case k.scalar():
			leaves = append(leaves, leaf{field: f, path: path})
		}
	}
	return leaves
}

// paths lists every key of a type, dotted and with [] for a list of sections,
// so that a key written in the wrong place can be pointed to its own.
func paths(t reflect.Type, above string) []string {
	var all []string
	for _, f := range fieldsOf(t) {
		path := join(above, f.key)
		all = append(all, path)
		switch f.kind() {
		case aMapping:
			all = append(all, paths(f.typ, path)...)
		case aListOfMappings:
			all = append(all, paths(f.typ.Elem(), path+"[]")...)
		}
	}
	return all
}

// join puts a key behind the path of the section it stands in.
func join(above, key string) string {
	if above == "" {
		return key
	}
	return above + "." + key
}
