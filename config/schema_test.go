package config

import (
	"reflect"
	"testing"
)

// Every tag can be read, every variable names one key, every default passes
// the rule of its own key.
func TestSchema(t *testing.T) {
	variables := map[string]string{keyPasswordEnv: "key password"}
	for _, l := range leavesOf(reflect.TypeFor[Config](), nil) {
		if earlier, taken := variables[l.variable()]; taken {
			t.Errorf("%s sets %s and %s", l.variable(), earlier, l.dotted())
		}
		variables[l.variable()] = l.dotted()
	}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		for _, f := range fieldsOf(v.Type()) {
			value := v.FieldByName(f.name)
			switch k := f.kind(); {
			case k == aMapping:
				walk(value, join(path, f.key))
			case k == aListOfMappings:
				walk(elementDefaults(f.typ.Elem()), join(path, f.key))
			case k.scalar() && defaultText(value) != "":
				if what, _ := f.checkScalar(defaultText(value)); what != "" {
					t.Errorf("default of %s: %s", join(path, f.key), what)
				}
			}
			if f.key == "" {
				t.Errorf("%s.%s has no key", v.Type(), f.name)
			}
			if f.min != "" || f.max != "" {
				f.checkScalar(map[kind]string{aNumber: "5", aDuration: "5s"}[f.kind()]) // panics on a tag that cannot be read
			}
		}
	}
	walk(reflect.ValueOf(*Default()), "")
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"7d": "7d", "1d12h": "1d12h", "36h": "1d12h", "90s": "1m30s", "1h30m": "1h30m", "60m": "1h", "0": "0s", "0d": "0s", "250ms": "250ms", " 2d ": "2d", "1d0h": "1d",
	} {
		d, err := ParseDuration(text)
		if err != nil || d.String() != want {
			t.Errorf("%q: got %v, %v, want %s", text, d, err, want)
		}
		again, err := ParseDuration(d.String())
		if err != nil || again != d {
			t.Errorf("%q does not read back: %v, %v", d.String(), again, err)
		}
	}
	for _, text := range []string{"", "7", "d", "-1d", "1.5d", "1d-2h", "-5s", "99999d", "1w", "7dd", "12h7d", "9223372036s9223372036s"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q is taken as %v", text, d)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"data_dir", "domains", "smtp", "relay", "resolver"}
	for s, want := range map[string]string{
		"datadir": "data_dir", "domain": "domains", "smpt": "smtp", "resovler": "resolver", "Relay": "relay", "web": "", "x": "", "": "", "metrics": "",
	} {
		if got := nearest(s, words); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, text := range []string{"smtp://127.0.0.1:25", "lmtp://[::1]:24", "lmtp:/run/x", "smtp://:2525"} {
		e, err := ParseEndpoint(text)
		if err != nil || e.String() != text {
			t.Errorf("%q: %+v, %v", text, e, err)
		}
	}
}

// No file, however strange, makes the reader panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("directories: [{urls: *x}]\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		r := &reader{file: "x", lines: map[string]int{}}
		settings := r.read(octets)
		if _, err := decode(settings, nil); err != nil && len(r.mistakes) == 0 {
			t.Errorf("%v\n%q", err, octets)
		}
	})
}
