package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// session is one client's dialogue. go-smtp calls its methods one after the
// other, but a message that comes in BDAT chunks is received on a goroutine of
// its own, which RSET or the connection's end may leave behind.
type session struct {
	s    *Server
	conn *conn
	with string // RFC 3848's word: ESMTP, ESMTPS, LMTP or LMTPS
	helo string
	log  *slog.Logger

	inHand sync.Mutex // held while a message is received

	mu sync.Mutex
	tx transaction
}

// transaction is what MAIL and RCPT have said.
type transaction struct {
	open        bool // MAIL was accepted
	reversePath string
	size        int64 // as announced; 0: not
	recipients  []recipient
	leave       func() // gives back the domain's place; nil: it has none
}

// recipient is one accepted RCPT.
type recipient struct {
	text   string // as go-smtp names it
	target store.Target
}

func newSession(s *Server, c *smtp.Conn, lmtp bool) smtp.Session {
	nc := c.Conn()
	ses := &session{s: s, with: "ESMTP", helo: c.Hostname()}
	if lmtp {
		ses.with = "LMTP"
	}
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
		ses.with += "S"
	}
	ses.conn = nc.(*conn)
	ses.log = s.log.With("client", ses.client())
	if lmtp {
		return lmtpSession{ses}
	}
	return ses
}

// client describes where the message came from, for the listmaster, in at most
// 200 octets.
func (ses *session) client() string {
	helo := strconv.QuoteToASCII(ses.helo)
	return fmt.Sprintf("%s helo=%.100s with=%s", ses.conn.name(), helo[1:len(helo)-1], ses.with)
}

