package cms

import (
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"time"
)

// VerifyPolicy says which weak algorithms count. The zero value is the strict one.
type VerifyPolicy struct {
	// AllowSHA1 lets SHA-1 digests verify. MD5 never does.
	AllowSHA1 bool
}

// SignerInfo is the result for one SignerInfo of a SignedData. What it says beside Err comes from
// the message, and only Err == nil says that the signer said so.
type SignerInfo struct {
	// ID is the sid.
	ID SignerID
	// Digest and Signature are algorithm names: sha256, rsa-pkcs1, rsa-pss, ecdsa, ed25519, or a
	// dotted object identifier.
	Digest, Signature string
	// SigningTime is what the signer claims, zero where absent. It is never a time to verify at.
	SigningTime time.Time
	// Certificate is the one whose key verified, or that was tried; nil where none was found.
	Certificate *x509.Certificate
	// SignedAttributes are the DER of the SET OF that the signature covers, nil where it covers the
	// content itself. They, and not the signature's octets, tell one signature from another.
	SignedAttributes []byte
	// Capabilities is the DER of the signed SMIMECapabilities, nil where absent.
	Capabilities []byte
	// EncryptionKeyPreference names the certificate the signer wants to be encrypted to.
	EncryptionKeyPreference *CertificateID
	// Err is nil where the mathematics hold. Otherwise errors.Is tells ErrSignerMalformed,
	// ErrUnsupportedAlgorithm, ErrWeakAlgorithm, ErrAltered, ErrNoCertificate and ErrTooLarge.
	Err error
}

// Verify checks each SignerInfo by itself; none is an empty result.
//
// For an opaque signature content is sd.Content or nil. For a detached one it is the octets that
// were signed (none at all are an empty slice, not nil), and then the SignedData must not carry an eContent of its own, or every SignerInfo
// fails: two readers could be shown two contents. The signer's certificate is looked for in the bag
// and then among extra. Each check of a signature is spent from b.
func (sd *SignedData) Verify(content []byte, extra []*x509.Certificate, p VerifyPolicy, b *Budget) []SignerInfo {
	v := verifier{sd: sd, content: content, extra: extra, policy: p, budget: orDefault(b)}
	if content == nil {
		v.content = sd.Content
	}
	infos := make([]SignerInfo, 0, len(sd.signers))
	for i := range sd.signers {
		infos = append(infos, v.signer(&sd.signers[i]))
	}
	return infos
}

// verifier is one call of Verify.
type verifier struct {
	sd      *SignedData
	content []byte
	extra   []*x509.Certificate
	policy  VerifyPolicy
	budget  *Budget
	digests map[crypto.Hash][]byte // of the content
}

func (v *verifier) signer(s *signer) SignerInfo {
	info := SignerInfo{ID: s.id, Digest: s.digest.oid.name()}
	if s.err != nil {
		info.Err = s.err
		return info
	}
	if len(s.signed) > 0 {
		info.SignedAttributes = s.signed[0]
	}
	candidates := v.candidates(s.id)
	if len(candidates) > 0 {
		info.Certificate = candidates[0]
	}
	info.Err = v.check(s, &info, candidates)
	return info
}

