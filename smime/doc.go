// Package smime reads, judges and writes S/MIME 4.0 messages (RFC 8551) on MIME entities that keep their octets.
//
//   - [Open] walks a message's layers from the outside in: signatures are verified, at most one encryption is opened.
//   - [Authenticate] says whether the message earned an author, and if not, why (invariant 4 without replay).
//   - [Protection] names the header fields that a message protects (RFC 9788); [Authentication.Vouched] those that may be believed.
//   - [Sign] makes multipart/signed and opaque signed entities.
//   - [Sealer] encrypts an entity once and makes any number of copies, each for its own recipients.
//   - [Expand] says what a mail list agent makes of a message (RFC 2634 section 4), and what stops it.
//   - [Inspect] does the first two and reports them as JSON.
//
// It is strict where it protects and lenient where real mail needs it: the CMS content type decides what a layer is, not the
// smime-type parameter, and application/octet-stream with a .p7m name is S/MIME; but only layers in an unbroken run from the
// outside count, only the whole of what arrived or of an outer layer is decrypted, and a signature vouches for the octets that
// stood on the wire.
//
// Decrypted content lives in [entity.Entity] values, whose String, Format and LogValue redact; no error of this package quotes it.
package smime

import (
	"errors"
	"fmt"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

var (
	// ErrDecrypt is the only error of a decryption that failed, whatever the cause (invariant 3). It is also the error of a second
	// encryption inside the first, which is never opened.
	ErrDecrypt = cms.ErrDecrypt
	// ErrMalformed is wrapped by the error of a layer that cannot be read.
	ErrMalformed = errors.New("malformed S/MIME")
	// ErrKeyAway is wrapped by the error of a message that may be opened later: the private key it needs, in a security module, could
	// not be asked now.
	ErrKeyAway = cms.ErrKeyAway
	// ErrTooLarge is wrapped by the error of a message that exceeds a limit of invariant 9.
	ErrTooLarge = errors.New("message exceeds a limit")
)

// named wraps an error of the rooms below in this package's sentinel of the same meaning.
func named(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDecrypt):
		return ErrDecrypt
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrMalformed), errors.Is(err, ErrKeyAway):
		return err
	case errors.Is(err, cms.ErrTooLarge), errors.Is(err, entity.ErrTooLarge):
		return fmt.Errorf("%w: %s: %w", ErrTooLarge, doing, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, doing, err)
}
