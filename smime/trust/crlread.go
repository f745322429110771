package trust

import (
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrCRL says that octets are no CRL that can be used: malformed, or with a critical extension that is not known here.
var ErrCRL = errors.New("not a usable CRL")

func badCRL(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCRL, fmt.Sprintf(format, args...))
}

// CRL is a certificate revocation list as it was read (RFC 5280 section 5). Nobody vouches for it before Verify. It is
// safe for concurrent use.
type CRL struct {
	ThisUpdate time.Time
	NextUpdate time.Time // zero: it names none
	Number     *big.Int  // nil: it has none
	Base       *big.Int  // of a delta CRL the number of the CRL it builds on; nil: it is a complete one

	// Freshest are the URLs at which the CRL says its delta CRLs are.
	Freshest []string

	issuer    issuerName
	keyID     []byte // authorityKeyIdentifier
	idp       issuingPoint
	hasIDP    bool
	indirect  bool
	revoked   map[string]revocationReason
	size      int
	tbs       []byte
	algorithm []byte
	signature []byte

	mu       sync.Mutex
	verified map[[sha256.Size]byte]error // by the signer's name and key
}

// revocationReason is a reasonCode (RFC 5280 section 5.3.1).
type revocationReason byte

const removeFromCRL revocationReason = 8

var revocationReasons = []string{"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
	"cessationOfOperation", "certificateHold", "reason 7", "removeFromCRL", "privilegeWithdrawn", "aACompromise"}

func (r revocationReason) String() string {
	if int(r) < len(revocationReasons) {
		return revocationReasons[r]
	}
	return fmt.Sprintf("reason %d", int(r))
}

// Entries is how many certificates the list names, and Size how many octets it has.
func (c *CRL) Entries() int { return len(c.revoked) }

// Size is how many octets the list has.
func (c *CRL) Size() int { return c.size }

// ParseCRL reads a CRL in DER. Its entries become a map once, so that asking for one costs the same however long it is.
// A critical extension that is not known, of the list or of an entry, makes the whole list unusable (RFC 5280 sections
// 5.2 and 5.3). Errors wrap ErrCRL. The octets are not kept.
func ParseCRL(der []byte) (*CRL, error) {
	// One copy as a string: serial numbers become parts of it, without an allocation each.
	text := string(der)
	input := cryptobyte.String(der)
	var list, tbs, tbsElement, algorithm cryptobyte.String
	var signature []byte
	if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() ||
		!list.ReadASN1Element(&tbsElement, cbasn1.SEQUENCE) ||
		!list.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!list.ReadASN1BitStringAsBytes(&signature) || !list.Empty() {
		return nil, badCRL("malformed")
	}
	c := &CRL{size: len(der), verified: map[[sha256.Size]byte]error{},
		tbs: clone(tbsElement), algorithm: clone(algorithm), signature: clone(signature)}
	if !tbsElement.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return nil, badCRL("malformed")
	}
	r := crlReader{crl: c, text: text, der: der}
	return c, r.read(tbs)
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

type crlReader struct {
	crl  *CRL
	text string
	der  []byte
	v2   bool
}

func (r *crlReader) read(tbs cryptobyte.String) error {
	c := r.crl
	if tbs.PeekASN1Tag(cbasn1.INTEGER) {
		var version int
		if !tbs.ReadASN1Integer(&version) || version != 1 { // v1 is said by silence (RFC 5280 section 5.1.2.1)
			return badCRL("its version is not supported")
		}
		r.v2 = true
	}
	var algorithm, issuer cryptobyte.String
	if !tbs.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) {
		return badCRL("malformed")
	}
	if string(algorithm) != string(c.algorithm) {
		return badCRL("it names two signature algorithms") // RFC 5280 section 5.1.1.2
	}
	var ok bool
	if c.issuer, ok = keyOfName(issuer); !ok {
		return badCRL("its issuer cannot be read")
	}
	if c.ThisUpdate, ok = readTime(&tbs); !ok {
		return badCRL("its thisUpdate cannot be read")
	}
	if tbs.PeekASN1Tag(cbasn1.UTCTime) || tbs.PeekASN1Tag(cbasn1.GeneralizedTime) {
		if c.NextUpdate, ok = readTime(&tbs); !ok {
			return badCRL("its nextUpdate cannot be read")
		}
	}
	var entries cryptobyte.String
	if tbs.PeekASN1Tag(cbasn1.SEQUENCE) && !tbs.ReadASN1(&entries, cbasn1.SEQUENCE) {
		return badCRL("its entries cannot be read")
	}
	if err := r.extensions(&tbs); err != nil {
		return err
	}
	if !tbs.Empty() {
		return badCRL("something stands behind it")
	}
	return r.entries(entries)
}

var (
	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode        = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidDeltaCRLIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingPoint      = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidCRLPoints         = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidFreshestCRL       = asn1.ObjectIdentifier{2, 5, 29, 46}
)

// extensions reads crlExtensions.
func (r *crlReader) extensions(tbs *cryptobyte.String) error {
	var all, list cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&all, &present, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return badCRL("its extensions cannot be read")
	}
	if !present {
		return nil
	}
	if !r.v2 {
		return badCRL("it has extensions although it is of version 1")
	}
	if !all.ReadASN1(&list, cbasn1.SEQUENCE) || !all.Empty() {
		return badCRL("its extensions cannot be read")
	}
	return eachExtension(list, r.extension)
}

