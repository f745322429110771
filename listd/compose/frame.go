package compose

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// untouchable says why nothing may be put around the content; "" if it may.
func (p Post) untouchable() string {
	for _, l := range p.Message.Layers {
		switch {
		case l.Type == smime.Signed:
			return "the content is signed"
		case l.Counts && (l.Type == smime.Enveloped || l.Type == smime.AuthEnveloped) && p.Message.Encrypted: // the one that was opened
		default:
			return "the content is no plain MIME"
		}
	}
	content := p.Message.Payload
	if content == nil {
		return "the content cannot be read"
	}
	switch typ, _ := content.MediaType(); {
	case typ == "multipart/signed" || typ == "multipart/encrypted":
		return "the content is signed or encrypted"
	case p.Message.Protection.Kind() != smime.NoHeaderProtection:
		return "the author protects the header"
	case p.List.Agent != list.NoAgent:
		return "a mail list agent signs what it received"
	}
	return ""
}

// frames tells whether the list puts text around the content.
func (p Post) frames() bool {
	return (p.List.Policy.Header != "" || p.List.Policy.Footer != "") && p.untouchable() == ""
}

// framed puts the list's header and footer around the content, where that may
// be: written into a plain text if footer_type says append, else as parts.
func (p Post) framed(content *entity.Entity) (*entity.Entity, error) {
	if !p.frames() {
		return content, nil
	}
	policy := p.List.Policy
	if policy.FooterType == list.FooterAppend {
		if text, ok := plainText(content); ok {
			var b strings.Builder
			for _, part := range []string{policy.Header, text, policy.Footer} {
				if part != "" {
					b.WriteString(strings.TrimRight(part, "\r\n") + "\n")
				}
			}
			return entity.Parse(entity.PlainText(b.String()), entity.DefaultLimits())
		}
	}
	var parts [][]byte
	if policy.Header != "" {
		parts = append(parts, entity.PlainText(policy.Header+"\n"))
	}
	parts = append(parts, content.Octets())
	if policy.Footer != "" {
		parts = append(parts, entity.PlainText(policy.Footer+"\n"))
	}
	return entity.Parse(multipart(p.Stamp.ID, parts), entity.DefaultLimits())
}

// multipart joins parts. The boundary is the same whenever the copy is made
// (invariant 8), and stands in none of them.
func multipart(id string, parts [][]byte) []byte {
	boundary := "=_" + id
	for slices.ContainsFunc(parts, func(part []byte) bool { return bytes.Contains(part, []byte("--"+boundary)) }) {
		boundary += "_"
	}
	var b bytes.Buffer
	b.WriteString("Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\nContent-Transfer-Encoding: " + widest(parts) + "\r\n\r\n")
	for _, part := range parts {
		b.WriteString("--" + boundary + "\r\n")
		b.Write(part)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.Bytes()
}

// widest is the transfer encoding of a multipart of these parts (RFC 2045 section 6.4).
func widest(parts [][]byte) string {
	encoding := "7bit"
	for _, part := range parts {
		if e, err := entity.Parse(part, entity.DefaultLimits()); err == nil {
			if own, err := e.TransferEncoding(); err == nil && own == "binary" {
				return own
			}
		}
		if slices.ContainsFunc(part, func(b byte) bool { return b >= utf8.RuneSelf }) {
			encoding = "8bit"
		}
	}
	return encoding
}

// plainText returns the text of content that is nothing but text to which a
// line can be added: UTF-8 that is not flowed (RFC 3676).
func plainText(content *entity.Entity) (string, bool) {
	typ, params := content.MediaType()
	disposition, _ := content.Disposition()
	charset := strings.ToLower(params["charset"])
	if typ != "text/plain" || disposition == "attachment" || params["format"] != "" || charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return "", false
	}
	octets, err := content.Decoded()
	if err != nil || !utf8.Valid(octets) {
		return "", false
	}
	return strings.ReplaceAll(string(octets), "\r\n", "\n"), true
}

// anonymous tells whether the list hides who writes.
func (p Post) anonymous() bool { return !p.List.Policy.AnonymousSender.IsZero() }

// identified tells whether the content itself names its author in a way that
// cannot be taken out: by a signature, or in header fields within.
func (p Post) identified() bool {
	if p.untouchable() != "" && p.List.Agent == list.NoAgent || vouched(p.Message.Content) {
		return true
	}
	return p.Message.Encrypted && slices.ContainsFunc(p.Message.Payload.Header(), func(f entity.Field) bool { return !structural(f) })
}

// vouched tells whether a signature stands anywhere within MIME parts, of
// OpenPGP (RFC 3156) or S/MIME, or may: what is encrypted or cannot be read is
// taken to hold one.
func vouched(e *entity.Entity) bool {
	switch typ, _ := e.MediaType(); typ {
	case "multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	case "message/rfc822", "message/global":
		octets, err := e.Decoded()
		if err != nil {
			return true
		}
		inner, err := e.Nested(octets)
		return err != nil || vouched(inner)
	}
	if !e.IsMultipart() {
		return false
	}
	parts, err := e.Parts()
	return err != nil || slices.ContainsFunc(parts.Parts, vouched)
}
