package distribute

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// withCertificates puts lists' certificates behind the text of a notice: each
// alone, and with its chain as certs-only (RFC 8551 section 3.8). One that is not
// kept any more is left out.
func (d *Distributor) withCertificates(ctx context.Context, m notice.Message, name string, fingerprints []string) (notice.Message, error) {
	parts := [][]byte{m.Content}
	for _, fingerprint := range fingerprints {
		row, err := d.Store.Key(ctx, fingerprint)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return m, err
		}
		l, err := d.Store.ListByID(ctx, row.List)
		if err != nil {
			return m, err
		}
		bundle, err := pkcs7.DegenerateCertificate(bytes.Join(append([][]byte{row.Certificate}, row.Chain...), nil))
		if err != nil {
			return m, fmt.Errorf("making the p7c: %w", err)
		}
		file := fileName(l)
		parts = append(parts, attachedFile("application/pkix-cert", file+".cer", row.Certificate), // RFC 2585 section 4.1
			attachedFile("application/pkcs7-mime; smime-type=certs-only", file+".p7c", bundle))
	}
	content, err := entity.Parse(compose.Joined(name, parts...), entity.DefaultLimits())
	if err != nil {
		return m, err
	}
	m.Content = content.Octets()
	return m, nil
}

// fileName is a list's name as a file may have it.
func fileName(l list.List) string {
	return string(bytes.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, []byte(l.Name())))
}

// attachedFile is an entity with octets in base64.
func attachedFile(mediaType, name string, octets []byte) []byte {
	out := fmt.Appendf(nil, "Content-Type: %s; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\n", mediaType, name, name)
	text := base64.StdEncoding.EncodeToString(octets)
	for text != "" {
		n := min(76, len(text))
		out = append(append(out, text[:n]...), "\r\n"...)
		text = text[n:]
	}
	return out
}