// guarded runs f and turns its error, or its panic, into what the client is to
// hear. Whatever happens in one dialogue harms that one only (invariant 9).
func (ses *session) guarded(doing string, f func() error) (answer error) {
	defer func() {
		if p := recover(); p != nil {
			// The value may quote a message; its type and the stack do not.
			ses.log.Error("panic", "doing", doing, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			answer = ses.s.refused(nil)
		}
	}()
	err := f()
	if err == nil {
		return nil
	}
	if said := (*smtp.SMTPError)(nil); errors.As(err, &said) && said != smtp.ErrDataTooLarge {
		return said
	}
	r := ses.s.refused(err)
	level := slog.LevelInfo
	if r.Code/100 == 4 && !errors.Is(err, errLimit) && !errors.Is(err, errNoRoom) { // a sender's limits are no trouble of ours, and a full disk was told once
		level = slog.LevelWarn
	}
	ses.log.Log(context.Background(), level, "refused", "doing", doing, "code", r.Code, "err", err)
	return r
}

// Mail begins a transaction.
func (ses *session) Mail(from string, o *smtp.MailOptions) error {
	return ses.guarded("MAIL", func() error {
		if err := checkReversePath(from, o.UTF8); err != nil {
			return err
		}
		ses.mu.Lock()
		defer ses.mu.Unlock()
		if ses.tx.open { // go-smtp would keep the recipients of the one before
			return errNested
		}
		if ses.conn.brokenOff.Load() {
			return errChunks
		}
		if err := ses.s.c.Room(); err != nil {
			return fmt.Errorf("%w: %w", errNoRoom, err)
		}
		if err := ses.admitMessage(from); err != nil {
			return err
		}
		ses.tx.open, ses.tx.reversePath, ses.tx.size = true, from, o.Size
		return nil
	})
}

// checkReversePath refuses what could not be answered without danger; whether
// the mailbox exists nobody can say. It takes more than list.ParseAddress:
// senders' bounce addresses are longer and odder than people's.
func checkReversePath(path string, utf8Allowed bool) error {
	if path == "" {
		return nil
	}
	at := strings.LastIndexByte(path, '@')
	if at <= 0 || at == len(path)-1 || len(path) > list.MaxAddressOctets || !utf8.ValidString(path) {
		return fmt.Errorf("%w: %.100q", errReversePath, path)
	}
	for _, r := range path {
		switch {
		case r <= ' ' || r == 0x7f || r == '<' || r == '>' || r == '"':
			return fmt.Errorf("%w: %.100q", errReversePath, path)
		case r >= utf8.RuneSelf && !utf8Allowed:
			return fmt.Errorf("%w: %.100q", errUTF8, path)
		}
	}
	return nil
}

// Rcpt adds a recipient: a list, one of its functions, or a return address.
func (ses *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	return ses.guarded("RCPT", func() error {
		if err := ses.admitRecipient(ses.snapshot().reversePath); err != nil {
			return err
		}
		target, err := ses.s.target(to)
		if err != nil {
			return err
		}
		ses.mu.Lock()
		defer ses.mu.Unlock()
		ses.tx.recipients = append(ses.tx.recipients, recipient{to, target})
		return nil
	})
}

// function splits an address into that of a list and what its suffix asks of
// it; "" if it has none.
func function(a list.Address) (list.Address, store.Kind) {
	for _, f := range []struct {
		suffix string
		kind   store.Kind
	}{
		{list.OwnerSuffix, store.KindOwner}, {list.EditorSuffix, store.KindEditor}, {list.RequestSuffix, store.KindCommand},
		{list.UnsubscribeSuffix, store.KindUnsubscribe}, {list.SubscribeSuffix, store.KindSubscribe},
	} {
		if base, ok := a.CutSuffix(f.suffix); ok {
			return base, f.kind
		}
	}
	return list.Address{}, ""
}

// target finds out what an address is here.
func (s *Server) target(to string) (store.Target, error) {
	a, err := list.ParseAddress(to)
	if err != nil {
		return store.Target{}, err
	}
	if len(s.domains) > 0 && !s.domains[a.Domain()] {
		return store.Target{}, fmt.Errorf("%w: %s", errRelaying, a)
	}
	if bounce.IsReturn(a) {
		return s.returned(a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.c.StoreTimeout)
	defer cancel()
	l, err := s.spool.List(ctx, a)
	kind := store.KindPost
	if err == nil && l.Robot {
		kind = store.KindCommand
	}
	if errors.Is(err, store.ErrNotFound) {
		base, of := function(a)
		if of == "" {
			return store.Target{}, fmt.Errorf("%w: %s", errNoList, a)
		}
		kind = of
		if l, err = s.spool.List(ctx, base); err == nil && l.Robot && kind != store.KindOwner {
			return store.Target{}, fmt.Errorf("%w: %s", errNoList, a)
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Target{}, fmt.Errorf("%w: %s", errNoList, a)
	case err != nil:
		return store.Target{}, fmt.Errorf("asking for the list %s: %w", a, err)
	case (kind == store.KindPost || kind == store.KindSubscribe) && l.State == list.Closed: // its owners can be reached all the same
		return store.Target{}, fmt.Errorf("%w: %s", errClosed, a)
	}
	return store.Target{List: l.ID, Kind: kind, ForwardPath: a}, nil
}

// returned is the target of a return address that was made here. Whether the list
// and the member are still there is asked when the message is committed, and
// decided on.
func (s *Server) returned(a list.Address) (store.Target, error) {
	m, ok := s.c.Returns.Member(a)
	if !ok {
		return store.Target{}, fmt.Errorf("%w: %s", errNoReturn, a)
	}
	return store.Target{List: m.List, Kind: store.KindBounce, ForwardPath: a}, nil
}

// Data receives a message over SMTP.
func (ses *session) Data(r io.Reader) error {
	return ses.guarded("DATA", func() error {
		ids, err := ses.receive(r, ses.snapshot())
		if err != nil {
			return err
		}
		return queued(strings.Join(ids, " "))
	})
}

// Reset forgets the transaction.
//
// QUIRK: go-smtp gives the result of a message in chunks that was broken off to
// the message after it, if that comes sooner. So it is waited for, and this
// connection takes no other message.
func (ses *session) Reset() {
	ses.inHand.Lock()
	defer ses.inHand.Unlock()
	ses.forget()
}

func (ses *session) forget() {
	ses.conn.end()
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if ses.tx.leave != nil {
		ses.tx.leave()
	}
	ses.tx = transaction{}
}

// Logout ends the transaction. The connection is closed by go-smtp.
func (ses *session) Logout() error {
	ses.forget()
	return nil
}

func (ses *session) snapshot() transaction {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	return ses.tx
}

// lmtpSession answers for each recipient by itself.
type lmtpSession struct{ *session }

// LMTPData receives a message over LMTP. It is taken for all recipients or for
// none; each hears its own ID.
func (ses lmtpSession) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	return ses.guarded("DATA", func() error {
		tx := ses.snapshot()
		ids, err := ses.receive(r, tx)
		if err != nil {
			return err
		}
		of := map[store.Target]string{}
		for i, t := range tx.targets() {
			of[key(t)] = ids[i]
		}
		for _, rcpt := range tx.recipients {
			status.SetStatus(rcpt.text, queued(of[key(rcpt.target)]))
		}
		return nil
	})
}

// targets returns each list and kind once, in the order of the recipients: the
// same list named twice gets one item.
func (tx transaction) targets() []store.Target {
	var out []store.Target
	seen := map[store.Target]bool{}
	for _, r := range tx.recipients {
		if k := key(r.target); !seen[k] {
			seen[k] = true
			out = append(out, r.target)
		}
	}
	return out
}

// key is a target without the way its address was written. Return addresses of
// one list are several people's.
func key(t store.Target) store.Target {
	k := store.Target{List: t.List, Kind: t.Kind}
	if t.Kind == store.KindBounce {
		k.ForwardPath = list.MustParseAddress(t.ForwardPath.Key())
	}
	return k
}

// receive reads a message to its end, checks it, and commits it.
func (ses *session) receive(r io.Reader, tx transaction) ([]string, error) {
	ses.inHand.Lock()
	defer ses.inHand.Unlock()
	ses.conn.begin()
	if _, chunks := r.(*io.PipeReader); !chunks {
		d, err := newDataReader(r)
		if err != nil {
			return nil, err
		}
		defer d.finish()
		r = d
	}
	octets, free, err := ses.read(r, tx.size)
	defer free()
	if errors.Is(err, smtp.ErrDataReset) {
		ses.conn.brokenOff.Store(true)
	}
	if err != nil {
		return nil, err
	}
	if n := countReceived(octets); n > ses.s.c.MaxReceived {
		return nil, fmt.Errorf("%w: %d", errLoop, n)
	}
	if err := ses.s.c.Room(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoRoom, err)
	}
	crashpoint.At(crashpoint.AcceptBeforeCommit)
	ctx, cancel := context.WithTimeout(context.Background(), ses.s.c.StoreTimeout)
	defer cancel()
	targets := tx.targets()
	ids, err := ses.s.spool.Accept(ctx, store.Incoming{
		ReversePath: tx.reversePath, Octets: octets, Client: ses.client(), Targets: targets,
	})
	if err != nil {
		return nil, fmt.Errorf("committing a message: %w", err)
	}
	if len(ids) != len(targets) {
		return nil, fmt.Errorf("the store took %d of %d targets", len(ids), len(targets))
	}
	crashpoint.At(crashpoint.AcceptAfterCommit)
	ses.log.Info("accepted", "stage", "accept", "spool_id", strings.Join(ids, " "), "size", len(octets))
	if count := ses.s.c.Count.Accepted; count != nil {
		for _, t := range targets {
			count(t.Kind, strings.HasPrefix(ses.with, "LMTP"), strings.HasSuffix(ses.with, "S"))
		}
	}
	ses.s.c.Accepted()
	return ids, nil
}
