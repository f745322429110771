package cms

import "errors"

// Errors of reading. They are wrapped with what was being read.
var (
	// ErrMalformed says that the octets are not the CMS structure they claim to be.
	ErrMalformed = errors.New("cms: malformed")
	// ErrTooLarge says that the message would cost more than its Budget allows.
	ErrTooLarge = errors.New("cms: too large")
)

// ErrDecrypt is the only error of a decryption that failed: no key fits, an algorithm is not
// supported or not allowed, the key did not unwrap, the padding or the tag is wrong. It is returned
// bare, because whoever can tell these apart can decrypt without the key (RFC 3218, EFAIL).
var ErrDecrypt = errors.New("cms: cannot be decrypted")

// ErrKeyAway is wrapped by a private key's own errors to say that the key could not be asked, whatever
// it would have been asked: its token is not there, its session is lost. It must not depend on the
// message. A decryption that no other key made good then has an error that wraps it in place of
// ErrDecrypt, and goes well when it is tried again later.
var ErrKeyAway = errors.New("cms: the private key cannot be reached now")

// Why a SignerInfo does not verify, for errors.Is on SignerInfo.Err.
var (
	// ErrAltered: the digest or the signature does not fit the content, the attributes or the key.
	ErrAltered = errors.New("cms: content or signature altered")
	// ErrUnsupportedAlgorithm: a digest, signature algorithm or key this package does not know.
	ErrUnsupportedAlgorithm = errors.New("cms: unsupported algorithm")
	// ErrWeakAlgorithm: a digest that policy refuses, SHA-1 or MD5, or RSA under 1024 bits.
	ErrWeakAlgorithm = errors.New("cms: weak algorithm")
	// ErrSignerMalformed: the SignerInfo breaks a rule of RFC 5652 or of an attribute's RFC.
	ErrSignerMalformed = errors.New("cms: malformed SignerInfo")
	// ErrNoCertificate: neither the message nor the caller has the signer's certificate.
	ErrNoCertificate = errors.New("cms: signer's certificate not found")
)
