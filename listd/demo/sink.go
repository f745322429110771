package demo

import (
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// mail is one message that reached the sink.
type mail struct {
	to     string
	octets []byte
}

// sink is the mail server behind the list server: it keeps what it is given.
type sink struct {
	server *smtp.Server
	addr   string

	mu      sync.Mutex
	mails   []mail
	arrived chan struct{} // closed and replaced at each arrival
}

// startSink listens on loopback.
func startSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{addr: l.Addr().String(), arrived: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	s.server.Domain = "sink.demo.example"
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

func (s *sink) stop() error { return s.server.Close() }

// received returns what has arrived, and a channel that is closed when more does.
func (s *sink) received() ([]mail, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails), s.arrived
}

func (s *sink) keep(m mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.arrived)
	s.arrived = make(chan struct{})
}

// sinkSession takes one client's mail.
type sinkSession struct {
	sink *sink
	to   []string
}

// Reset implements smtp.Session.
func (s *sinkSession) Reset() { s.to = nil }

// Logout implements smtp.Session.
func (s *sinkSession) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session.
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *sinkSession) Data(r io.Reader) error {
	octets, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, to := range s.to {
		s.sink.keep(mail{to: to, octets: octets})
	}
	return nil
}
