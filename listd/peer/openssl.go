package peer

import (
	"fmt"
	"os/exec"
	"testing"
)

// OpenSSL is the program openssl: its "cms" command makes and opens S/MIME entities. Messages may have header fields
// before those of MIME; a bare CMS object in DER is taken too. Every method adds its arguments to the command line.
type OpenSSL struct {
	tb      testing.TB
	program string
}

// NewOpenSSL finds the program.
func NewOpenSSL(tb testing.TB) *OpenSSL {
	tb.Helper()
	return &OpenSSL{tb: tb, program: Program(tb, "openssl")}
}

// Sign makes an entity of a canonical (CRLF) one: multipart/signed, or application/pkcs7-mime with "-nodetach". The
// chain is included.
func (o *OpenSSL) Sign(content []byte, c Credential, arguments ...string) []byte {
	o.tb.Helper()
	dir := Folder(o.tb)
	certificate, key := c.files(o.tb, dir)
	args := []string{"-sign", "-binary", "-crlfeol", "-md", "sha256", "-signer", certificate, "-inkey", key, "-in", write(o.tb, dir, "in", content)}
	if len(c.Chain) > 0 {
		args = append(args, "-certfile", write(o.tb, dir, "chain", certificatePEM(c.Chain...)))
	}
	out, err := o.cms(append(args, arguments...)...)
	if err != nil {
		o.tb.Fatal(err)
	}
	return crlf(out)
}

// Encrypt makes an entity of an entity: application/pkcs7-mime for all the certificates, AES-256-CBC unless an argument
// such as "-aes-128-gcm" says otherwise.
func (o *OpenSSL) Encrypt(content []byte, certificates [][]byte, arguments ...string) []byte {
	o.tb.Helper()
	dir := Folder(o.tb)
	args := append([]string{"-encrypt", "-binary", "-aes-256-cbc", "-in", write(o.tb, dir, "in", content)}, arguments...)
	for i, c := range certificates {
		args = append(args, write(o.tb, dir, fmt.Sprintf("recipient%d", i), certificatePEM(c)))
	}
	out, err := o.cms(args...)
	if err != nil {
		o.tb.Fatal(err)
	}
	return crlf(out)
}

// Decrypt opens an (auth)enveloped message and returns what was encrypted, octet for octet.
func (o *OpenSSL) Decrypt(message []byte, c Credential, arguments ...string) ([]byte, error) {
	o.tb.Helper()
	dir := Folder(o.tb)
	certificate, key := c.files(o.tb, dir)
	return o.cms(append([]string{"-decrypt", "-binary", "-inform", form(message), "-recip", certificate, "-inkey", key,
		"-in", write(o.tb, dir, "in", message)}, arguments...)...)
}

// Verify checks a signed message against trust anchors and returns the signed octets. A failed signature, an untrusted
// certificate and one that is not for e-mail are errors.
func (o *OpenSSL) Verify(message []byte, anchors [][]byte, arguments ...string) ([]byte, error) {
	o.tb.Helper()
	dir := Folder(o.tb)
	// Not -binary: OpenSSL 3.0 would keep the CR of the CRLF that belongs to the boundary, and fail.
	return o.cms(append([]string{"-verify", "-inform", form(message), "-CAfile", write(o.tb, dir, "anchors", certificatePEM(anchors...)),
		"-no-CApath", "-no-CAstore", "-in", write(o.tb, dir, "in", message)}, arguments...)...)
}

// Print returns openssl's description of the CMS object in a message.
func (o *OpenSSL) Print(message []byte) string {
	o.tb.Helper()
	out, err := o.cms("-cmsout", "-print", "-noout", "-inform", form(message), "-in", write(o.tb, Folder(o.tb), "in", message))
	if err != nil {
		o.tb.Fatal(err)
	}
	return string(out)
}

// PKCS12 bundles a credential with its chain under a password: OpenSSL 3's form, or an older one, as with LegacyPKCS12.
func (o *OpenSSL) PKCS12(c Credential, password string, arguments ...string) []byte {
	o.tb.Helper()
	dir := Folder(o.tb)
	certificate, key := c.files(o.tb, dir)
	args := []string{"pkcs12", "-export", "-in", certificate, "-inkey", key, "-passout", "pass:" + password}
	if len(c.Chain) > 0 {
		args = append(args, "-certfile", write(o.tb, dir, "chain", certificatePEM(c.Chain...)))
	}
	out, err := o.Run(append(args, arguments...)...)
	if err != nil {
		o.tb.Fatal(err)
	}
	return out
}

// LegacyPKCS12 are the arguments of PKCS12 for the form that Windows and OpenSSL 1 wrote and gpgsm 2.2 reads.
var LegacyPKCS12 = []string{"-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"}

// Run runs any other command of the program and returns its standard output.
func (o *OpenSSL) Run(arguments ...string) ([]byte, error) {
	return run(exec.Command(o.program, arguments...))
}

func (o *OpenSSL) cms(arguments ...string) ([]byte, error) {
	return o.Run(append([]string{"cms"}, arguments...)...)
}

func form(message []byte) string {
	if isDER(message) {
		return "DER"
	}
	return "SMIME"
}
