package cms

import "fmt"

// Capabilities are what a correspondent says he can read (RFC 8551 section 2.5.2), as far as it
// matters to a writer. They are worth something only from a signature that verified.
type Capabilities struct {
	// Ciphers are the content ciphers that a Sealer can write, in the correspondent's order.
	Ciphers []Cipher
	// OAEP says that RSAES-OAEP is read (RFC 3560 section 5).
	OAEP bool
	// X25519 says that key agreement with HKDF and SHA-256 is read (RFC 8418 section 6).
	X25519 bool
}

// Supports tells whether the cipher is among those announced.
func (c Capabilities) Supports(cipher Cipher) bool {
	for _, known := range c.Ciphers {
		if known == cipher {
			return true
		}
	}
	return false
}

// ParseCapabilities reads the value of an SMIMECapabilities attribute, as SignerInfo.Capabilities
// holds it. What is not known is passed over. The error wraps ErrMalformed or ErrTooLarge.
func ParseCapabilities(der []byte) (Capabilities, error) {
	var c Capabilities
	if len(der) > maxAttributes {
		return c, fmt.Errorf("reading SMIMECapabilities: %w: %d octets", ErrTooLarge, len(der))
	}
	d := newDocument(der, NewBudget(Limits{}))
	for r := d.root().take(tagSequence, "SMIMECapabilities").children(); !r.empty(); {
		switch r.take(tagSequence, "SMIMECapability").children().take(tagOID, "capability").oid() {
		case oidAES256CBC:
			c.add(AES256CBC)
		case oidAES128CBC:
			c.add(AES128CBC)
		case oidAES256GCM:
			c.add(AES256GCM)
		case oidAES128GCM:
			c.add(AES128GCM)
		case oidOAEP:
			c.OAEP = true
		case oidHKDFSHA256:
			c.X25519 = true
		}
	}
	if d.err != nil {
		return Capabilities{}, fmt.Errorf("reading SMIMECapabilities: %w", d.err)
	}
	return c, nil
}

func (c *Capabilities) add(cipher Cipher) {
	if !c.Supports(cipher) {
		c.Ciphers = append(c.Ciphers, cipher)
	}
}

// ownCapabilities is the DER of what this package reads: ciphers alone, because how keys are wrapped
// follows from the certificate.
func ownCapabilities() []byte {
	var list [][]byte
	for _, o := range []oid{oidAES256GCM, oidAES128GCM, oidAES256CBC, oidAES192CBC, oidAES128CBC} {
		list = append(list, encode(tagSequence, o.der()))
	}
	return encode(tagSequence, list...)
}
