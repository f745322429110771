package smimetest

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// createX25519 is x509.CreateCertificate for an X25519 key, which that function refuses although the parser takes it. The
// certificate is made for an Ed25519 key, whose SubjectPublicKeyInfo has the same length, then the key is exchanged and the
// certificate signed again.
func createX25519(template, parent *x509.Certificate, public crypto.PublicKey, parentKey crypto.Signer) []byte {
	standIn, _, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, standIn, parentKey)
	must(err)
	var cert struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &cert)
	must(err)
	from, err := x509.MarshalPKIXPublicKey(standIn)
	must(err)
	to, err := x509.MarshalPKIXPublicKey(public)
	must(err)
	tbs := bytes.Replace(cert.TBS.FullBytes, from, to, 1)

	made, err := x509.ParseCertificate(der)
	must(err)
	digest, hash := tbs, crypto.Hash(0)
	switch made.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.ECDSAWithSHA256:
		hash = crypto.SHA256
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	}
	if hash != 0 {
		h := hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	signature, err := parentKey.Sign(rand.Reader, digest, hash)
	must(err)
	cert.TBS = asn1.RawValue{FullBytes: tbs}
	cert.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err = asn1.Marshal(cert)
	must(err)
	return der
}
