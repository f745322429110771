package cms

import (
	"fmt"
	"io"
	"log/slog"
)

// What holds a key or content shows nothing of it, however it is printed: fmt asks Format for every
// verb, slog asks LogValue.

// String tells the cipher and the size.
func (s *Sealer) String() string {
	return fmt.Sprintf("sealer(%s, %d octets)", s.cipher, len(s.suffix))
}

// Format writes String for every verb.
func (s *Sealer) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue returns String.
func (s *Sealer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String tells whose key it is.
func (k Key) String() string {
	if k.Certificate == nil {
		return "private key"
	}
	return fmt.Sprintf("private key of %s", CertificateID{Issuer: k.Certificate.RawIssuer, Serial: k.Certificate.SerialNumber})
}

// Format writes String for every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText writes String, so that JSON shows no more.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String tells nothing.
func (ContentKey) String() string { return "content-encryption key" }

// Format writes String for every verb.
func (k ContentKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns String.
func (k ContentKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText writes String, so that JSON shows no more.
func (k ContentKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String tells the size of the content.
func (o Opened) String() string { return fmt.Sprintf("opened content of %d octets", len(o.Content)) }

// Format writes String for every verb.
func (o Opened) Format(f fmt.State, _ rune) { io.WriteString(f, o.String()) }

// LogValue returns String.
func (o Opened) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText writes String, so that JSON shows no more.
func (o Opened) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
