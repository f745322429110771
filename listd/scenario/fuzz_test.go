package scenario_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealist/sealist/listd/scenario"
)

// FuzzScenario reads any text as a scenario and has it judge a post: it never
// panics, and it always decides on an action that there is. What has errors
// rejects.
func FuzzScenario(f *testing.F) {
	entries, err := os.ReadDir("shipped")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join("shipped", e.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "x")
	}
	for _, text := range []string{
		"match([header->Subject][-1],/^\\[[domain]\\] .*\\/$/) smtp,md5 -> reject(reason='a',tt2='b'),quiet",
		"include('test')\n!older('2026y1m+3d4h',[header->Date]) smime -> request_auth([email])",
		"less_than([msg->size],'1e3')\nverify_netmask('::/0')  -> listmaster,notify\rsearch(a.sql,[sender])-> owner",
	} {
		f.Add(text, "Subject")
	}
	l := scenario.NewLibrary("")
	f.Fuzz(func(t *testing.T, text, value string) {
		for _, function := range []scenario.Function{scenario.Send, scenario.Subscribe} {
			s, err := l.Read(function, "test", scenario.File{Label: "fuzz/send.test", Octets: []byte(text)}, team)
			if err != nil {
				t.Fatal(err)
			}
			s.Check()
			s.Title(value)
			for _, m := range scenario.Methods() {
				r := from("subscriber", m)
				r.Message = post{fields: map[string][]string{"Subject": {value, value}, "To": {value}, "Date": {value}}, text: value, parts: []scenario.Part{{Type: value, Text: value}}}
				d, _ := s.Explain(t.Context(), r, somebody())
				switch d.Action {
				case scenario.DoIt, scenario.RequestAuth, scenario.Editor, scenario.EditorKey, scenario.Owner, scenario.Listmaster:
					if s.Err() != nil || d.Err != nil || d.Rule == "" {
						t.Errorf("%s, with %v and %v", shown(d), s.Err(), d.Err)
					}
				case scenario.Reject:
					if d.Reason == "" {
						t.Error("a rejection without a reason")
					}
				default:
					t.Errorf("decided %q", d.Action)
				}
			}
		}
	})
}
