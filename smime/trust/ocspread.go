package trust

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrOCSP says that octets are no OCSP response that can be used.
var ErrOCSP = errors.New("not a usable OCSP response")

func badOCSP(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOCSP, fmt.Sprintf(format, args...))
}

// golang.org/x/crypto/ocsp makes requests; responses are read here, because it compares a CertID's serial number alone,
// looks at one certificate beside the response, whatever it may do, and passes over the response's own extensions.

// ocspResponse is a BasicOCSPResponse (RFC 6960 section 4.2.1). Nobody vouches for it yet.
type ocspResponse struct {
	tbs          []byte
	algorithm    []byte
	signature    []byte
	responder    []byte // a Name, if byName, else the SHA-1 of a key
	byName       bool
	answers      []ocspSingle
	certificates []*x509.Certificate
}

// ocspSingle is a SingleResponse.
type ocspSingle struct {
	hash              crypto.Hash // 0: not known
	nameHash, keyHash []byte
	serial            *big.Int
	state             RevocationState
	reason            revocationReason
	thisUpdate        time.Time
	nextUpdate        time.Time // zero: none
	unusable          error     // an extension forbids to use it
}

// Bounds of one response.
const (
	maxOCSPAnswers      = 64
	maxOCSPCertificates = 8
)

var (
	oidOCSPBasic    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNoCheck  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidOCSPExts     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1} // nonce, CRL reference, archive cutoff, …
	oidOCSPSignedCT = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 5}
)

var ocspHashes = []struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

var ocspErrors = []string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}

func parseOCSP(der []byte) (*ocspResponse, error) {
	input := cryptobyte.String(der)
	var outer, bytes, seq, octets cryptobyte.String
	var status int
	var present bool
	var kind asn1.ObjectIdentifier
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1Enum(&status) {
		return nil, badOCSP("malformed")
	}
	if status != 0 {
		if status > 0 && status < len(ocspErrors) && ocspErrors[status] != "" {
			return nil, badOCSP("the responder says %s", ocspErrors[status])
		}
		return nil, badOCSP("the responder says error %d", status)
	}
	if !outer.ReadOptionalASN1(&bytes, &present, constructed(0)) || !present || !outer.Empty() ||
		!bytes.ReadASN1(&seq, cbasn1.SEQUENCE) || !bytes.Empty() ||
		!seq.ReadASN1ObjectIdentifier(&kind) || !seq.ReadASN1(&octets, cbasn1.OCTET_STRING) || !seq.Empty() {
		return nil, badOCSP("malformed")
	}
	if !kind.Equal(oidOCSPBasic) {
		return nil, badOCSP("a response of the type %v is not supported", kind)
	}
	return parseBasicOCSP(octets)
}

func parseBasicOCSP(input cryptobyte.String) (*ocspResponse, error) {
	r := &ocspResponse{}
	var basic, tbs, tbsElement, algorithm, certs, list cryptobyte.String
	var present bool
	ok := input.ReadASN1(&basic, cbasn1.SEQUENCE) && input.Empty() &&
		basic.ReadASN1Element(&tbsElement, cbasn1.SEQUENCE) && basic.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) &&
		basic.ReadASN1BitStringAsBytes(&r.signature) && basic.ReadOptionalASN1(&certs, &present, constructed(0)) && basic.Empty()
	if !ok {
		return nil, badOCSP("malformed")
	}
	r.tbs, r.algorithm = tbsElement, algorithm
	if present {
		if !certs.ReadASN1(&list, cbasn1.SEQUENCE) || !certs.Empty() {
			return nil, badOCSP("malformed")
		}
		for !list.Empty() && len(r.certificates) < maxOCSPCertificates {
			var der cryptobyte.String
			if !list.ReadASN1Element(&der, cbasn1.SEQUENCE) {
				return nil, badOCSP("malformed")
			}
			if cert, err := x509.ParseCertificate(der); err == nil { // one that cannot be read is none
				r.certificates = append(r.certificates, cert)
			}
		}
	}
	if !tbsElement.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return nil, badOCSP("malformed")
	}
	return r, r.readData(tbs)
}

