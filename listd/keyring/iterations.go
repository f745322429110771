package keyring

import "math/big"

// maxFileIterations bounds what a file can make us compute for its password:
// programs write 1 to 1,000,000.
const maxFileIterations = 2_000_000

// checkIterations refuses a PKCS#12 or PKCS#8 file with an iteration count
// beyond any real one, before anything is computed. The library has no bound.
// Wherever such a count stands (RFC 7292 section 4 and appendix C, RFC 8018
// appendix A, RFC 9579) it is an INTEGER behind an OCTET STRING, the salt.
// ErrIterations.
func checkIterations(octets []byte) error {
	e, _, err := readElement(octets, maxBERDepth)
	if err != nil {
		return nil // nothing will be computed from it either
	}
	return e.checkIterations(maxBERDepth)
}

func (e element) checkIterations(depth int) error {
	const integer, octetString, context0 = 0x02, 0x04, 0x80
	if depth == 0 {
		return nil
	}
	if e.tag == octetString || e.tag == context0 { // what is not encrypted may hold the next structure
		if inner, rest, err := readElement(e.value, depth-1); err == nil && len(rest) == 0 {
			return inner.checkIterations(depth - 1)
		}
		return nil
	}
	for i, c := range e.children {
		if i > 0 && c.tag == integer && e.children[i-1].tag == octetString && new(big.Int).SetBytes(c.value).Cmp(big.NewInt(maxFileIterations)) > 0 {
			return ErrIterations
		}
		if err := c.checkIterations(depth - 1); err != nil {
			return err
		}
	}
	return nil
}
