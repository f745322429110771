package config

import (
	"os"
	"reflect"
)

// NeedsRestart lists the keys that next has otherwise than c and that a running
// server cannot change: those with the tag reload:"restart". They are placed in
// next's file.
func (c *Config) NeedsRestart(next *Config) []Finding {
	findings := restartKeys(reflect.ValueOf(*c), reflect.ValueOf(*next), "")
	if octets, err := readBounded(next.File); err == nil && len(findings) > 0 { // read once more, for its lines alone
		r := &reader{file: next.File, lines: map[string]int{}}
		r.read(octets)
		findings = r.place(findings, r.environment(os.Environ()))
	}
	return findings
}

func restartKeys(now, next reflect.Value, above string) (findings []Finding) {
	for _, f := range fieldsOf(now.Type()) {
		key, a, b := join(above, f.key), now.FieldByName(f.name), next.FieldByName(f.name)
		switch {
		case f.kind() == aMapping:
			findings = append(findings, restartKeys(a, b, key)...)
		case f.restart && !reflect.DeepEqual(a.Interface(), b.Interface()):
			findings = append(findings, Finding{Key: key, What: "cannot change while the server runs", Remedy: "restart the server, or put back what it was"})
		}
	}
	return findings
}
