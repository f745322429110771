package bounce_test

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/smime/entity"
)

// unrecognised are the files of the corpus of which nothing can, or need, be made.
var unrecognised = map[string]string{
	"lhost-amazonses-13.eml": "a notification that a message was delivered, in JSON",
	"lhost-fml-03.eml":       "another list's word that it had the same post before",
}

// TestCorpus reads the bounces of 80 mail systems. What must come of each stands
// in testdata/sisimai.tsv: the file, and then the report in short, as it was found
// right when read beside the file.
func TestCorpus(t *testing.T) {
	root := os.Getenv("SEALIST_CORPORA")
	if root == "" {
		t.Skip("SEALIST_CORPORA is not set")
	}
	table, err := os.Open("testdata/sisimai.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	files, recognised, kinds := 0, 0, map[bounce.Kind]int{}
	for lines := bufio.NewScanner(table); lines.Scan(); files++ {
		name, want, _ := strings.Cut(lines.Text(), "\t")
		octets, err := os.ReadFile(filepath.Join(root, "bounces-sisimai", "maildir", "bsd", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range [][]byte{octets, entity.Canonical(bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")))} {
			if got := short(bounce.Recognise(form)); got != want {
				t.Errorf("%s: %q, not %q", name, got, want)
			}
		}
		r := bounce.Recognise(octets)
		kinds[r.Kind]++
		if r.Kind != bounce.None {
			recognised++
		} else if unrecognised[name] == "" {
			t.Errorf("%s is not recognised", name)
		}
		for _, one := range r.Recipients {
			if len(one.Text) > bounce.MaxText {
				t.Errorf("%s: %d octets of text", name, len(one.Text))
			}
		}
	}
	t.Logf("%d of %d recognised: %v", recognised, files, kinds)
	if files < 361 || recognised*100 < files*97 {
		t.Errorf("%d of %d recognised", recognised, files)
	}
}
