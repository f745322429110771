package peer

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"testing"
)

// Credential is a person's certificate and private key, as the tools take them.
type Credential struct {
	Certificate []byte   // PEM or DER
	Key         []byte   // PKCS#8, PEM or DER
	Chain       [][]byte // CA certificates that go along, PEM or DER
}

// asPEM returns octets as PEM; they are DER of the given kind unless they are PEM already.
func asPEM(octets []byte, kind string) []byte {
	if bytes.HasPrefix(octets, []byte("-----BEGIN")) {
		return octets
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: octets})
}

func certificatePEM(certificates ...[]byte) []byte {
	var all bytes.Buffer
	for _, c := range certificates {
		all.Write(bytes.TrimRight(asPEM(c, "CERTIFICATE"), "\n"))
		all.WriteByte('\n')
	}
	return all.Bytes()
}

// files writes a credential into dir and returns the two paths.
func (c Credential) files(tb testing.TB, dir string) (certificate, key string) {
	tb.Helper()
	return write(tb, dir, "credential.crt", certificatePEM(c.Certificate)), write(tb, dir, "credential.key", asPEM(c.Key, "PRIVATE KEY"))
}

// isRSA says whether a PKCS#8 private key is one of RSA.
func isRSA(pkcs8 []byte) bool {
	block, _ := pem.Decode(asPEM(pkcs8, "PRIVATE KEY"))
	if block == nil {
		return false
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	_, ok := key.(*rsa.PrivateKey)
	return err == nil && ok
}

// isDER tells a bare CMS object from a message: no header begins with "0" and an octet over 127.
func isDER(octets []byte) bool { return len(octets) > 1 && octets[0] == 0x30 && octets[1] >= 0x80 }

// Body returns the CMS object of a message or entity whose Content-Type is application/pkcs7-mime or
// application/pkcs7-signature in base64. It reads strictly, as the oldest clients do, and shares no code with Sealist.
func Body(message []byte) ([]byte, error) {
	if isDER(message) {
		return message, nil
	}
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	switch typ, _, err := mime.ParseMediaType(m.Header.Get("Content-Type")); {
	case err != nil:
		return nil, fmt.Errorf("read Content-Type: %w", err)
	case typ != "application/pkcs7-mime" && typ != "application/x-pkcs7-mime" && typ != "application/pkcs7-signature" && typ != "application/x-pkcs7-signature":
		return nil, fmt.Errorf("the message is %s, not a CMS object", typ)
	}
	var text bytes.Buffer
	lines := bufio.NewScanner(m.Body)
	for lines.Scan() {
		text.Write(lines.Bytes())
	}
	return base64.StdEncoding.DecodeString(text.String())
}

// Signed takes a multipart/signed message or entity apart: the octets that were signed, and the CMS object. RFC 1847.
func Signed(message []byte) (content, signature []byte, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return nil, nil, fmt.Errorf("read the header: %w", err)
	}
	typ, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || typ != "multipart/signed" {
		return nil, nil, fmt.Errorf("the message is %q, not multipart/signed: %w", typ, err)
	}
	boundary := []byte("\r\n--" + parameters["boundary"])
	parts := bytes.Split(message, boundary)
	if len(parts) != 4 {
		return nil, nil, fmt.Errorf("multipart/signed has %d parts, not 2", len(parts)-2)
	}
	content, ok1 := bytes.CutPrefix(parts[1], []byte("\r\n"))
	second, ok2 := bytes.CutPrefix(parts[2], []byte("\r\n"))
	if !ok1 || !ok2 || !bytes.HasPrefix(parts[3], []byte("--")) {
		return nil, nil, errors.New("the boundaries of multipart/signed are not what they should be")
	}
	signature, err = Body(second)
	return content, signature, err
}

// crlf turns line ends that are a bare LF into CRLF.
func crlf(octets []byte) []byte {
	octets = bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(octets, []byte("\n"), []byte("\r\n"))
}
