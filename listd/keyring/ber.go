package keyring

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// QUIRK: Firefox, Thunderbird (NSS) and Bouncy Castle write PKCS#12 in BER with
// indefinite lengths, which the library does not read. Such a file is written
// anew in DER. The octets that its MAC covers change with that, so it gets a
// new one; that the password is right shows when the contents are decrypted.

// errBER says that octets are not BER that a PKCS#12 file can hold.
var errBER = errors.New("neither DER nor BER")

// maxBERDepth bounds the nesting; real files have about a dozen levels.
const maxBERDepth = 32

// macData and what is in it: RFC 7292 section 4, RFC 9579 (PBMAC1).
type macData struct {
	Digest     digestInfo
	Salt       []byte
	Iterations int
}

type digestInfo struct {
	Algorithm algorithm[pbmac1]
	Digest    []byte
}

type pbmac1 struct {
	Derivation algorithm[pbmac1Derivation]
	Scheme     pkix.AlgorithmIdentifier
}

type pbmac1Derivation struct {
	Salt       []byte
	Iterations int
	Length     int
	PRF        pkix.AlgorithmIdentifier
}

var oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}

// pfx is RFC 7292 section 4.
type pfx struct {
	Version  int
	AuthSafe authSafe
	MacData  macData
}

// authSafe is a ContentInfo of type id-data.
type authSafe struct {
	ContentType asn1.ObjectIdentifier
	Content     []byte `asn1:"explicit,tag:0"`
}

// pkcs12DER writes a PKCS#12 file in BER anew in DER, under the same password.
func pkcs12DER(octets []byte, password string) ([]byte, error) {
	der, rest, err := toDER(octets, maxBERDepth)
	if err != nil || len(rest) > 0 {
		return nil, errBER
	}
	var outer struct {
		Version  int
		AuthSafe authSafe
		MacData  asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, errBER
	}
	content, rest, err := toDER(outer.AuthSafe.Content, maxBERDepth)
	if err != nil || len(rest) > 0 {
		return nil, errBER
	}
	outer.AuthSafe.Content = content
	mac, err := newMAC(content, password)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(pfx{Version: outer.Version, AuthSafe: outer.AuthSafe, MacData: mac})
}

// newMAC is a MAC over content with one iteration: it never leaves the process.
func newMAC(content []byte, password string) (macData, error) {
	salt := random(8)
	key, err := pbkdf2.Key(sha256.New, password, salt, 1, sha256.Size)
	if err != nil {
		return macData{}, err
	}
	h := hmac.New(sha256.New, key)
	h.Write(content)
	prf := pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue}
	return macData{
		Digest: digestInfo{
			Algorithm: algorithm[pbmac1]{OID: oidPBMAC1, Parameters: pbmac1{
				Derivation: algorithm[pbmac1Derivation]{OID: oidPBKDF2, Parameters: pbmac1Derivation{
					Salt: salt, Iterations: 1, Length: sha256.Size, PRF: prf,
				}},
				Scheme: prf,
			}},
			Digest: h.Sum(nil),
		},
		Salt: salt, Iterations: 1,
	}, nil
}

// element is one element of BER: its first octet, and what it holds.
type element struct {
	tag      byte
	value    []byte // of a primitive
	children []element
}

// toDER writes the first element of octets in DER and returns what follows it.
// Octet strings in pieces become whole, also where an implicit tag hides that
// they are octet strings: nothing else in the file consists of octet strings.
func toDER(octets []byte, depth int) (der, rest []byte, err error) {
	e, rest, err := readElement(octets, depth)
	if err != nil {
		return nil, nil, err
	}
	return e.der(), rest, nil
}

// readElement reads one element of definite or indefinite length.
func readElement(b []byte, depth int) (element, []byte, error) {
	if depth == 0 || len(b) < 2 || b[0]&0x1f == 0x1f {
		return element{}, nil, errBER
	}
	e := element{tag: b[0]}
	constructed := b[0]&0x20 != 0
	indefinite := b[1] == 0x80
	var inner, rest []byte
	if indefinite {
		inner = b[2:]
	} else {
		var raw asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(b, &raw); err != nil {
			return element{}, nil, errBER
		}
		inner = raw.Bytes
	}
	switch {
	case indefinite && !constructed:
		return element{}, nil, errBER
	case !constructed:
		e.value = inner
		return e, rest, nil
	}
	for len(inner) > 0 || indefinite {
		if indefinite && len(inner) >= 2 && inner[0] == 0 && inner[1] == 0 {
			rest = inner[2:]
			break
		}
		child, after, err := readElement(inner, depth-1)
		if err != nil {
			return element{}, nil, err
		}
		e.children, inner = append(e.children, child), after
	}
	e.join(indefinite)
	return e, rest, nil
}

// join makes one octet string of pieces. An explicit [0] around a single octet
// string looks like an implicit one in one piece; it stays.
func (e *element) join(indefinite bool) {
	const octetString, constructedOctetString, context0 = 0x04, 0x24, 0xa0
	for _, c := range e.children {
		if c.tag != octetString {
			return
		}
	}
	pieces := e.tag == constructedOctetString || e.tag == context0 && indefinite && len(e.children) > 1
	if !pieces {
		return
	}
	for _, c := range e.children {
		e.value = append(e.value, c.value...)
	}
	e.tag, e.children = e.tag&^0x20, nil
}

// der writes the element with definite lengths.
func (e element) der() []byte {
	value := e.value
	for _, c := range e.children {
		value = append(value, c.der()...)
	}
	// asn1.Marshal writes the shortest length; the tag octet is put back behind it.
	out, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagOctetString, Bytes: value})
	out[0] = e.tag
	return out
}
