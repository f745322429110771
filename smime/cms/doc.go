// Package cms reads and writes the Cryptographic Message Syntax as S/MIME 4.0 uses it.
//
// It knows SignedData (RFC 5652), EnvelopedData (RFC 5652), AuthEnvelopedData (RFC 5083) and
// CompressedData (RFC 3274), with the algorithms of RFC 8551 and what real mail still carries.
//
// # Reading
//
// [Read] takes octets nobody vouches for. It accepts BER as well as DER, in linear time, on a stack
// that does not grow with the input, and allocates nothing that a length field decides. Everything
// one message may cost stands in one [Budget], which all layers of that message share.
// Structure errors are [ErrMalformed]; more than the budget allows is [ErrTooLarge].
//
// [SignedData.Verify] gives a result per SignerInfo: the mathematics of the signature, and no
// opinion about the certificate. Paths, dates, key usage and addresses belong to the caller.
//
// [EnvelopedData.Decrypt] and [AuthEnvelopedData.Decrypt] have one error, [ErrDecrypt], whatever
// went wrong, and do similar work on each way to it (RFC 3218).
//
// # Writing
//
// A [Sealer] encrypts one content once; [Sealer.Seal] then makes any number of copies, each its own
// CMS message for its own recipients, at the cost of the public-key operation alone.
// [Sign] makes detached and opaque signatures with any crypto.Signer.
package cms
