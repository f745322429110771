package relay

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// Auth is how this side makes itself known to a next hop (RFC 4954). Of what
// the hop offers the first of SCRAM-SHA-256, PLAIN and LOGIN is used.
type Auth struct {
	User     string
	Password func() []byte // a function, so that printing a Config shows nothing
}

// check sees to it that a password never goes to a server that nobody has
// verified.
func (a *Auth) check(h *hop, mode TLSMode) error {
	switch {
	case a == nil:
		return nil
	case a.User == "" || a.Password == nil || len(a.Password()) == 0:
		return errors.New("AUTH needs a user and a password")
	case mode == TLSRequired || mode == TLSImplicit || h.network == "unix" || loopback(h.address):
		return nil
	}
	return fmt.Errorf("AUTH with tls %s would show the password to whoever stands in between: write required or implicit", mode)
}

// loopback goes by what is written, without asking a name server.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// maxSteps bounds an exchange of challenges; SCRAM has three.
const maxSteps = 5

// authenticate goes through one exchange. Its errors hold nothing of what was
// sent.
func (c *conn) authenticate() error {
	a := c.hop.c.Auth
	client, err := a.client(c.ext.auth)
	if err != nil {
		return err
	}
	mechanism, first, err := client.Start()
	if err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	line := "AUTH " + mechanism
	if first != nil {
		line += " " + encoded(first)
	}
	for range maxSteps {
		code, err := c.command(line)
		switch {
		case err != nil:
			return fmt.Errorf("AUTH %s: %w", mechanism, err)
		case code == 235:
			if s, ok := client.(*scramClient); ok && !s.conversation.Valid() {
				return errors.New("AUTH SCRAM-SHA-256: the next hop has not shown that it knows the password")
			}
			return nil
		case code != 334:
			return fmt.Errorf("AUTH %s: %w", mechanism, c.last())
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(c.text)))
		if err != nil {
			return fmt.Errorf("%w: a challenge that is not base64", errProtocol)
		}
		response, err := client.Next(challenge)
		if err != nil {
			return fmt.Errorf("AUTH %s: the challenge cannot be answered: %w", mechanism, err)
		}
		line = base64.StdEncoding.EncodeToString(response)
	}
	return fmt.Errorf("%w: no end of challenges", errProtocol)
}

// encoded writes an initial response; RFC 4954 section 4 has "=" for an empty one.
func encoded(octets []byte) string {
	if len(octets) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(octets)
}

// client picks the mechanism.
func (a *Auth) client(offered []string) (sasl.Client, error) {
	offers := func(name string) bool {
		for _, o := range offered {
			if strings.EqualFold(o, name) {
				return true
			}
		}
		return false
	}
	password := string(a.Password())
	switch {
	case offers("SCRAM-SHA-256"):
		client, err := scram.SHA256.NewClient(a.User, password, "")
		if err != nil {
			return nil, errors.New("AUTH: user or password hold what SCRAM does not allow")
		}
		return &scramClient{client.NewConversation()}, nil
	case offers(sasl.Plain):
		return sasl.NewPlainClient("", a.User, password), nil
	case offers(sasl.Login):
		return &loginClient{a.User, password}, nil
	}
	return nil, fmt.Errorf("AUTH: the next hop offers none of SCRAM-SHA-256, PLAIN and LOGIN (it offers %.100q)", strings.Join(offered, " "))
}

// loginClient is LOGIN in the form that every server understands.
//
// QUIRK: go-sasl's client answers only to the words "Password:" and sends the
// user's name with the command; servers that ask otherwise exist.
type loginClient struct{ user, password string }

// Start sends nothing with the command.
func (l *loginClient) Start() (string, []byte, error) { return sasl.Login, nil, nil }

// Next answers the first question with the user's name and the second with the
// password, whatever their words.
func (l *loginClient) Next([]byte) ([]byte, error) {
	answer := l.user
	l.user, l.password = l.password, ""
	if answer == "" {
		return nil, errors.New("a third question")
	}
	return []byte(answer), nil
}

// scramClient is RFC 7677 as go-sasl has its mechanisms.
type scramClient struct{ conversation *scram.ClientConversation }

// Start returns the client-first-message.
func (s *scramClient) Start() (string, []byte, error) {
	first, err := s.conversation.Step("")
	return "SCRAM-SHA-256", []byte(first), err
}

// maxIterations is the work that a next hop may ask for: about a second.
const maxIterations = 1_000_000

var iterations = regexp.MustCompile(`(?:^|,)i=(\d+)`)

// Next answers the server-first-message and judges the server-final-message.
func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	if m := iterations.FindSubmatch(challenge); m != nil {
		if n, err := strconv.Atoi(string(m[1])); err != nil || n > maxIterations {
			return nil, fmt.Errorf("it asks for more than %d iterations", maxIterations)
		}
	}
	response, err := s.conversation.Step(string(challenge))
	return []byte(response), err
}
