package entity_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/entity"
)

func parse(t testing.TB, s string) *entity.Entity {
	t.Helper()
	e, err := entity.Parse([]byte(s), entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestHeaderKeepsOctets(t *testing.T) {
	for name, tc := range map[string]struct {
		in     string
		fields []string // "Name=Value"
		body   string
	}{
		"plain":              {"A: 1\r\nB: 2\r\n\r\nbody", []string{"A=1", "B=2"}, "body"},
		"bare LF":            {"A: 1\nB: 2\n\nbody\n", []string{"A=1", "B=2"}, "body\n"},
		"folded":             {"A: 1\r\n 2\r\n\t3\r\n\r\n", []string{"A=1 2\t3"}, ""},
		"folded empty first": {"Subject:\r\n x\r\n\r\n", []string{"Subject=x"}, ""},
		"blank continuation": {"A: 1\r\n \r\nB: 2\r\n\r\nx", []string{"A=1", "B=2"}, "x"},
		"space before colon": {"From : a@b\r\n\r\n", []string{"From=a@b"}, ""},
		"no body":            {"A: 1\r\n", []string{"A=1"}, ""},
		"no header":          {"\r\nbody", nil, "body"},
		"lost header":        {"just text\r\n\r\nmore: text\r\n", nil, "just text\r\n\r\nmore: text\r\n"},
		"mbox line":          {"From a@b Thu Jan 1\nA: 1\n\nx", []string{"=From a@b Thu Jan 1", "A=1"}, "x"},
		"garbage line":       {"A: 1\r\ngarbage\r\nFrom: b\r\n\r\nx", []string{"A=1", "=garbage", "From=b"}, "x"},
		"8bit":               {"A: \xe4\r\n\r\n\xff", []string{"A=\xe4"}, "\xff"},
		"bare CR":            {"A: 1\rB: 2\r\n\r\n", []string{"A=1\rB: 2"}, ""},
		"empty":              {"", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := parse(t, tc.in)
			var got []string
			for _, f := range e.Header() {
				got = append(got, f.Name+"="+f.Value())
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.fields) {
				t.Errorf("fields %q, want %q", got, tc.fields)
			}
			if string(e.Body()) != tc.body {
				t.Errorf("body %q, want %q", e.Body(), tc.body)
			}
			checkOctets(t, e)
		})
	}
}

// checkOctets holds for every entity: header, empty line and body are the entity, and parts, boundaries, preamble and epilogue the body.
func checkOctets(t testing.TB, e *entity.Entity) {
	t.Helper()
	header, body := e.Header().Octets(), e.Body()
	middle := bytes.TrimPrefix(e.Octets(), header)
	if !bytes.HasPrefix(e.Octets(), header) || !bytes.HasSuffix(middle, body) {
		t.Fatalf("octets of header or body are not those of the entity")
	}
	if gap := string(middle[:len(middle)-len(body)]); gap != "" && gap != "\n" && gap != "\r\n" {
		t.Fatalf("between header and body stands %q", gap)
	}
	if !e.IsMultipart() {
		return
	}
	m, err := e.Parts()
	if err != nil {
		return
	}
	at := bytes.Index(body, m.Preamble) + len(m.Preamble)
	for _, p := range m.Parts {
		i := bytes.Index(body[at:], p.Octets())
		if i < 0 {
			t.Fatal("a part is not in the body, or out of order")
		}
		at += i + len(p.Octets())
		checkOctets(t, p)
	}
	if !bytes.HasSuffix(body, m.Epilogue) {
		t.Fatal("the epilogue is not the end")
	}
}

func TestParts(t *testing.T) {
	for name, tc := range map[string]struct {
		boundary, body     string
		parts              []string
		preamble, epilogue string
		open               bool
	}{
		"two":                {"b", "pre\r\n--b\r\nA: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nepi\r\n", []string{"A: 1\r\n\r\none", "\r\ntwo"}, "pre", "epi\r\n", false},
		"bare LF":            {"b", "--b\n\none\n--b\n\ntwo\n--b--\n", []string{"\none", "\ntwo"}, "", "", false},
		"trailing CRLF kept": {"b", "--b\r\n\r\none\r\n\r\n--b--", []string{"\r\none\r\n"}, "", "", false},
		"padding":            {"b", "--b \t\r\n\r\none\r\n--b--  \r\n", []string{"\r\none"}, "", "", false},
		"prefix is no end":   {"b", "--b\r\n\r\n--bb\r\n--bb--\r\nx\r\n--b--", []string{"\r\n--bb\r\n--bb--\r\nx"}, "", "", false},
		"not at line start":  {"b", "--b\r\n\r\nx --b\r\n--b--", []string{"\r\nx --b"}, "", "", false},
		"never closed":       {"b", "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n", []string{"\r\none", "\r\ntwo\r\n"}, "", "", true},
		"empty part":         {"b", "--b\r\n--b\r\n\r\n--b--", []string{"", ""}, "", "", false},
		"boundary after end": {"b", "--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\ntwo\r\n--b--\r\n", []string{"\r\none"}, "", "--b\r\n\r\ntwo\r\n--b--\r\n", false},
		"odd characters":     {"=_'()+,./:=? b", "--=_'()+,./:=? b\r\n\r\nx\r\n--=_'()+,./:=? b--", []string{"\r\nx"}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			e := parse(t, "Content-Type: multipart/mixed; boundary=\""+tc.boundary+"\"\r\n\r\n"+tc.body)
			m, err := e.Parts()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range m.Parts {
				got = append(got, string(p.Octets()))
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.parts) {
				t.Errorf("parts %q, want %q", got, tc.parts)
			}
			if string(m.Preamble) != tc.preamble || string(m.Epilogue) != tc.epilogue || m.Closed == tc.open {
				t.Errorf("preamble %q epilogue %q closed %t", m.Preamble, m.Epilogue, m.Closed)
			}
			checkOctets(t, e)
		})
	}
}

