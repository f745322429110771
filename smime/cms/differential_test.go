package cms

import (
	"bytes"
	"crypto"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"
)

// oracle asks go.mozilla.org/pkcs7 about octets that this package has read. It panics on some.
func oracle(ask func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return ask()
}

// signedByPKCS7 makes messages with the other library.
func signedByPKCS7(t testing.TB, name string, detached bool) []byte {
	t.Helper()
	id := who(t, name)
	sd, err := pkcs7.NewSignedData([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := sd.AddSigner(id.cert, id.key.(crypto.PrivateKey), pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	if detached {
		sd.Detach()
	}
	der, err := sd.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestDifferentialVerify changes messages octet by octet and compares verdicts with
// go.mozilla.org/pkcs7 on those that both can read. Where they differ, this package is the stricter
// one and says by which rule, or pkcs7 cannot read the form.
func TestDifferentialVerify(t *testing.T) {
	var messages [][]byte
	for _, name := range []string{"rsa2048", "p256"} {
		id := who(t, name)
		for _, detached := range []bool{false, true} {
			messages = append(messages, signedByPKCS7(t, name, detached))
			der, err := Sign([]byte("content"), SignOptions{Certificate: id.cert, Signer: id.signer(), Detached: detached, SigningTime: time.Now(), Capabilities: true})
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, der)
		}
		messages = append(messages, forgery{who: name}.der(t), forgery{who: name, noAttributes: true}.der(t))
	}
	random := rand.New(rand.NewPCG(1, 2))
	agreed, stricter, unread := 0, 0, 0
	for i, message := range messages {
		for n := range 1500 {
			der := bytes.Clone(message)
			if n > 0 {
				der[random.IntN(len(der))] ^= 1 << random.IntN(8)
			}
			c, err := Read(der, nil)
			sd, ok := c.(*SignedData)
			if err != nil || !ok || sd.CertsOnly() {
				continue // nothing for pkcs7
			}
			given := []byte("content")
			if !sd.Detached {
				given = nil
			}
			ours := sd.Verify(given, nil, VerifyPolicy{AllowSHA1: true}, nil)[0].Err
			var parseErr error
			theirs := oracle(func() error {
				p7, err := pkcs7.Parse(der)
				if err != nil {
					parseErr = err
					return err
				}
				if sd.Detached {
					p7.Content = given
				}
				return p7.Verify()
			})
			switch {
			case (ours == nil) == (theirs == nil):
				agreed++
			case ours == nil:
				unread++ // pkcs7 is stricter about what does not matter: versions, bags, digestAlgorithms
				if n == 0 {
					t.Errorf("message %d: pkcs7 says %v (%v)", i, theirs, parseErr)
				}
			case strings.HasSuffix(ours.Error(), ": signature"):
				t.Errorf("message %d, change %d: %v, and pkcs7 verifies it: %x", i, n, ours, der)
			default:
				stricter++
				if n == 0 {
					t.Errorf("message %d: %v", i, ours)
				}
			}
		}
	}
	t.Logf("%d verdicts agree, %d where this package is stricter, %d that pkcs7 does not read or verify", agreed, stricter, unread)
	if agreed < 5000 {
		t.Error("too few messages compared")
	}
}

// TestDifferentialDecrypt: pkcs7 opens what is sealed here and the other way round, and altered
// messages open to the same octets in both or not at all here.
func TestDifferentialDecrypt(t *testing.T) {
	id := who(t, "rsa2048")
	content := bytes.Repeat([]byte("content "), 20)
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES256CBC
	theirs, err := pkcs7.Encrypt(content, id.certs())
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSealer(content, AES256CBC)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.DER([]*Recipient{id.recipient(t, RecipientOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	both := 0
	for i, message := range [][]byte{theirs, ours} {
		for n := range 300 {
			der := bytes.Clone(message)
			if n > 0 {
				der[random.IntN(len(der))] ^= 1 << random.IntN(8)
			}
			c, err := Read(der, nil)
			ed, ok := c.(*EnvelopedData)
			if err != nil || !ok {
				continue
			}
			got, err := ed.Decrypt([]Key{id.recipientKey()}, nil, DecryptPolicy{Allow3DES: true})
			var want []byte
			other := oracle(func() error {
				p7, err := pkcs7.Parse(der)
				if err == nil {
					want, err = p7.Decrypt(id.cert, id.key)
				}
				return err
			})
			if err == nil && other == nil {
				both++
				if !bytes.Equal(got, want) {
					t.Errorf("message %d, change %d: opened to different octets", i, n)
				}
			}
			if n == 0 && (err != nil || other != nil || !bytes.Equal(got, content)) {
				t.Errorf("message %d: %v, %v", i, err, other)
			}
		}
	}
	if both < 100 {
		t.Errorf("only %d compared", both)
	}
}
