package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Context-specific tags.
func tagged(n uint8) cbasn1.Tag      { return cbasn1.Tag(n).ContextSpecific() }
func constructed(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// Bounds of what one certificate or CRL may name.
const (
	maxPoints       = 16
	maxGeneralNames = 16
)

// reasonSet is a set of ReasonFlags (RFC 5280 section 4.2.1.13), bit n for reason n.
type reasonSet uint16

const allReasons reasonSet = 0x1fe // bits 1 to 8; bit 0 is unused

// generalName is a GeneralName in a form that can be compared: its tag and content, or the key of a directoryName.
type generalName struct {
	tag   cbasn1.Tag
	value string
}

// point is a DistributionPoint (RFC 5280 section 4.2.1.13).
type point struct {
	names   []generalName // of distributionPoint, a relative one made whole
	reasons reasonSet
	issuer  []issuerName // cRLIssuer
	foreign bool         // it has a cRLIssuer
}

// issuingPoint is an IssuingDistributionPoint (RFC 5280 section 5.2.5).
type issuingPoint struct {
	names                     []generalName
	onlyUser, onlyCA, onlyAtt bool
	reasons                   reasonSet
	indirect                  bool
}

// readPoints reads CRLDistributionPoints. issuer is who a relative name is relative to, if the point has no cRLIssuer.
func readPoints(value cryptobyte.String, issuer issuerName) ([]point, error) {
	var list cryptobyte.String
	if !value.ReadASN1(&list, cbasn1.SEQUENCE) || !value.Empty() {
		return nil, badCRL("distribution points cannot be read")
	}
	var points []point
	for !list.Empty() && len(points) < maxPoints {
		var seq, name, reasons, crlIssuer cryptobyte.String
		var hasName, hasReasons, hasIssuer bool
		if !list.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadOptionalASN1(&name, &hasName, constructed(0)) ||
			!seq.ReadOptionalASN1(&reasons, &hasReasons, tagged(1)) ||
			!seq.ReadOptionalASN1(&crlIssuer, &hasIssuer, constructed(2)) || !seq.Empty() {
			return nil, badCRL("a distribution point cannot be read")
		}
		p := point{reasons: allReasons, foreign: hasIssuer}
		if hasReasons {
			p.reasons = readReasons(reasons)
		}
		relativeTo := issuer
		if hasIssuer {
			names, err := generalNames(crlIssuer)
			if err != nil {
				return nil, err
			}
			if p.issuer = directoryNames(names); len(p.issuer) > 0 {
				relativeTo = p.issuer[0]
			}
		}
		if hasName {
			var err error
			if p.names, err = readPointName(name, relativeTo); err != nil {
				return nil, err
			}
		}
		points = append(points, p)
	}
	return points, nil
}

func readIssuingPoint(value cryptobyte.String, issuer issuerName) (issuingPoint, error) {
	p := issuingPoint{reasons: allReasons}
	var seq, name, reasons cryptobyte.String
	var hasName, hasReasons bool
	ok := value.ReadASN1(&seq, cbasn1.SEQUENCE) && value.Empty() &&
		seq.ReadOptionalASN1(&name, &hasName, constructed(0)) &&
		optionalBoolean(&seq, 1, &p.onlyUser) && optionalBoolean(&seq, 2, &p.onlyCA) &&
		seq.ReadOptionalASN1(&reasons, &hasReasons, tagged(3)) &&
		optionalBoolean(&seq, 4, &p.indirect) && optionalBoolean(&seq, 5, &p.onlyAtt) && seq.Empty()
	if !ok {
		return p, badCRL("its issuingDistributionPoint cannot be read")
	}
	if hasReasons {
		p.reasons = readReasons(reasons)
	}
	if hasName {
		var err error
		if p.names, err = readPointName(name, issuer); err != nil {
			return p, err
		}
		if len(p.names) == 0 {
			return p, badCRL("its issuingDistributionPoint is empty")
		}
	}
	return p, nil
}

// optionalBoolean reads [tag] IMPLICIT BOOLEAN DEFAULT FALSE.
func optionalBoolean(s *cryptobyte.String, tag uint8, value *bool) bool {
	var octets cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&octets, &present, tagged(tag)) {
		return false
	}
	if present {
		*value = len(octets) == 1 && octets[0] != 0
		return len(octets) == 1
	}
	return true
}