func TestNestedMultipartStaysInside(t *testing.T) {
	// The inner multipart never closes; the outer boundary ends it.
	e := parse(t, "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\na\r\n--out\r\n\r\nb\r\n--out--\r\n")
	m, err := e.Parts()
	if err != nil || len(m.Parts) != 2 {
		t.Fatalf("%v %v", m, err)
	}
	in, err := m.Parts[0].Parts()
	if err != nil || len(in.Parts) != 1 || in.Closed || string(in.Parts[0].Body()) != "a" {
		t.Fatalf("%v %v", in, err)
	}
}

func TestMediaType(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "text/plain map[]",
		"Content-Type: Text/HTML":   "text/html map[]",
		"Content-Type: text":        "text/plain map[]",
		"Content-Type: text/plain;": "text/plain map[]",
		`Content-Type: multipart/mixed; Boundary="a;b=c"`:                                         "multipart/mixed map[boundary:a;b=c]",
		`Content-Type: multipart/mixed; boundary=a b`:                                             "multipart/mixed map[boundary:a b]",
		`Content-Type: multipart/mixed; boundary="a`:                                              "multipart/mixed map[boundary:a]",
		`Content-Type: multipart/mixed; boundary="a\"b"`:                                          `multipart/mixed map[boundary:a"b]`,
		`Content-Type: application/pkcs7-mime; name=smime.p7m; smime-type=signed-data`:            "application/pkcs7-mime map[name:smime.p7m smime-type:signed-data]",
		`Content-Type: application/pkcs7-mime (S/MIME; really); name=x`:                           "application/pkcs7-mime map[name:x]",
		"Content-Type: a/b; name*0=\"one \"; name*1=two":                                          "a/b map[name:one two]",
		"Content-Type: a/b; name*=utf-8''sm%69me.p7m":                                             "a/b map[name:smime.p7m]",
		"Content-Type: a/b; name*0*=utf-8'en'a%20; name*1=b":                                      "a/b map[name:a b]",
		"Content-Type: a/b; x=1; x=2":                                                             "a/b map[x:1]",
		"Content-Type: multipart/mixed; boundary=a; boundary=b":                                   "application/octet-stream map[]",
		"Content-Type: multipart/mixed; boundary=a; boundary*=''b":                                "application/octet-stream map[]",
		"Content-Type: multipart/mixed; boundary=a; boundary=a":                                   "multipart/mixed map[boundary:a]",
		"Content-Type: multipart/signed; boundary=a\r\nContent-Type: text/html":                   "application/octet-stream map[]",
		"Content-Type: text/html\r\nContent-Type: text/html":                                      "text/html map[]",
		"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tmicalg=x": "multipart/signed map[micalg:x protocol:application/pkcs7-signature]",
	} {
		typ, params := parse(t, in+"\r\n\r\n").MediaType()
		if got := fmt.Sprint(typ, " ", params); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestDecoded(t *testing.T) {
	for _, tc := range []struct{ cte, body, want string }{
		{"", "a=3D", "a=3D"},
		{"7bit", "x\r\n", "x\r\n"},
		{"BINARY", "\x00\r", "\x00\r"},
		{"base64", "aGVs\r\nbG8=\r\n", "hello"},
		{"base64", "aGVsbG8", "hello"},
		{"base64", "aGVs bG8=\r\n-- \r\nfooter", "hello"},
		{"Base64 (comment)", "aGVsbG8=", "hello"},
		{"quoted-printable", "a=3Db=\r\nc \r\n", "a=bc\r\n"},
	} {
		got, err := parse(t, "Content-Transfer-Encoding: "+tc.cte+"\r\n\r\n"+tc.body).Decoded()
		if err != nil || string(got) != tc.want {
			t.Errorf("%s %q: %q, %v", tc.cte, tc.body, got, err)
		}
	}
	for _, in := range []string{
		"Content-Transfer-Encoding: x-uuencode\r\n\r\nx",
		"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n\r\nx",
		"Content-Transfer-Encoding: base64\r\n\r\naGVsb",
	} {
		if _, err := parse(t, in).Decoded(); !errors.Is(err, entity.ErrMalformed) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"":            "",
		"a\r\nb\r\n":  "a\r\nb\r\n",
		"a\nb\n":      "a\r\nb\r\n",
		"\n\r\n\n":    "\r\n\r\n\r\n",
		"a\rb\r\r\nc": "a\rb\r\r\nc",
	} {
		if got := entity.Canonical([]byte(in)); string(got) != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"a@b.example":                               "a@b.example",
		"<a@b.example>":                             "a@b.example",
		"A B <a@b.example>":                         "a@b.example",
		`"x@evil.example" <a@b.example>`:            "a@b.example",
		"a@b.example (x@evil.example)":              "a@b.example",
		"=?windows-1252?Q?J=FCrgen?= <j@b.example>": "j@b.example",
		"=?unknown-charset?Q?x?= <j@b.example>":     "j@b.example",
		"a@b.example, C <c@d.example>":              "a@b.example c@d.example",
		"team: a@b.example, c@d.example;":           "a@b.example c@d.example",
		"Ä <ä@b.example>":                           "ä@b.example",
		`"john.doe"@b.example`:                      "john.doe@b.example",
		"":                                          "error",
		"nobody":                                    "error",
		"undisclosed:;":                             "error",
		"x@evil.example <a@b.example>":              "error",
		"<a@b.example> <c@d.example>":               "error",
		"a@b.example c@d.example":                   "error",
		`"a@b.example"@evil.example`:                "error",
		`"a b"@c.example`:                           "error",
		"a@b@c":                                     "error",
		"<a@b.example":                              "error",
		"a@b.example\x00":                           "error",
		"\"A\rB\" <a@b.example>":                    "error",
		"<@route:a@b.example>":                      "error",
	} {
		got, err := entity.Addresses(in)
		s := strings.Join(got, " ")
		if err != nil {
			if !errors.Is(err, entity.ErrAddress) {
				t.Errorf("%q: %v", in, err)
			}
			s = "error"
		}
		if s != want {
			t.Errorf("%q: %q, want %q", in, s, want)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return b.String()
	}
	walk := func(s string) error {
		e, err := entity.Parse([]byte(s), entity.Limits{})
		return errors.Join(err, visit(e))
	}
	for name, tc := range map[string]struct {
		in  string
		bad bool
	}{
		"header just fits":  {"A: " + strings.Repeat("x", 64<<10-5) + "\r\n\r\n", false},
		"header too large":  {"A: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", true},
		"header never ends": {strings.Repeat("A: b\r\n", 5_000_000), true},
		"one long line":     {"A: " + strings.Repeat("x", 30<<20), true},
		"1000 parts":        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 1000), false},
		"1001 parts":        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 1001), true},
		"a million parts":   {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\n", 5_000_000), true},
		"depth 32":          {deep(32), false},
		"depth 33":          {deep(33), true},
		"depth 100000":      {deep(100_000), true},
		"long boundary":     {"Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 60_000) + "\r\n\r\n" + strings.Repeat("--bbbbbbbbbbbb\r\n", 1_000_000), false},
		"depth 20, 25 MB":   {deep(20) + strings.Repeat("--bx\n", 5_000_000), true},
		"depth 8, 25 MB":    {deep(8) + strings.Repeat("--bx\n", 5_000_000), false},
		"many parameters":   {"Content-Type: multipart/mixed" + strings.Repeat(";a=b", 15_000) + ";boundary=b\r\n\r\n--b\r\n\r\n", false},
		"nested comments":   {"Content-Type: " + strings.Repeat("(", 60_000) + "multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := walk(tc.in)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if errors.Is(err, entity.ErrTooLarge) != tc.bad {
				t.Errorf("error %v", err)
			}
			if took > second {
				t.Errorf("took %s", took)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("allocated %d octets", grown)
			}
		})
	}
}

