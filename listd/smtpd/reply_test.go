package smtpd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
)

func serverTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// trouble is a spool that fails as it is told to.
type trouble struct {
	list   func() error
	accept func() error
}

func (s trouble) List(_ context.Context, a list.Address) (list.List, error) {
	if s.list != nil {
		if err := s.list(); err != nil {
			return list.List{}, err
		}
	}
	return list.List{ID: 1, Address: a, State: list.Open}, nil
}

func (s trouble) Accept(context.Context, store.Incoming) ([]string, error) {
	if s.accept != nil {
		return nil, s.accept()
	}
	return []string{"id"}, nil
}

// Each error of the store becomes its reply, at RCPT and at the end of the
// data, over SMTP, LMTP and BDAT; no error's own text is among them, and a
// panic is one more temporary failure.
func TestStoreErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{store.ErrBusy, "451 4.3.2"},
		{store.ErrFull, "452 4.3.1"},
		{store.ErrReadOnly, "451 4.3.0"},
		{store.ErrNotFound, "550 5.1.1"},
		{errors.New("secret"), "451 4.3.0"},
		{context.DeadlineExceeded, "451 4.3.0"},
		{fmt.Errorf("secret: %w (%w)", store.ErrFull, errors.New("secret")), "452 4.3.1"},
		{nil, "451 4.3.0"}, // panics
	} {
		fail := func() error {
			if c.err == nil {
				panic("secret")
			}
			return c.err
		}
		check := func(cl *client, want string) {
			t.Helper()
			if r := cl.reply(); !strings.HasPrefix(r, want) || strings.Contains(r, "secret") || strings.Contains(r, "\n") {
				t.Errorf("%v became %q, want %q", c.err, r, want)
			}
		}
		for _, lmtp := range []bool{false, true} {
			hello := map[bool]string{true: "LHLO", false: "EHLO"}[lmtp]
			w := serve(t, smtpd.Config{}, trouble{accept: fail}, lmtp)
			cl := w.dial()
			for _, data := range []string{"DATA\r\nx\r\n.\r\n", "BDAT 3 LAST\r\nx\r\n"} {
				if data[0] == 'D' {
					cl.run("220", hello+" x\r\n", "250")
				}
				cl.run("", "MAIL FROM:<a@b.example>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "250", data)
				if data[0] == 'D' {
					cl.want("354")
				}
				check(cl, c.want)
			}
			w = serve(t, smtpd.Config{}, trouble{list: fail}, lmtp)
			cl = w.dial()
			cl.run("220", hello+" x\r\n", "250", "MAIL FROM:<a@b.example>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n")
			check(cl, c.want)
			cl.run("", "NOOP\r\n", "250") // the dialogue goes on
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := smtpd.New(smtpd.Config{TrustedNetworks: []string{"everybody"}}, trouble{}, nil); err == nil {
		t.Error("a network that is none was taken")
	}
}
