package smime

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// SignOptions says who signs and how: Detached makes multipart/signed, which every mail client shows, otherwise the entity becomes
// opaque, which no gateway can break.
type SignOptions = cms.SignOptions

// Sign returns a signed entity with MIME-Version and Content fields; From, To and the others are the caller's to put in front. What is
// signed is the entity in canonical form. A detached signature needs content that no mail system changes on its way: 7-bit, lines of
// at most 998 octets (RFC 8551 section 3.1.3).
func Sign(e *entity.Entity, o SignOptions) (*entity.Entity, error) {
	content := entity.Canonical(e.Octets())
	der, err := cms.Sign(content, o)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if !o.Detached {
		return reparse(append(cmsFields("signed-data", "smime.p7m"), base64Lines(der)...))
	}
	micalg, err := micalg(der, content)
	if err != nil {
		return nil, err
	}
	before, after := around(micalg, der)
	return reparse(slices.Concat(before, content, after))
}

// SignWhole signs an entity whose octets must stay as they are: as multipart/signed where every mail system passes them on unchanged
// (RFC 8551 section 3.1.3), else opaque; lines that end in LF alone stay so.
func SignWhole(e *entity.Entity, o SignOptions) (*entity.Entity, error) {
	canonical := len(entity.Canonical(e.Octets())) == len(e.Octets())
	o.Detached = canonical && travels(e.Octets())
	if canonical {
		return Sign(e, o)
	}
	der, err := cms.Sign(e.Octets(), o)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return reparse(append(cmsFields("signed-data", "smime.p7m"), base64Lines(der)...))
}

// around returns what stands in front of and behind signed content in a multipart/signed (RFC 8551 section 3.5.3.2).
func around(micalg string, der []byte) (before, after []byte) {
	boundary := newBoundary()
	before = fmt.Appendf(nil, "MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"+
		" micalg=%s; boundary=\"%s\"\r\n\r\nThis is a signed message (S/MIME).\r\n--%s\r\n", micalg, boundary, boundary)
	after = fmt.Appendf(nil, "\r\n--%s\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"+
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n", boundary)
	after = append(after, base64Lines(der)...)
	return before, fmt.Appendf(after, "--%s--\r\n", boundary)
}

func reparse(octets []byte) (*entity.Entity, error) {
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return e, nil
}

// micalg reads the signature back, which also shows that it holds, and names its digest (RFC 8551 section 3.5.3.2).
func micalg(der, content []byte) (string, error) {
	b := cms.NewBudget(cms.Limits{Octets: int64(len(der) + len(content) + 1)})
	c, err := cms.Read(der, b)
	if err != nil {
		return "", fmt.Errorf("signing: reading back: %w", err)
	}
	sd, ok := c.(*cms.SignedData)
	if !ok {
		return "", errors.New("signing: reading back: no SignedData")
	}
	signers := sd.Verify(content, nil, cms.VerifyPolicy{}, b)
	if len(signers) != 1 {
		return "", errors.New("signing: reading back: no signature")
	}
	if err := signers[0].Err; err != nil {
		return "", fmt.Errorf("signing: reading back: %w", err)
	}
	return strings.Replace(signers[0].Digest, "sha", "sha-", 1), nil
}

// newBoundary is random, so no content can hold it.
func newBoundary() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand never fails
	return "sealist-" + hex.EncodeToString(b[:])
}

// base64Lines writes base64 in lines of 76 characters, each ending in CRLF.
func base64Lines(octets []byte) []byte {
	const perLine = 57
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(octets))+2*(len(octets)/perLine+1))
	for len(octets) > 0 {
		n := min(perLine, len(octets))
		out = base64.StdEncoding.AppendEncode(out, octets[:n])
		out = append(out, "\r\n"...)
		octets = octets[n:]
	}
	return out
}
