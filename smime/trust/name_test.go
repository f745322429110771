package trust_test

import (
	"encoding/asn1"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sealist/sealist/smime/trust"
)

type attribute struct {
	oid   asn1.ObjectIdentifier
	tag   cbasn1.Tag
	value string
}

var (
	cn = asn1.ObjectIdentifier{2, 5, 4, 3}
	o  = asn1.ObjectIdentifier{2, 5, 4, 10}
)

const (
	printable = cbasn1.PrintableString
	utf8Text  = cbasn1.UTF8String
	teletex   = cbasn1.T61String
	bmp       = cbasn1.Tag(30)
)

// name encodes a distinguished name, one relative distinguished name an argument.
func name(rdns ...[]attribute) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range rdns {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, a := range rdn {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(a.oid)
						b.AddASN1(a.tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
					})
				}
			})
		}
	})
	return b.BytesOrPanic()
}

func rdn(a ...attribute) []attribute { return a }

func utf16be(s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = append(b, byte(unit>>8), byte(unit))
	}
	return string(b)
}

// TestSameName is RFC 5280 section 7.1 and RFC 4518.
func TestSameName(t *testing.T) {
	corp := name(rdn(attribute{o, printable, "Corp Ltd"}), rdn(attribute{cn, printable, "Root CA"}))
	one := func(tag cbasn1.Tag, text string) []byte { return name(rdn(attribute{cn, tag, text})) }
	for _, test := range []struct {
		what string
		a, b []byte
		same bool
	}{
		{"case", corp, name(rdn(attribute{o, printable, "CORP LTD"}), rdn(attribute{cn, printable, "root ca"})), true},
		{"white space", corp, name(rdn(attribute{o, printable, "  Corp   Ltd "}), rdn(attribute{cn, printable, "Root CA"})), true},
		{"no white space", corp, name(rdn(attribute{o, printable, "CorpLtd"}), rdn(attribute{cn, printable, "Root CA"})), false},
		{"string type", corp, name(rdn(attribute{o, utf8Text, "Corp Ltd"}), rdn(attribute{cn, utf8Text, "Root CA"})), true},
		{"BMPString", one(printable, "Root CA"), one(bmp, utf16be("root ca")), true},
		{"order", corp, name(rdn(attribute{cn, printable, "Root CA"}), rdn(attribute{o, printable, "Corp Ltd"})), false},
		{"attribute", one(printable, "x"), name(rdn(attribute{o, printable, "x"})), false},
		{"prefix", corp, name(rdn(attribute{o, printable, "Corp Ltd"})), false},
		{"one relative name of two", corp, name(rdn(attribute{o, printable, "Corp Ltd"}, attribute{cn, printable, "Root CA"})), false},
		{"order within a relative name", name(rdn(attribute{o, printable, "a"}, attribute{cn, printable, "b"})), name(rdn(attribute{cn, printable, "B"}, attribute{o, utf8Text, "A"})), true},
		{"umlaut case", one(utf8Text, "Bücher"), one(utf8Text, "BÜCHER"), true},
		{"composed and decomposed", one(utf8Text, "B\u00fccher"), one(utf8Text, "Bu\u0308cher"), true},
		{"sharp s", one(utf8Text, "Straße"), one(utf8Text, "STRASSE"), true},
		{"soft hyphen", one(utf8Text, "Root\u00ad CA"), one(printable, "Root CA"), true},
		{"no-break space", one(utf8Text, "Root\u00a0CA"), one(printable, "Root CA"), true},
		{"compatibility form", one(utf8Text, "\uff32oot CA"), one(printable, "Root CA"), true},
		{"homograph", one(utf8Text, "R\u043eot CA"), one(printable, "Root CA"), false},
		{"TeletexString, the same", one(teletex, "x"), one(teletex, "x"), true},
		{"TeletexString, case", one(teletex, "x"), one(teletex, "X"), false},
		{"TeletexString and PrintableString", one(teletex, "x"), one(printable, "x"), false},
		{"a value like two", one(utf8Text, "a4:\x55\x04\x03"), one(utf8Text, "a"), false},
		{"broken UTF-8", one(utf8Text, "a\xff"), one(utf8Text, "A\xff"), false},
		{"no name", []byte{0x30}, []byte{0x31}, false},
		{"empty", name(), name(), true},
		{"empty and not", name(), one(printable, "x"), false},
	} {
		if got := trust.SameName(test.a, test.b); got != test.same {
			t.Errorf("%s: %v", test.what, got)
		}
		if got := trust.SameName(test.b, test.a); got != test.same {
			t.Errorf("%s, turned round: %v", test.what, got)
		}
	}
}