func (r *crlReader) extension(id asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
	c := r.crl
	switch {
	case id.Equal(oidCRLNumber):
		c.Number = new(big.Int)
		if !value.ReadASN1Integer(c.Number) || !value.Empty() {
			return badCRL("its cRLNumber cannot be read")
		}
	case id.Equal(oidDeltaCRLIndicator):
		c.Base = new(big.Int)
		if !value.ReadASN1Integer(c.Base) || !value.Empty() {
			return badCRL("its deltaCRLIndicator cannot be read")
		}
	case id.Equal(oidIssuingPoint):
		point, err := readIssuingPoint(value, c.issuer)
		if err != nil {
			return err
		}
		c.idp, c.hasIDP, c.indirect = point, true, point.indirect
	case id.Equal(oidAuthorityKeyID):
		var seq, keyID cryptobyte.String
		if !value.ReadASN1(&seq, cbasn1.SEQUENCE) || !value.Empty() {
			return badCRL("its authorityKeyIdentifier cannot be read")
		}
		if seq.ReadOptionalASN1(&keyID, nil, cbasn1.Tag(0).ContextSpecific()) {
			c.keyID = clone(keyID)
		}
	case id.Equal(oidFreshestCRL):
		points, err := readPoints(value, c.issuer)
		if err != nil {
			return err
		}
		c.Freshest = urlsOf(points)
	case critical:
		return badCRL("it has a critical extension that is not supported: %v", id)
	}
	return nil
}

// entries reads revokedCertificates. An entry of an indirect CRL belongs to the certificate issuer named last before it
// (RFC 5280 section 5.3.3).
func (r *crlReader) entries(list cryptobyte.String) error {
	c := r.crl
	c.revoked = make(map[string]revocationReason, len(list)/40)
	issuer := c.issuer
	for !list.Empty() {
		var entry, serial cryptobyte.String
		if !list.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1(&serial, cbasn1.INTEGER) || len(serial) == 0 || !skipTime(&entry) {
			return badCRL("an entry cannot be read")
		}
		reason := revocationReason(0)
		if !entry.Empty() {
			var extensions cryptobyte.String
			if !r.v2 || !entry.ReadASN1(&extensions, cbasn1.SEQUENCE) || !entry.Empty() {
				return badCRL("an entry cannot be read")
			}
			if err := r.entryExtensions(extensions, &reason, &issuer); err != nil {
				return err
			}
		}
		key := r.substring(serial)
		if issuer != c.issuer {
			key = foreignEntry(issuer, key)
		}
		if old, twice := c.revoked[key]; !twice || old == removeFromCRL {
			c.revoked[key] = reason
		}
	}
	return nil
}

func (r *crlReader) entryExtensions(list cryptobyte.String, reason *revocationReason, issuer *issuerName) error {
	return eachExtension(list, func(id asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
		switch {
		case id.Equal(oidReasonCode):
			var code int
			if !value.ReadASN1Enum(&code) || !value.Empty() || code < 0 || code > 255 {
				return badCRL("a reasonCode cannot be read")
			}
			*reason = revocationReason(code)
		case id.Equal(oidCertificateIssuer):
			names, err := readGeneralNames(value)
			if err != nil {
				return err
			}
			directory := directoryNames(names)
			if !r.crl.indirect || len(directory) != 1 {
				return badCRL("an entry's certificateIssuer is not supported here")
			}
			*issuer = directory[0]
		case critical:
			return badCRL("an entry has a critical extension that is not supported: %v", id)
		}
		return nil
	})
}

// substring is a serial number, with redundant leading octets taken away, as a part of the one copy of the list.
func (r *crlReader) substring(serial cryptobyte.String) string {
	short := minimal(serial)
	end := cap(r.der) - cap(short) + len(short) // both end where the list's array ends
	return r.text[end-len(short) : end]
}

func foreignEntry(issuer issuerName, serial string) string { return string(issuer) + "\x00" + serial }

// minimal takes away octets that an INTEGER has too many: who writes them must not thereby keep a certificate off the
// list.
func minimal(integer []byte) []byte {
	for len(integer) > 1 && (integer[0] == 0 && integer[1] < 0x80 || integer[0] == 0xff && integer[1] >= 0x80) {
		integer = integer[1:]
	}
	return integer
}

// serialKey is a serial number as entries has it.
func serialKey(serial *big.Int) string {
	der, err := asn1.Marshal(serial)
	if err != nil {
		return ""
	}
	var content cryptobyte.String
	input := cryptobyte.String(der)
	input.ReadASN1(&content, cbasn1.INTEGER)
	return string(content)
}

// eachExtension calls f for each of a list of extensions. One that comes twice is an error (RFC 5280 section 4.2).
func eachExtension(list cryptobyte.String, f func(asn1.ObjectIdentifier, bool, cryptobyte.String) error) error {
	var seen []string
	for !list.Empty() {
		var extension, value cryptobyte.String
		var id asn1.ObjectIdentifier
		critical := false
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&id) ||
			extension.PeekASN1Tag(cbasn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return badCRL("an extension cannot be read")
		}
		for _, s := range seen {
			if s == id.String() {
				return badCRL("the extension %v stands there twice", id)
			}
		}
		if seen = append(seen, id.String()); len(seen) > 32 {
			return badCRL("there are more than 32 extensions")
		}
		if err := f(id, critical, value); err != nil {
			return err
		}
	}
	return nil
}

// readTime reads a Time: UTCTime or GeneralizedTime.
func readTime(s *cryptobyte.String) (time.Time, bool) {
	var t time.Time
	if s.PeekASN1Tag(cbasn1.UTCTime) {
		return t, s.ReadASN1UTCTime(&t)
	}
	return t, s.ReadASN1GeneralizedTime(&t)
}

// skipTime passes over a revocationDate: a certificate on the list is revoked, whenever that was.
func skipTime(s *cryptobyte.String) bool {
	return s.SkipASN1(cbasn1.UTCTime) || s.SkipASN1(cbasn1.GeneralizedTime)
}
