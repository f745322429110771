package cms

import (
	"bytes"
	"compress/zlib"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
)

// CompressedData is RFC 3274.
type CompressedData struct {
	// ContentTypeOID is the type that the compressed content is said to have: id-data for S/MIME.
	ContentTypeOID asn1.ObjectIdentifier
	// Algorithm is "zlib" or a dotted object identifier.
	Algorithm string
	content   []byte
}

// ContentType returns id-ct-compressedData.
func (cd *CompressedData) ContentType() asn1.ObjectIdentifier { return oidCompressedData.public() }

func readCompressedData(r *reader) Content {
	cd := &CompressedData{}
	r.version()
	a := r.algorithm("compressionAlgorithm")
	cd.Algorithm = a.oid.name()
	var contentType oid
	contentType, cd.content = r.take(tagSequence, "encapContentInfo").children().encapsulated()
	cd.ContentTypeOID = contentType.public()
	return cd
}

// Decompress returns the content. Its octets are spent from b, which decides before anything is
// allocated for them: the data is inflated twice, once to count. Errors wrap ErrMalformed,
// ErrUnsupportedAlgorithm or ErrTooLarge.
func (cd *CompressedData) Decompress(b *Budget) ([]byte, error) {
	b = orDefault(b)
	if cd.Algorithm != oidZlib.name() {
		return nil, fmt.Errorf("decompressing: %w: %s", ErrUnsupportedAlgorithm, cd.Algorithm)
	}
	left := b.limits.Octets - b.inflated
	n, err := cd.inflate(io.Discard, left)
	if spent := b.inflate(n); spent != nil {
		return nil, fmt.Errorf("decompressing: %w", spent)
	}
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w: %w", ErrMalformed, err)
	}
	out := bytes.NewBuffer(make([]byte, 0, n))
	if _, err := cd.inflate(out, n); err != nil {
		return nil, fmt.Errorf("decompressing: %w: %w", ErrMalformed, err)
	}
	return out.Bytes(), nil
}

var errMore = errors.New("more data")

// inflate writes at most limit octets, and reports one more if there are more.
func (cd *CompressedData) inflate(w io.Writer, limit int64) (int64, error) {
	z, err := zlib.NewReader(bytes.NewReader(cd.content))
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(z, limit))
	if err != nil {
		return n, err
	}
	var one [1]byte
	switch _, err := io.ReadFull(z, one[:]); err {
	case io.EOF:
		return n, nil
	case nil:
		return n + 1, errMore
	default:
		return n, err
	}
}