// visit reads everything there is to read.
func visit(e *entity.Entity) error {
	if e == nil {
		return nil
	}
	e.Disposition()
	e.FileName()
	_, _ = e.Decoded()
	for _, f := range e.Header() {
		f.Value()
	}
	if !e.IsMultipart() {
		return nil
	}
	m, err := e.Parts()
	if err != nil {
		return err
	}
	for _, p := range m.Parts {
		if err := visit(p); err != nil {
			return err
		}
	}
	return nil
}

// TestRedacts holds invariant 1 for whatever prints values: an entity may be decrypted content.
func TestRedacts(t *testing.T) {
	e := parse(t, "Subject: SECRET\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nSECRET\r\n--b\r\nX: SECRET\r\n\r\nSECRET\r\n--b--\r\nSECRET")
	m, err := e.Parts()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	jsonLogger := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{e, m, e.Header(), e.Header()[0], m.Parts} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		logger.Info("x", "value", v)
		jsonLogger.Info("x", "value", v)
	}
	for _, secret := range []string{"SECRET", "534543524554", "83 69 67", "U0VDUkVU"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("content is printed:\n%s", out.String())
		}
	}
}

// TestLinear compares the time for n and 8n; quadratic work would show as 64.
func TestLinear(t *testing.T) {
	for name, unit := range map[string]string{
		"lines":             "x\n",
		"hyphens":           "--\n",
		"near boundaries":   "--boundar\n",
		"nested delimiters": "--boundary-\n",
		"bare CR":           "\r\r\r",
	} {
		cost := func(n int) time.Duration {
			in := "Content-Type: multipart/mixed; boundary=boundary\r\n\r\n--boundary\r\n\r\n" + strings.Repeat(unit, n)
			best := time.Hour
			for range 3 {
				start := time.Now()
				_ = visit(parse(t, in))
				best = min(best, time.Since(start))
			}
			return best
		}
		small, large := cost(50_000), cost(400_000)
		if large > 40*small+20*time.Millisecond {
			t.Errorf("%s: %s for 50k, %s for 400k lines", name, small, large)
		}
	}
}
