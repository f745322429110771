package config

import (
	"reflect"
)

// NeedsRestart lists the keys that next has otherwise than c and that a running
// server cannot change: those with the tag reload:"restart". They are placed in
// next's file.
func (c *Config) NeedsRestart(next *Config) []Finding {
	findings := restartKeys(reflect.ValueOf(*c), reflect.ValueOf(*next), "")
	if next.places != nil {
		findings = next.places(findings)
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
