package smime_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

// decodeP12 reads a PKCS#12 file also where NSS wrote it, in BER with indefinite lengths, which go-pkcs12 does not take. The
// octets the MAC covers change with that, so the file gets a new MAC; a wrong password shows in the decryption instead.
func decodeP12(t testing.TB, octets []byte, password string) (any, *x509.Certificate) {
	t.Helper()
	key, cert, chain, err := pkcs12.DecodeChain(octets, password)
	if err != nil {
		pfx, rest, e := readBER(octets)
		if e != nil || len(rest) > 0 {
			t.Fatal(e, err)
		}
		safe := pfx.at(1, 1, 0) // version, authSafe { contentType, [0] { OCTET STRING } }, macData
		inner, _, e := readBER(safe.value)
		if e != nil {
			t.Fatal(e)
		}
		safe.value = inner.der()
		pfx.children[2] = pbmac1(safe.value, password)
		if key, cert, chain, err = pkcs12.DecodeChain(pfx.der(), password); err != nil {
			t.Fatal(err)
		}
	}
	// The first certificate need not be the key's.
	public := key.(crypto.Signer).Public().(interface{ Equal(crypto.PublicKey) bool })
	for _, c := range chain {
		if public.Equal(c.PublicKey) {
			cert = c
		}
	}
	return key, cert
}

// pbmac1 is the MacData of RFC 9579.
func pbmac1(content []byte, password string) *node {
	salt := []byte("saltsalt")
	const rounds, length = 1, 32
	key, err := pbkdf2.Key(sha256.New, password, salt, rounds, length)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	number := func(n byte) *node { return &node{tag: []byte{2}, value: []byte{n}} }
	hmacSHA256 := sequence(oidNode(1, 2, 840, 113549, 2, 9), &node{tag: []byte{5}})
	kdf := sequence(oidNode(1, 2, 840, 113549, 1, 5, 12), sequence(octetString(salt), number(rounds), number(length), hmacSHA256))
	algorithm := sequence(oidNode(1, 2, 840, 113549, 1, 5, 14), sequence(kdf, hmacSHA256))
	return sequence(sequence(algorithm, octetString(mac.Sum(nil))), octetString(salt), number(1))
}

var errBER = errors.New("broken BER")

// readBER reads one element with definite or indefinite length; chunked octet strings become one.
func readBER(b []byte) (*node, []byte, error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return nil, nil, errBER
	}
	n := &node{tag: []byte{b[0]}}
	constructed := b[0]&0x20 != 0
	var inner, rest []byte
	switch {
	case b[1] != 0x80:
		var raw asn1.RawValue
		var err error
		// Lengths that are not the shortest are no business of NSS.
		if rest, err = asn1.Unmarshal(b, &raw); err != nil {
			return nil, nil, err
		}
		if inner = raw.Bytes; !constructed {
			n.value = inner
			return n, rest, nil
		}
		for len(inner) > 0 {
			c, after, err := readBER(inner)
			if err != nil {
				return nil, nil, err
			}
			n.children, inner = append(n.children, c), after
		}
	case !constructed:
		return nil, nil, errBER
	default:
		for rest = b[2:]; ; {
			if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
				rest = rest[2:]
				break
			}
			c, after, err := readBER(rest)
			if err != nil {
				return nil, nil, err
			}
			n.children, rest = append(n.children, c), after
		}
	}
	chunked := len(n.children) > 0
	for _, c := range n.children {
		chunked = chunked && c.tag[0] == 4
	}
	if n.tag[0] == 0x24 || n.tag[0] == 0xa0 && chunked && b[1] == 0x80 && len(n.children) != 1 {
		for _, c := range n.children {
			n.value = append(n.value, c.value...)
		}
		n.tag[0], n.children = n.tag[0]&^0x20, nil
	}
	return n, rest, nil
}
