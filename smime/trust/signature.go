package trust

import (
	"crypto/x509"
	"errors"
	"slices"
)

// errWrongSignature says that a key did not make a signature.
var errWrongSignature = errors.New("the signature is not of that key")

// signature says whether a CA's key made the signature of a certificate (RFC 5280 section 6.1.3 (a)(1)), and whether with a
// good algorithm. An error says that the key did not make it, which is no defect of the certificate: another CA of that name
// may have. SHA-1 has been refused by all root programmes since 2017 (RFC 8550 section 4.3 and appendix B call it historic),
// MD5 and MD2 for longer.
func (p *Policy) signature(child, issuer *x509.Certificate) (defect Verdict, err error) {
	err = verifySignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature, issuer)
	switch {
	case errors.As(err, new(x509.InsecureAlgorithmError)):
		return refuse(WeakAlgorithm, "%s is signed with %s", describe(child), child.SignatureAlgorithm), nil
	case errors.Is(err, x509.ErrUnsupportedAlgorithm):
		return refuse(UnsupportedAlgorithm, "%s is signed with an algorithm that is not supported", describe(child)), nil
	case err != nil:
		return Verdict{}, err
	case !p.allowSHA1 && slices.Contains(sha1Algorithms, child.SignatureAlgorithm):
		return refuse(WeakAlgorithm, "%s is signed with %s", describe(child), child.SignatureAlgorithm), nil
	}
	return Verdict{}, nil
}

// verifySignature checks a signature with the key of a certificate, also one for RSASSA-PSS alone, which may not have made
// any other (RFC 4055 section 1.2).
func verifySignature(algorithm x509.SignatureAlgorithm, signed, signature []byte, signer *x509.Certificate) error {
	switch key := publicKey(signer).(type) {
	case pssKey:
		if !slices.Contains(pssAlgorithms, algorithm) {
			return errWrongSignature
		}
		signer = &x509.Certificate{PublicKey: key.PublicKey, PublicKeyAlgorithm: x509.RSA}
	case nil:
		return x509.ErrUnsupportedAlgorithm
	}
	return signer.CheckSignature(algorithm, signed, signature)
}

var (
	sha1Algorithms = []x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}
	pssAlgorithms  = []x509.SignatureAlgorithm{x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS}
)
