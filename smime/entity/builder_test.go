package entity_test

import (
	"errors"
	"mime"
	"net/mail"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime/entity"
)

func TestBuilderWrites(t *testing.T) {
	var b entity.Builder
	b.Add("Message-ID", "<1@lists.example.org>")
	b.AddText("Subject", "plain")
	b.AddText("Subject", "Grüße")
	b.AddText("Subject", "=?utf-8?q?not_mine?=")
	b.AddAddresses("From", mail.Address{Name: "A, B", Address: "a@b.example"}, mail.Address{Address: "c@d.example"})
	b.Add("Empty", "")
	b.AddField(entity.Field{Name: "X-Kept", Raw: []byte("X-Kept:  two\n  lines\n")})
	octets, err := b.Octets()
	if err != nil {
		t.Fatal(err)
	}
	want := "Message-ID: <1@lists.example.org>\r\nSubject: plain\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
		"Subject: =?utf-8?q?=3D=3Futf=2D8=3Fq=3Fnot=5Fmine=3F=3D?=\r\nFrom: \"A, B\" <a@b.example>, <c@d.example>\r\nEmpty:\r\nX-Kept:  two\r\n  lines\r\n"
	if string(octets) != want {
		t.Errorf("got\n%s\nwant\n%s", octets, want)
	}
}

// TestBuilderRefuses attacks invariant 6: no value begins a line of its own.
func TestBuilderRefuses(t *testing.T) {
	for name, write := range map[string]func(b *entity.Builder, evil string){
		"Add":      func(b *entity.Builder, evil string) { b.Add("X", "a"+evil+"Bcc: x@y") },
		"Add name": func(b *entity.Builder, evil string) { b.Add("X"+evil+"Y", "a") },
		"AddText":  func(b *entity.Builder, evil string) { b.AddText("Subject", "ä"+evil+"Bcc: x@y") },
		"display": func(b *entity.Builder, evil string) {
			b.AddAddresses("To", mail.Address{Name: "ä" + evil, Address: "a@b"})
		},
		"address":    func(b *entity.Builder, evil string) { b.AddAddresses("To", mail.Address{Address: "a" + evil + "@b"}) },
		"at the end": func(b *entity.Builder, evil string) { b.Add("X", "a"+evil) },
		"AddField": func(b *entity.Builder, evil string) {
			if evil == "\r\n" || evil == "\n" {
				evil += "Bcc: x@y"
			}
			b.AddField(entity.Field{Name: "X", Raw: []byte("X: a" + evil + "b\r\n")})
		},
	} {
		for _, evil := range []string{"\r\n", "\n", "\r", "\x00"} {
			var b entity.Builder
			write(&b, evil)
			octets, err := b.Octets()
			if !errors.Is(err, entity.ErrUnsafeField) || len(octets) > 0 {
				t.Errorf("%s with %q: %q, %v", name, evil, octets, err)
			}
			if err != nil && strings.Contains(err.Error(), "Bcc") {
				t.Errorf("%s: the error quotes the value", name)
			}
		}
	}
	for name, write := range map[string]func(b *entity.Builder){
		"non-ASCII":      func(b *entity.Builder) { b.Add("X", "ä") },
		"not UTF-8":      func(b *entity.Builder) { b.AddText("X", "\xff") },
		"colon in name":  func(b *entity.Builder) { b.Add("X: Y", "a") },
		"no name":        func(b *entity.Builder) { b.Add("", "a") },
		"no address":     func(b *entity.Builder) { b.AddAddresses("To") },
		"bad address":    func(b *entity.Builder) { b.AddAddresses("To", mail.Address{Address: "a, b@c"}) },
		"unfoldable":     func(b *entity.Builder) { b.Add("X", strings.Repeat("x", 1000)) },
		"nameless field": func(b *entity.Builder) { b.AddField(entity.Field{Raw: []byte("x\r\n")}) },
		"other name":     func(b *entity.Builder) { b.AddField(entity.Field{Name: "A", Raw: []byte("B: x\r\n")}) },
		"empty line":     func(b *entity.Builder) { b.AddField(entity.Field{Name: "A", Raw: []byte("A: x\r\n\r\n")}) },
	} {
		var b entity.Builder
		write(&b)
		if _, err := b.Octets(); !errors.Is(err, entity.ErrUnsafeField) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBuilderFolds(t *testing.T) {
	var b entity.Builder
	long := strings.Repeat("Ein Satz mit Umlauten äöü und Wörtern. ", 20)
	b.AddText("Subject", long)
	b.Add("References", strings.Repeat("<0123456789012345678901234567890123456789@mail.example.org> ", 10))
	b.Add("Spaces", "a"+strings.Repeat(" ", 200)+"b")
	octets, err := b.Octets()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(octets), "\r\n"), "\r\n") {
		if len(line) > 76 && !strings.Contains(line, strings.Repeat(" ", 100)) || strings.TrimSpace(line) == "" {
			t.Errorf("line of %d columns: %q", len(line), line)
		}
	}
	e := parse(t, string(octets)+"\r\n")
	got, err := new(mime.WordDecoder).DecodeHeader(e.Header().Get("Subject"))
	if err != nil || got != strings.TrimRight(long, " ") && got != long {
		t.Errorf("subject %q, %v", got, err)
	}
}

func FuzzBuilder(f *testing.F) {
	f.Add("Subject", "text", "ä")
	f.Add("X", "a\r\nb", "\x00")
	f.Fuzz(func(t *testing.T, name, value, display string) {
		var b entity.Builder
		b.Add(name, value)
		b.AddText(name, display)
		b.AddAddresses("To", mail.Address{Name: display, Address: value})
		octets, err := b.Octets()
		if err != nil {
			return
		}
		e, err := entity.Parse(append(octets, "\r\nbody"...), entity.Limits{HeaderOctets: 1 << 30})
		if err != nil || len(e.Header()) != 3 || string(e.Body()) != "body" {
			t.Fatalf("three fields became %q, %v", octets, err)
		}
	})
}