func (r *ocspResponse) readData(data cryptobyte.String) error {
	var version, responder, answers, extensions cryptobyte.String
	var hasVersion, hasExtensions bool
	var tag cbasn1.Tag
	var produced time.Time
	var v int
	if !data.ReadOptionalASN1(&version, &hasVersion, constructed(0)) ||
		hasVersion && (!version.ReadASN1Integer(&v) || !version.Empty() || v != 0) ||
		!data.ReadAnyASN1(&responder, &tag) {
		return badOCSP("malformed")
	}
	switch tag {
	case constructed(1):
		r.responder, r.byName = responder, true
	case constructed(2):
		var hash cryptobyte.String
		if !responder.ReadASN1(&hash, cbasn1.OCTET_STRING) || !responder.Empty() {
			return badOCSP("malformed")
		}
		r.responder = hash
	default:
		return badOCSP("malformed")
	}
	if !data.ReadASN1GeneralizedTime(&produced) || !data.ReadASN1(&answers, cbasn1.SEQUENCE) ||
		!data.ReadOptionalASN1(&extensions, &hasExtensions, constructed(1)) || !data.Empty() {
		return badOCSP("malformed")
	}
	if hasExtensions {
		if err := ocspExtensions(extensions); err != nil {
			return err
		}
	}
	for !answers.Empty() && len(r.answers) < maxOCSPAnswers {
		var single cryptobyte.String
		if !answers.ReadASN1(&single, cbasn1.SEQUENCE) {
			return badOCSP("malformed")
		}
		a, ok := readOCSPSingle(single)
		if !ok {
			return badOCSP("malformed")
		}
		r.answers = append(r.answers, a)
	}
	return nil
}

func readOCSPSingle(single cryptobyte.String) (a ocspSingle, ok bool) {
	var id, algorithm, nameHash, keyHash, status, next, extensions cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	var hasNext, hasExtensions bool
	a.serial = new(big.Int)
	ok = single.ReadASN1(&id, cbasn1.SEQUENCE) && id.ReadASN1(&algorithm, cbasn1.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&oid) &&
		id.ReadASN1(&nameHash, cbasn1.OCTET_STRING) && id.ReadASN1(&keyHash, cbasn1.OCTET_STRING) && id.ReadASN1Integer(a.serial) && id.Empty() &&
		single.ReadAnyASN1(&status, &tag) && single.ReadASN1GeneralizedTime(&a.thisUpdate) &&
		single.ReadOptionalASN1(&next, &hasNext, constructed(0)) &&
		(!hasNext || next.ReadASN1GeneralizedTime(&a.nextUpdate) && next.Empty()) &&
		single.ReadOptionalASN1(&extensions, &hasExtensions, constructed(1)) && single.Empty()
	if !ok {
		return a, false
	}
	a.nameHash, a.keyHash = nameHash, keyHash
	for _, known := range ocspHashes {
		if oid.Equal(known.oid) {
			a.hash = known.hash
		}
	}
	switch tag {
	case tagged(0):
		a.state = RevocationGood
	case constructed(1):
		a.state = RevocationRevoked
		var reason cryptobyte.String
		var when time.Time
		var hasReason bool
		var code int
		if !status.ReadASN1GeneralizedTime(&when) || !status.ReadOptionalASN1(&reason, &hasReason, constructed(0)) || !status.Empty() ||
			hasReason && (!reason.ReadASN1Enum(&code) || !reason.Empty()) {
			return a, false
		}
		a.reason = revocationReason(min(max(code, 0), 255))
	case tagged(2):
		a.state = RevocationNoAnswer
	default:
		return a, false
	}
	if hasExtensions {
		a.unusable = ocspExtensions(extensions)
	}
	return a, true
}

// ocspExtensions refuses critical extensions that are not known: those of OCSP itself say more about an answer and
// change nothing in it.
func ocspExtensions(explicit cryptobyte.String) error {
	var list cryptobyte.String
	if !explicit.ReadASN1(&list, cbasn1.SEQUENCE) || !explicit.Empty() {
		return badOCSP("malformed")
	}
	err := eachExtension(list, func(id asn1.ObjectIdentifier, critical bool, _ cryptobyte.String) error {
		known := len(id) == len(oidOCSPExts)+1 && id[:len(oidOCSPExts)].Equal(oidOCSPExts) || id.Equal(oidOCSPSignedCT)
		if critical && !known {
			return badOCSP("it has a critical extension that is not supported: %v", id)
		}
		return nil
	})
	if errors.Is(err, ErrCRL) {
		return badOCSP("malformed")
	}
	return err
}
