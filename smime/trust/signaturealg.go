package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var signatureAlgorithms = []struct {
	oid       asn1.ObjectIdentifier
	algorithm x509.SignatureAlgorithm
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, x509.SHA1WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, x509.SHA256WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, x509.ECDSAWithSHA1},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512},
	{asn1.ObjectIdentifier{1, 3, 101, 112}, x509.PureEd25519},
}

// pssParameters are the RSASSA-PSS parameters that CAs use (RFC 4055 section 3.1): one hash for the digest and MGF1,
// and a salt as long as it. Absent and present hash parameters are both found.
var pssParameters = []struct {
	hash      asn1.ObjectIdentifier
	salt      int
	algorithm x509.SignatureAlgorithm
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, 32, x509.SHA256WithRSAPSS},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, 48, x509.SHA384WithRSAPSS},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, 64, x509.SHA512WithRSAPSS},
}

// signatureAlgorithm reads an AlgorithmIdentifier; what is not known is x509.UnknownSignatureAlgorithm.
func signatureAlgorithm(identifier []byte) x509.SignatureAlgorithm {
	input := cryptobyte.String(identifier)
	var seq cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() || !seq.ReadASN1ObjectIdentifier(&oid) {
		return x509.UnknownSignatureAlgorithm
	}
	if oid.Equal(oidRSASSAPSS) {
		return pssAlgorithm(seq)
	}
	if !seq.Empty() && !bytes.Equal(seq, []byte{5, 0}) {
		return x509.UnknownSignatureAlgorithm
	}
	for _, known := range signatureAlgorithms {
		if oid.Equal(known.oid) {
			return known.algorithm
		}
	}
	return x509.UnknownSignatureAlgorithm
}

func pssAlgorithm(parameters cryptobyte.String) x509.SignatureAlgorithm {
	var seq, hash, mgf, salt, mgfSeq cryptobyte.String
	var mgfOID asn1.ObjectIdentifier
	var length int
	ok := parameters.ReadASN1(&seq, cbasn1.SEQUENCE) && parameters.Empty() &&
		seq.ReadASN1(&hash, constructed(0)) && seq.ReadASN1(&mgf, constructed(1)) &&
		seq.ReadASN1(&salt, constructed(2)) && seq.Empty() && salt.ReadASN1Integer(&length) &&
		mgf.ReadASN1(&mgfSeq, cbasn1.SEQUENCE) && mgfSeq.ReadASN1ObjectIdentifier(&mgfOID) &&
		mgfOID.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8})
	if !ok {
		return x509.UnknownSignatureAlgorithm
	}
	digest, one := hashOID(hash)
	mgfDigest, two := hashOID(mgfSeq)
	for _, known := range pssParameters {
		if one && two && digest.Equal(known.hash) && mgfDigest.Equal(known.hash) && length == known.salt {
			return known.algorithm
		}
	}
	return x509.UnknownSignatureAlgorithm
}

// hashOID reads the AlgorithmIdentifier of a hash, its parameters absent or NULL.
func hashOID(s cryptobyte.String) (oid asn1.ObjectIdentifier, ok bool) {
	var seq cryptobyte.String
	ok = s.ReadASN1(&seq, cbasn1.SEQUENCE) && s.Empty() && seq.ReadASN1ObjectIdentifier(&oid) &&
		(seq.Empty() || bytes.Equal(seq, []byte{5, 0}))
	return oid, ok
}

func isSHA1(a x509.SignatureAlgorithm) bool { return a == x509.SHA1WithRSA || a == x509.ECDSAWithSHA1 }
