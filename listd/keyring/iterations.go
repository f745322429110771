package keyring

import (
	"encoding/asn1"
	"math/big"
)

// maxFileIterations bounds what a file can make us compute for its password:
// programs write 1 to 1,000,000.
const maxFileIterations = 2_000_000

// checkIterations refuses a PKCS#12 or PKCS#8 file with an iteration count
// beyond any real one, before anything is computed. The library has no bound.
// Wherever such a count stands (RFC 7292 section 4 and appendix C, RFC 8018
// appendix A, RFC 9579) it is an INTEGER behind an OCTET STRING, the salt. What
// cannot be read ends the search where the library's reading ends, too; what is
// encrypted twice is not searched. ErrIterations.
func checkIterations(octets []byte) error { return searchIterations(octets, maxBERDepth) }

func searchIterations(b []byte, depth int) error {
	salt := false // the element before may be one
	for len(b) >= 2 && depth > 0 {
		if b[1] == 0x80 && b[0]&0x20 != 0 { // of indefinite length: its elements follow
			b, salt = b[2:], false
			continue
		}
		var e asn1.RawValue
		rest, err := asn1.Unmarshal(b, &e)
		if err != nil {
			return nil
		}
		universal := e.Class == asn1.ClassUniversal
		if salt && universal && e.Tag == asn1.TagInteger && new(big.Int).SetBytes(e.Bytes).Cmp(big.NewInt(maxFileIterations)) > 0 {
			return ErrIterations
		}
		salt = universal && e.Tag == asn1.TagOctetString
		// What is not encrypted may hold the next structure in an octet string.
		if e.IsCompound || len(e.Bytes) > 0 && e.Bytes[0] == 0x30 {
			if err := searchIterations(e.Bytes, depth-1); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}
