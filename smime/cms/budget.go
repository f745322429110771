package cms

import "fmt"

// Limits bound what one message may cost in all its layers together. The zero value of a field
// means the default.
type Limits struct {
	// Octets bounds each CMS object read, and the sum of all decompressed octets. Default 25 MiB.
	Octets int64
	// Depth bounds the nesting of ASN.1 elements. Default 32.
	Depth int
	// Layers bounds the CMS objects read for one message. Default 8.
	Layers int
	// PrivateKeyOps bounds the decryptions and key agreements tried. Default 8.
	PrivateKeyOps int
	// SignerInfos bounds the signatures in all layers. Default 16.
	SignerInfos int
	// Certificates bounds the certificates in all layers, readable or not. Default 64.
	Certificates int
	// Recipients bounds the RecipientInfos in all layers. Default 10,000.
	Recipients int
	// RSABits bounds the modulus of an RSA key used to verify. Default 8192.
	RSABits int
}

// DefaultLimits returns the limits of invariant 9.
func DefaultLimits() Limits {
	return Limits{
		Octets:        25 << 20,
		Depth:         32,
		Layers:        8,
		PrivateKeyOps: 8,
		SignerInfos:   16,
		Certificates:  64,
		Recipients:    10_000,
		RSABits:       8192,
	}
}

// What follows is not worth a setting: no real message comes near.
const (
	maxElements     = 1 << 20  // ASN.1 elements looked at, in all layers
	maxIndefinite   = 1 << 16  // elements of indefinite length among them
	maxCertificate  = 64 << 10 // octets of one certificate
	maxCertificates = 1 << 20  // octets of all certificates
	maxCRLs         = 64       // in all layers
	maxOID          = 128      // octets of an object identifier
	maxAttributes   = 64 << 10 // octets of the attributes of one SignerInfo
	hashedContents  = 8        // the content may be hashed as often as this, in all layers
	maxKeyAttempts  = 32       // signature verifications, in all layers
)

// Budget is what one message may still spend. All layers of a message share one Budget; it is used
// by one goroutine at a time. Its methods return an error that wraps ErrTooLarge once it is spent.
type Budget struct {
	limits   Limits
	layers   int
	keyOps   int
	signers  int
	certs    int
	certSize int
	crls     int
	rcpts    int
	elements int
	indef    int
	verifies int
	inflated int64
	hashed   int64
}

// NewBudget returns a fresh budget for one message. Fields of l that are zero have their default.
func NewBudget(l Limits) *Budget {
	d := DefaultLimits()
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	if l.Octets == 0 {
		l.Octets = d.Octets
	}
	set(&l.Depth, d.Depth)
	set(&l.Layers, d.Layers)
	set(&l.PrivateKeyOps, d.PrivateKeyOps)
	set(&l.SignerInfos, d.SignerInfos)
	set(&l.Certificates, d.Certificates)
	set(&l.Recipients, d.Recipients)
	set(&l.RSABits, d.RSABits)
	return &Budget{limits: l}
}

// Limits returns the limits the budget began with.
func (b *Budget) Limits() Limits { return b.limits }

// Layer spends one layer. Read does so itself; a caller does for layers that are not CMS.
func (b *Budget) Layer() error { return spend(&b.layers, b.limits.Layers, "layers") }

// PrivateKeyOp spends one private-key operation. Decrypt does so itself.
func (b *Budget) PrivateKeyOp() error {
	return spend(&b.keyOps, b.limits.PrivateKeyOps, "private-key operations")
}

func (b *Budget) signerInfo() error {
	return spend(&b.signers, b.limits.SignerInfos, "SignerInfos")
}

func (b *Budget) certificate(size int) error {
	if b.certSize += size; b.certSize > maxCertificates {
		return fmt.Errorf("%w: more than %d octets of certificates", ErrTooLarge, maxCertificates)
	}
	return spend(&b.certs, b.limits.Certificates, "certificates")
}

func (b *Budget) crl() error { return spend(&b.crls, maxCRLs, "CRLs") }

func (b *Budget) recipient() error {
	return spend(&b.rcpts, b.limits.Recipients, "RecipientInfos")
}

func (b *Budget) element() error { return spend(&b.elements, maxElements, "ASN.1 elements") }

func (b *Budget) indefinite() error {
	return spend(&b.indef, maxIndefinite, "elements of indefinite length")
}

func (b *Budget) verify() error {
	return spend(&b.verifies, maxKeyAttempts, "signature verifications")
}

// inflate spends n decompressed octets.
func (b *Budget) inflate(n int64) error {
	if b.inflated += n; b.inflated > b.limits.Octets {
		return fmt.Errorf("%w: more than %d octets decompressed", ErrTooLarge, b.limits.Octets)
	}
	return nil
}

// hash spends one pass of a hash over n octets.
func (b *Budget) hash(n int) error {
	if b.hashed += int64(n); b.hashed > hashedContents*b.limits.Octets {
		return fmt.Errorf("%w: content hashed too often", ErrTooLarge)
	}
	return nil
}

func spend(spent *int, limit int, what string) error {
	if *spent >= limit {
		return fmt.Errorf("%w: more than %d %s", ErrTooLarge, limit, what)
	}
	*spent++
	return nil
}
