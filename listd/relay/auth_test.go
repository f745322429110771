package relay_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"

	"github.com/sealist/sealist/listd/relay"
)

const (
	authUser     = "lists"
	authPassword = "pä:ss word"
)

var errWrong = &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "credentials invalid"}

// guarded is go-smtp's server with accounts: nobody sends without AUTH.
type guarded struct {
	*mailbox
	mechanisms []string
}

func (g *guarded) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s, err := g.mailbox.NewSession(c)
	return &guardedSession{Session: s, offered: g.mechanisms}, err
}

type guardedSession struct {
	smtp.Session
	offered []string
	known   bool
}

func (s *guardedSession) AuthMechanisms() []string { return s.offered }

func (s *guardedSession) Mail(from string, o *smtp.MailOptions) error {
	if !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authentication required"}
	}
	return s.Session.Mail(from, o)
}

func (s *guardedSession) Auth(mechanism string) (sasl.Server, error) {
	judge := func(user, password string) error {
		if s.known = user == authUser && password == authPassword; !s.known {
			return errWrong
		}
		return nil
	}
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return judge(user, password) }), nil
	case "LOGIN":
		return &loginServer{judge: judge}, nil
	}
	client, err := scram.SHA256.NewClient(authUser, authPassword, "")
	if err != nil {
		return nil, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of some octets", Iters: 4096})
	if err != nil {
		return nil, err
	}
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != authUser {
			return scram.StoredCredentials{}, errWrong
		}
		return stored, nil
	})
	if err != nil {
		return nil, err
	}
	return &scramServer{conversation: server.NewConversation(), known: &s.known}, nil
}

// loginServer asks in words of its own.
type loginServer struct {
	judge   func(user, password string) error
	answers []string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte("User Name\x00"), false, nil
	}
	if l.answers = append(l.answers, string(response)); len(l.answers) == 1 {
		return []byte("Passphrase?"), false, nil
	}
	return nil, true, l.judge(l.answers[0], l.answers[1])
}

type scramServer struct {
	conversation *scram.ServerConversation
	known        *bool
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	if s.conversation.Done() {
		*s.known = s.conversation.Valid()
		return nil, true, nil
	}
	answer, err := s.conversation.Step(string(response))
	if err != nil {
		return nil, true, errWrong
	}
	return []byte(answer), false, nil
}

// Every mechanism against go-smtp's server, over verified TLS.
func TestAuth(t *testing.T) {
	certificate, trusted := certificate(t)
	for _, c := range []struct {
		offered  []string
		password string
		err      string
	}{
		{[]string{"PLAIN"}, authPassword, ""},
		{[]string{"LOGIN"}, authPassword, ""},
		{[]string{"SCRAM-SHA-256"}, authPassword, ""},
		{[]string{"LOGIN", "PLAIN", "SCRAM-SHA-256"}, authPassword, ""},
		{[]string{"PLAIN"}, "wrong", "AUTH PLAIN: the next hop says 535 5.7.8"},
		{[]string{"LOGIN"}, "wrong", "AUTH LOGIN: the next hop says 535 5.7.8"},
		{[]string{"PLAIN", "SCRAM-SHA-256"}, "wrong", "AUTH SCRAM-SHA-256: the next hop says 535 5.7.8"},
		{[]string{"CRAM-MD5"}, authPassword, `offers none of SCRAM-SHA-256, PLAIN and LOGIN (it offers "CRAM-MD5")`},
	} {
		box := &mailbox{mails: map[string][]byte{}}
		server := smtp.NewServer(&guarded{box, c.offered})
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		server.ErrorLog = log.New(io.Discard, "", 0)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(l)
		r := dialRelay(t, relay.Config{
			URL: "smtp://" + l.Addr().String(), TLS: relay.TLSRequired, TLSConfig: &tls.Config{RootCAs: trusted},
			Auth: &relay.Auth{User: authUser, Password: func() []byte { return []byte(c.password) }},
		})
		o := sendOver(t, r, transactions(2)...)
		closeRelay(t, r)
		server.Close()
		switch {
		case c.err == "" && (o.err != nil || len(box.mails) != 2):
			t.Errorf("%v: %v, %d mails, %s", c.offered, o.err, len(box.mails), summary(o.results[0]))
		case c.err != "" && (o.err == nil || !strings.Contains(o.err.Error(), c.err) || o.pulled != 0):
			t.Errorf("%v: %v, want %q", c.offered, o.err, c.err)
		}
		if o.err != nil && (strings.Contains(o.err.Error(), c.password) || strings.Contains(o.err.Error(), base64.StdEncoding.EncodeToString([]byte(c.password)))) {
			t.Errorf("the password stands in %v", o.err)
		}
	}
}

// What a server can do wrong in AUTH ends the connection, and soon.
func TestAuthMisbehaviour(t *testing.T) {
	say := func(challenges ...string) func(*dialogue) {
		return func(d *dialogue) {
			d.greet("AUTH SCRAM-SHA-256")
			d.hear("AUTH SCRAM-SHA-256 ")
			for i, c := range challenges {
				d.say(c)
				if i < len(challenges)-1 {
					d.in.ReadString('\n')
				}
			}
			io.Copy(io.Discard, d.in)
		}
	}
	challenge := func(text string) string { return "334 " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for want, script := range map[string]func(*dialogue){
		"has not shown that it knows the password": say("235 2.7.0 welcome"),
		"not base64":                  say("334 ?"),
		"cannot be answered":          say(challenge("r=another,s=c2FsdA==,i=4096")),
		"more than 1000000":           say(challenge("r=x,s=c2FsdA==,i=2147483647")),
		"more than 1000000 ":          say(challenge("r=x,s=c2FsdA==,i=99999999999999999999")),
		"AUTH SCRAM-SHA-256: the nex": say("421 4.3.2 not today"),
		"250":                         say("250 ok"),
	} {
		f := newFake(t, script)
		o := sendTo(t, f, relay.Config{URL: "smtp://127.0.0.1:25", Auth: &relay.Auth{User: "u", Password: func() []byte { return []byte("p") }}}, 1)
		if o.err == nil || !strings.Contains(o.err.Error(), strings.TrimSpace(want)) || o.pulled != 0 {
			t.Errorf("%v, want %q", o.err, want)
		}
	}
}

// A password goes only to a server that was verified, or that is this machine,
// and shows itself to nobody who prints what it stands in.
func TestAuthNeedsVerifiedHop(t *testing.T) {
	auth := &relay.Auth{User: "u", Password: func() []byte { return []byte("hunter2") }}
	for url, want := range map[string]bool{
		"smtp://mx.example.org:25 none": false, "smtp://mx.example.org:25 opportunistic": false, "smtp://192.0.2.1:25 opportunistic": false,
		"smtp://localhost.example:25 none": false, "smtp://mx.example.org:25 required": true, "smtp://mx.example.org:465 implicit": true,
		"smtp://127.0.0.1:25 none": true, "smtp://[::1]:25 opportunistic": true, "smtp://localhost:25 none": true, "lmtp:/run/lmtp none": true,
	} {
		address, mode, _ := strings.Cut(url, " ")
		c := relay.Config{URL: address, TLS: relay.TLSMode(mode), Auth: auth}
		if _, err := relay.New(c, nil); (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v %+v", c, c, c, *c.Auth), "hunter2") {
			t.Error("the password is printed")
		}
	}
	if _, err := relay.New(relay.Config{URL: "lmtp:/x", Auth: &relay.Auth{User: "u"}}, nil); err == nil || errors.Is(err, relay.ErrClosed) {
		t.Errorf("without a password: %v", err)
	}
}
