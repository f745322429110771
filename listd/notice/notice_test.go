package notice_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// names are what templates take.
var names = regexp.MustCompile(`\.([a-z_]+)`)

// fields are those of service mail.
var fields = map[string]bool{"From": true, "To": true, "Subject": true, "Date": true, "Message-ID": true, "In-Reply-To": true, "Auto-Submitted": true,
	"X-Auto-Response-Suppress": true, "MIME-Version": true, "Content-Type": true, "Content-Transfer-Encoding": true}

// TestNothingBeginsAFieldOfItsOwn puts line ends into everything that any
// template is told (invariant 6): names of people, subjects of certificates,
// reasons, lines of a report. Mail comes out, with the fields of service mail
// and no others, and no line of the text is a stranger's.
func TestNothingBeginsAFieldOfItsOwn(t *testing.T) {
	templates, err := filepath.Glob("templates/en/*.txt")
	if err != nil || len(templates) < 10 {
		t.Fatal(templates, err)
	}
	n, err := notice.New(list.MustParseAddress("listmaster@lists.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]list.List{
		"of a list": {ID: 1, Address: list.MustParseAddress("team@lists.example.org"), Description: "x\r\nX-Evil: 1"},
		"of none":   {},
	}
	for _, path := range templates {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		template := strings.TrimSuffix(filepath.Base(path), ".txt")
		for _, evil := range []string{"x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\r\n\r\nX-Evil: 1", "x\rX-Evil: 1", "x\x00X-Evil: 1", "\xff\n\nX-Evil: 1", "ü" + strings.Repeat("x", 2000) + "\nX-Evil: 1"} {
			params := map[string]string{"message_id": evil}
			for _, found := range names.FindAllStringSubmatch(string(text), -1) {
				if name := found[1]; name != "list" && name != "owner" && name != "to" && name != "lines" {
					params[name] = evil
				}
			}
			for of, l := range lists {
				if l.ID == 0 && strings.Contains(string(text), ".list") {
					continue
				}
				nt := store.Notice{Template: template, To: list.MustParseAddress("jürgen@bücher.example"), Params: params, Lines: []string{evil, evil}}
				m, err := n.Render(l, nt, "<1@lists.example.org>", time.Now())
				if err != nil {
					t.Errorf("%s, %s, %.20q: %v", template, of, evil, err)
					continue
				}
				e, err := entity.Parse(m.Octets(), entity.DefaultLimits())
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range e.Header() {
					if !fields[f.Name] {
						t.Errorf("%s, %s, %.20q: the field %q\n%s", template, of, evil, f.Name, m.Octets())
					}
				}
				body, err := e.Decoded()
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.SplitSeq(string(body), "\r\n") {
					if strings.HasPrefix(line, "X-Evil") || strings.ContainsAny(line, "\r\n\x00") {
						t.Errorf("%s, %s, %.20q: the line %s", template, of, evil, fmt.Sprintf("%.80q", line))
					}
				}
			}
		}
	}
}
