package trust

import (
	"encoding/asn1"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// issuerName is a distinguished name in a form that can be compared as RFC 5280 section 7.1 wants it: equal names have
// equal keys, whatever the string type, the case and the white space of their attributes.
type issuerName string

// keyOfName makes the key of a DER Name. It is made of one part an RDN, so that a key and the key of a further RDN, end
// to end, are the key of the longer name.
func keyOfName(name []byte) (issuerName, bool) {
	input := cryptobyte.String(name)
	var rdns cryptobyte.String
	if !input.ReadASN1(&rdns, cbasn1.SEQUENCE) || !input.Empty() {
		return "", false
	}
	var b strings.Builder
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return "", false
		}
		rdn, ok := keyOfRDN(set)
		if !ok {
			return "", false
		}
		b.WriteString(rdn)
	}
	return issuerName(b.String()), true
}

// keyOfRDN makes the part of one RDN from the content of its SET. Every piece stands behind its length, so that no
// value can pretend to be two.
func keyOfRDN(set cryptobyte.String) (string, bool) {
	var b cryptobyte.Builder
	for !set.Empty() {
		var attribute, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return "", false
		}
		text, isText := directoryString(tag, value)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(oid.String())) })
		if isText {
			b.AddUint8(0)
			b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(fold(text))) })
		} else {
			b.AddUint8(uint8(tag))
			b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(value) })
		}
	}
	rdn, err := b.Bytes()
	if err != nil {
		return "", false
	}
	var whole cryptobyte.Builder
	whole.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(rdn) })
	octets, err := whole.Bytes()
	return string(octets), err == nil
}

// directoryString reads the string types in which names are written.
func directoryString(tag cbasn1.Tag, value []byte) (string, bool) {
	switch tag {
	case cbasn1.PrintableString, cbasn1.IA5String, cbasn1.UTF8String:
		return string(value), utf8.Valid(value)
	case cbasn1.Tag(30): // BMPString
		if len(value)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}

// fold is the string preparation of RFC 4518 as far as names of authorities need it: case and white space.
func fold(text string) string {
	return strings.ToLower(strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " "))
}