// check verifies one signature, the cheap rules first.
func (v *verifier) check(s *signer, info *SignerInfo, candidates []*x509.Certificate) error {
	scheme, err := readScheme(s.signature)
	info.Signature = scheme.name
	if len(s.signed) > 0 {
		if err := s.checkAttributes(info, v.sd.eContentType); err != nil {
			return err
		}
	} else if err := v.checkBareContent(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	hash, err := v.hash(s, scheme)
	if err != nil {
		return err
	}
	if err := v.checkDetached(); err != nil {
		return err
	}
	digest, err := v.digest(hash)
	if err != nil {
		return err
	}
	if len(s.signed) > 0 {
		claimed, _ := s.attribute(oidMessageDigest)
		if subtle.ConstantTimeCompare(claimed.octets(), digest) != 1 {
			return fmt.Errorf("%w: message digest", ErrAltered)
		}
	}
	if len(candidates) == 0 {
		return ErrNoCertificate
	}
	for _, cert := range candidates {
		if err = v.checkWith(cert, s, info, scheme, hash, digest); err == nil {
			info.Certificate = cert
			return nil
		}
		if tooLarge(err) {
			break
		}
	}
	return err
}

// hash says which hash function the signer used. The digestAlgorithm, the signatureAlgorithm and
// PSS must agree (RFC 8933 section 3.1, RFC 4056 section 3, RFC 8419 section 3.1).
func (v *verifier) hash(s *signer, scheme scheme) (crypto.Hash, error) {
	hash := digest(s.digest.oid)
	switch {
	case hash == 0 && weakDigest(s.digest.oid):
		return 0, fmt.Errorf("%w: %s", ErrWeakAlgorithm, s.digest.oid.name())
	case hash == 0:
		return 0, fmt.Errorf("%w: digest %s", ErrUnsupportedAlgorithm, s.digest.oid.name())
	case !s.digest.bare():
		return 0, fmt.Errorf("%w: digest with parameters", ErrSignerMalformed)
	case scheme.hash != 0 && scheme.hash != hash:
		return 0, fmt.Errorf("%w: content and attributes hashed with different functions", ErrSignerMalformed)
	case hash == crypto.MD5, hash == crypto.SHA1 && !v.policy.AllowSHA1:
		return 0, fmt.Errorf("%w: %s", ErrWeakAlgorithm, s.digest.oid.name())
	}
	return hash, nil
}

func weakDigest(o oid) bool { return o == oidMD2 || o == oidMD4 }

// checkDetached refuses a detached signature that brings content of its own.
func (v *verifier) checkDetached() error {
	switch {
	case v.content == nil:
		return fmt.Errorf("%w: no content", ErrAltered)
	case !v.sd.Detached && !sameSlice(v.content, v.sd.Content):
		return fmt.Errorf("%w: content in a detached signature", ErrSignerMalformed)
	}
	return nil
}

func sameSlice(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// checkBareContent judges a signature over the content itself. Only id-data may be signed so
// (RFC 5652 section 5.3), and not if the content could be the signed attributes of another message,
// whose signature would then fit.
func (v *verifier) checkBareContent() error {
	if v.sd.eContentType != oidData {
		return fmt.Errorf("%w: no signed attributes", ErrSignerMalformed)
	}
	if looksLikeAttributes(v.content, v.budget) {
		return fmt.Errorf("%w: the content is a set of attributes", ErrSignerMalformed)
	}
	return nil
}

// looksLikeAttributes tells whether content is, whole, a SET OF attributes that could have been
// signed: SEQUENCEs of an object identifier and a SET, a message digest among them.
func looksLikeAttributes(content []byte, b *Budget) bool {
	if len(content) == 0 || content[0] != tagSet {
		return false
	}
	d := newDocument(content, b)
	root := d.root()
	set := root.take(tagSet, "set")
	if !root.empty() {
		return false
	}
	digests := 0
	for r := set.children(); !r.empty(); {
		if r.take(tagSequence, "attribute").attribute().oid == oidMessageDigest {
			digests++
		}
	}
	return d.err == nil && digests > 0 || tooLarge(d.err)
}

// digest hashes the content, once for each function.
func (v *verifier) digest(h crypto.Hash) ([]byte, error) {
	if d, ok := v.digests[h]; ok {
		return d, nil
	}
	if err := v.budget.hash(len(v.content)); err != nil {
		return nil, err
	}
	if v.digests == nil {
		v.digests = make(map[crypto.Hash][]byte)
	}
	v.digests[h] = sum(h, v.content)
	return v.digests[h], nil
}

// candidates returns the certificates that the id may name. Key identifiers are not unique
// (RFC 8551 section 2.6), so several are tried.
func (v *verifier) candidates(id SignerID) []*x509.Certificate {
	var found []*x509.Certificate
	seen := make(map[string]bool)
	for _, certs := range [][]*x509.Certificate{v.sd.Certificates, v.extra} {
		for _, cert := range certs {
			if id.Matches(cert) && !seen[string(cert.Raw)] {
				seen[string(cert.Raw)] = true
				found = append(found, cert)
			}
		}
	}
	return found
}

// checkWith checks the signature with the key of one certificate.
func (v *verifier) checkWith(cert *x509.Certificate, s *signer, info *SignerInfo, scheme scheme, hash crypto.Hash, digest []byte) error {
	if key, ok := publicKey(cert).(*rsa.PublicKey); ok && key.N.BitLen() > v.budget.limits.RSABits {
		return fmt.Errorf("%w: RSA key of %d bits", ErrTooLarge, key.N.BitLen())
	}
	if err := s.checkCertificate(cert); err != nil {
		return err
	}
	if len(s.signed) == 0 {
		if err := v.spend(scheme); err != nil {
			return err
		}
		return scheme.verify(cert, hash, digest, v.content, s.value)
	}
	var err error
	for _, attributes := range s.signed {
		if err := v.budget.verify(); err != nil {
			return err
		}
		if err = scheme.verify(cert, hash, sum(hash, attributes), attributes, s.value); err == nil {
			info.SignedAttributes = attributes
			return nil
		}
	}
	return err
}

// spend pays for one check of a signature over the content itself; Ed25519 hashes all of it again.
func (v *verifier) spend(scheme scheme) error {
	if scheme.kind == ed25519Scheme {
		if err := v.budget.hash(len(v.content)); err != nil {
			return err
		}
	}
	return v.budget.verify()
}