// readReasons reads the content of an IMPLICIT BIT STRING.
func readReasons(bits cryptobyte.String) reasonSet {
	var set reasonSet
	for n := 1; n <= 8; n++ {
		octet := 1 + n/8
		if octet < len(bits) && bits[octet]&(0x80>>(n%8)) != 0 {
			set |= 1 << n
		}
	}
	return set
}

// readPointName reads a DistributionPointName.
func readPointName(value cryptobyte.String, relativeTo issuerName) ([]generalName, error) {
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !value.ReadAnyASN1(&content, &tag) || !value.Empty() {
		return nil, badCRL("the name of a distribution point cannot be read")
	}
	switch tag {
	case constructed(0):
		return generalNames(content)
	case constructed(1):
		rdn, ok := keyOfRDN(content)
		if !ok {
			return nil, badCRL("the relative name of a distribution point cannot be read")
		}
		return []generalName{{tag: constructed(4), value: string(relativeTo) + rdn}}, nil
	}
	return nil, badCRL("the name of a distribution point is of a kind that is not supported")
}

// readGeneralNames reads a GeneralNames with its tag.
func readGeneralNames(value cryptobyte.String) ([]generalName, error) {
	var content cryptobyte.String
	if !value.ReadASN1(&content, cbasn1.SEQUENCE) || !value.Empty() {
		return nil, badCRL("names cannot be read")
	}
	return generalNames(content)
}

func generalNames(content cryptobyte.String) ([]generalName, error) {
	var names []generalName
	for !content.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !content.ReadAnyASN1(&value, &tag) {
			return nil, badCRL("a name cannot be read")
		}
		if len(names) == maxGeneralNames {
			break
		}
		name := generalName{tag: tag, value: string(value)}
		if tag == constructed(4) { // directoryName, explicit because Name is a CHOICE
			key, ok := keyOfName(value)
			if !ok {
				return nil, badCRL("a directory name cannot be read")
			}
			name.value = string(key)
		}
		names = append(names, name)
	}
	return names, nil
}

func directoryNames(names []generalName) []issuerName {
	var keys []issuerName
	for _, n := range names {
		if n.tag == constructed(4) {
			keys = append(keys, issuerName(n.value))
		}
	}
	return keys
}

// urlsOf are the uniformResourceIdentifiers of distribution points, each once, in their order.
func urlsOf(points []point) []string {
	var urls []string
	for _, p := range points {
		for _, n := range p.names {
			if n.tag == tagged(6) && plausibleURL(n.value) && !slices.Contains(urls, n.value) {
				urls = append(urls, n.value)
			}
		}
	}
	return urls
}

// plausibleURL takes what can be asked and shown; whether it can be parsed is found out by who asks.
func plausibleURL(text string) bool {
	return text != "" && len(text) <= 2048 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Where names the places at which a certificate says its revocation can be asked for.
type Where struct {
	CRL   []string // URLs of complete CRLs, in the certificate's order
	Delta []string // URLs of delta CRLs
	OCSP  []string // URLs of OCSP responders
	// Elsewhere tells that the certificate has distribution points, and none of them a URL: a CRL there is, and it
	// cannot be asked for.
	Elsewhere bool
}

// WhereToAsk reads the cRLDistributionPoints, freshestCRL and authorityInfoAccess of a certificate (RFC 5280 sections
// 4.2.1.13, 4.2.1.15 and 4.2.2.1). What cannot be read names no URL.
func WhereToAsk(cert *x509.Certificate) Where {
	var w Where
	if points, err := pointsOf(cert, oidCRLPoints); err == nil {
		w.CRL = urlsOf(points)
	}
	w.Elsewhere = len(w.CRL) == 0 && hasExtension(cert, oidCRLPoints)
	if points, err := pointsOf(cert, oidFreshestCRL); err == nil {
		w.Delta = urlsOf(points)
	}
	for _, u := range cert.OCSPServer {
		if plausibleURL(u) && len(w.OCSP) < maxPoints {
			w.OCSP = append(w.OCSP, u)
		}
	}
	return w
}

// pointsOf reads the distribution points in one extension of a certificate; nil if it has none.
func pointsOf(cert *x509.Certificate, oid asn1.ObjectIdentifier) ([]point, error) {
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
	if i < 0 {
		return nil, nil
	}
	issuer, _ := keyOfName(cert.RawIssuer)
	return readPoints(cert.Extensions[i].Value, issuer)
}
