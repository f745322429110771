package e2e

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// The lists of the tests.
const (
	boardList = "board@lists.example.org" // has a key; members who signed may post
	plainList = "plain@lists.example.org" // has none
)

// credential is an identity as the outside tools take it.
func credential(id *smimetest.Identity) peer.Credential {
	c := peer.Credential{Certificate: id.Certificate.Raw, Key: id.KeyPEM()}
	for _, ca := range id.Chain {
		c.Chain = append(c.Chain, ca.Raw)
	}
	return c
}

// person issues a certificate for a key that nobody else has.
func person(ca *smimetest.CA, address string) *smimetest.Identity {
	return ca.Issue(address, smimetest.RSA(2048), smimetest.FreshKey)
}

// expired is the validity of a certificate that ended yesterday.
func expired() smimetest.Option {
	return smimetest.Validity(time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -1))
}

// bundle is a certs-only PKCS#7, as userSMIMECertificate holds it, made by openssl.
func bundle(t *testing.T, certificate *x509.Certificate) string {
	t.Helper()
	file := filepath.Join(peer.Folder(t), "certificate.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	der, err := peer.NewOpenSSL(t).Run("crl2pkcs7", "-nocrl", "-certfile", file, "-outform", "DER")
	if err != nil {
		t.Fatal(err)
	}
	return string(der)
}

// forServers makes a certificate of a server on 127.0.0.1 instead of a person's.
func forServers(t *smimetest.Template) {
	t.X509.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	t.X509.EmailAddresses = nil
	t.X509.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

// directorySettings is the directories section for a slapd.
func directorySettings(d *peer.Slapd) []string {
	return []string{
		"directories:",
		"  - name: corp",
		"    preset: openldap",
		fmt.Sprintf("    urls: [%q]", d.TLSURL),
		"    cafile: ca.pem",
		"    base_dn: " + peer.SlapdPeopleDN,
		"    bind_dn: " + peer.SlapdServiceDN,
		"    bind_password_file: ldap_password",
		"resolver: { order: [corp, harvest, files] }",
		"queue: { retry_min: 1s, retry_max: 2s }",
	}
}

// letter is a message that somebody wrote.
type letter struct {
	from, to, subject, id string
	entity                []byte // MIME fields and body
}

// octets is the letter as it is sent, with the header fields that an author's program writes.
func (l letter) octets() []byte {
	return append(fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: %s\r\n",
		l.from, l.to, l.subject, time.Now().Format(time.RFC1123Z), l.id), l.entity...)
}

// text is a text entity whose octets are easily damaged: trailing blanks, dots, "From " and a long line.
func text(body string) []byte {
	return []byte("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body +
		"\r\n.\r\n..\r\nFrom here on, blanks   \r\n\tW\u00f6rter\r\n" + strings.Repeat("z", 900) + "\r\n\r\n")
}

// header reads the header of what a sink got.
func header(t *testing.T, m peer.Mail) mail.Header {
	t.Helper()
	message, err := mail.ReadMessage(bytes.NewReader(m.Octets))
	if err != nil {
		t.Fatalf("read the header of a mail to %v: %v", m.ForwardPaths, err)
	}
	return message.Header
}

// canonical is a field's name as net/mail keeps it.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// createBoard creates the list with a key and its members.
func (i *installation) createBoard(board *smimetest.Identity, members ...string) {
	i.t.Helper()
	i.write("board.p12", peer.NewOpenSSL(i.t).PKCS12(credential(board), "p12 password"))
	i.write("p12_password", []byte("p12 password\n"))
	i.must("list", "create", boardList, "--p12", i.path("board.p12"), "--password-file", i.path("p12_password"))
	i.must(append([]string{"member", "add", boardList}, members...)...)
}

// sealedLetter is a letter to the list with a key: signed by its author, encrypted to the list.
func sealedLetter(t *testing.T, author, board *smimetest.Identity, id, body string) letter {
	t.Helper()
	openssl := peer.NewOpenSSL(t)
	signed := openssl.Sign(text(body), credential(author))
	return letter{author.Address, boardList, "A letter", id, openssl.Encrypt(signed, [][]byte{board.Certificate.Raw})}
}

// withoutDirectory are settings for members whose certificates are PEM files.
func withoutDirectory() []string {
	return []string{"resolver: { order: [harvest, files] }", "queue: { retry_min: 1s, retry_max: 2s }"}
}

// writeCertificate puts a member's certificate into the PEM folder.
func (i *installation) writeCertificate(id *smimetest.Identity) {
	i.t.Helper()
	i.write("data/X509-user-certs/"+id.Address+"@enc", id.CertificatePEM())
}

// submit sends a letter over SMTP and returns nil once it has heard the 250 to its last dot; what comes after that, as a
// connection that breaks at QUIT, is no matter of the letter.
func submit(addr, reversePath string, forwardPaths []string, octets []byte) error {
	client, err := smtp.Dial(addr)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Mail(reversePath); err != nil {
		return err
	}
	for _, path := range forwardPaths {
		if err := client.Rcpt(path); err != nil {
			return err
		}
	}
	data, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(octets); err != nil {
		return err
	}
	return data.Close()
}
