package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// sending is one Send under way.
type sending struct {
	hop     *hop
	next    func() (Transaction, bool)
	report  func(Transaction, Result)
	waiting []*taken // taken, and to be offered (again)
	done    bool     // next has no more
	settled int      // transactions that the next hop decided on
}

// taken is a transaction that was taken and is not yet reported.
type taken struct {
	Transaction
	offers int    // connections that ended while its commands were open
	last   Result // what the last of them said
}

// errUnwilling is a hop that wants something of us before it takes mail: no
// fault of the member whose copy met it.
var errUnwilling = errors.New("the next hop takes no mail from this client")

// run uses one connection to the hop after the other until nothing is left. An
// error says that the hop is in trouble; what it has not settled waits.
func (s *sending) run(ctx context.Context) error {
	fruitless := 0 // connections in a row that ended without settling anything
	for {
		c, err := s.hop.get(ctx)
		if err != nil {
			return err
		}
		before := s.settled
		err = s.over(ctx, c)
		if err == nil {
			s.hop.put(c)
			if s.left() {
				continue // the connection has done its share
			}
			return nil
		}
		c.raw.Close()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isTimeout(err) || errors.Is(err, errUnwilling):
			return err
		case s.settled > before:
			fruitless = 0
		case c.stale():
		default:
			fruitless++
		}
		if fruitless >= 2 {
			return err
		}
		if !s.left() {
			return nil
		}
		s.hop.log.Info("next hop ended a connection, making a new one", "err", escape(err.Error()))
	}
}

// over sends transactions over one connection until there are none, or it has
// done its share. An error says that the connection is of no use any more;
// what can still be offered over another waits.
//
// Three transactions may be in hand: sent is a whole message whose final reply
// is open, cur has its commands under way, ahead is being made meanwhile.
func (s *sending) over(ctx context.Context, c *conn) error {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	var sent *taken
	cur := s.take(c)
	if cur != nil {
		c.open(&cur.Transaction)
	}
	for cur != nil || sent != nil {
		if err := s.flush(c, sent, cur); err != nil {
			return err
		}
		var ahead *taken
		if cur != nil {
			ahead = s.take(c)
		}
		if sent != nil {
			if err := s.final(c, sent); err != nil {
				s.keep(cur, ahead)
				return err
			}
			sent = nil
		}
		if cur != nil {
			goAhead, err := s.opened(c, cur)
			if err != nil {
				s.keep(ahead) // behind cur, if that is kept
				return err
			}
			if goAhead {
				c.body(&cur.Transaction)
				sent = cur
			}
		}
		if ahead != nil {
			c.open(&ahead.Transaction)
		}
		cur = ahead
	}
	if err := c.settleUp(); err != nil {
		return err
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// take returns the next transaction that may be sent over c; nil if there is
// none or c has done its share.
func (s *sending) take(c *conn) *taken {
	for c.transactions < s.hop.c.MaxTransactions {
		t := s.pull()
		if t == nil {
			return nil
		}
		if err := c.fits(&t.Transaction); err != nil {
			s.tell(t, Result{Class: Permanent, Stage: StageConnect, Err: err})
			continue
		}
		c.transactions++
		return t
	}
	return nil
}

func (s *sending) pull() *taken {
	if len(s.waiting) > 0 {
		t := s.waiting[0]
		s.waiting = s.waiting[1:]
		return t
	}
	if s.done {
		return nil
	}
	t, ok := s.next()
	if !ok {
		s.done = true
		return nil
	}
	return &taken{Transaction: t}
}

// fits says why a transaction cannot be sent over this connection.
func (c *conn) fits(t *Transaction) error {
	if err := t.check(); err != nil {
		return err
	}
	if t.utf8() && !c.ext.utf8 {
		return ErrSMTPUTF8
	}
	if size := t.Size(); c.ext.size > 0 && size > c.ext.size {
		return fmt.Errorf("%w: %d octets, it takes %d", ErrSize, size, c.ext.size)
	}
	return nil
}

func (s *sending) left() bool { return len(s.waiting) > 0 || !s.done }

// flush writes what is queued: the end of sent, the commands of cur.
func (s *sending) flush(c *conn, sent, cur *taken) error {
	end := c.bodyEnd
	n, err := c.flush()
	if err == nil {
		return nil
	}
	if sent == nil {
		s.interrupted(c, cur, StageMail, err)
		return err
	}
	stage := StageMessage
	if n >= end {
		stage = StageFinal
	}
	// A server that ends the connection may have said why.
	code, unread := c.read(min(s.hop.c.CommandTimeout, time.Second))
	switch {
	case unread == nil && (code/100 != 2 || stage == StageFinal):
		s.settle(c, sent, c.last().result(stage))
	case stage == StageFinal:
		s.tell(sent, Result{Stage: stage, Err: fmt.Errorf("%w (%w)", ErrUnconfirmed, err)})
	default:
		s.tell(sent, Result{Stage: stage, Err: fmt.Errorf("sending the message: %w", err)})
	}
	s.keep(cur)
	return err
}

// final reads the reply to the final dot.
func (s *sending) final(c *conn, sent *taken) error {
	code, err := c.read(s.hop.c.FinalTimeout)
	if err == nil && code/100 == 3 {
		err = fmt.Errorf("%w: %w", errProtocol, c.last())
	}
	if err != nil {
		s.tell(sent, Result{Stage: StageFinal, Err: fmt.Errorf("%w (%w)", ErrUnconfirmed, err)})
		return err
	}
	r := c.last()
	s.settle(c, sent, r.result(StageFinal))
	if code == closing {
		return r
	}
	return nil
}

// opened reads the replies to the commands of cur and says whether its message
// may follow. Otherwise cur has been reported, or waits for another connection.
func (s *sending) opened(c *conn, cur *taken) (goAhead bool, err error) {
	stage, refusal, err := c.opened(&cur.Transaction)
	switch {
	case refusal.code == 530 && stage == StageMail: // RFC 3207 section 4, RFC 4954 section 6
		// Another hop may take it; else this is what became of it.
		cur.last = Result{Stage: stage, Code: refusal.code, Enhanced: refusal.enhanced, Text: refusal.text, Err: errUnwilling}
		cur.offers++
		s.keep(cur)
		return false, fmt.Errorf("%w: %w", errUnwilling, refusal)
	case refusal.code != 0:
		s.settle(c, cur, refusal.result(stage))
		return false, err
	case err != nil:
		s.interrupted(c, cur, stage, err)
		return false, err
	}
	return true, nil
}

// interrupted keeps a transaction whose commands a lost connection has left
// open: nothing of its message was sent. It is offered over one more
// connection, no more, lest it ends that too.
func (s *sending) interrupted(c *conn, t *taken, stage Stage, err error) {
	t.last = Result{Stage: stage, Err: err}
	if r := (reply{}); errors.As(err, &r) {
		t.last = r.result(stage)
	}
	if !c.stale() {
		t.offers++
	}
	if t.offers > 1 {
		s.tell(t, t.last)
		return
	}
	s.keep(t)
}

// keep puts transactions that were not begun behind those that wait already;
// nil is none.
func (s *sending) keep(ts ...*taken) {
	for _, t := range ts {
		if t != nil {
			s.waiting = append(s.waiting, t)
		}
	}
}

// settle reports a transaction that the next hop has decided on, over c.
func (s *sending) settle(c *conn, t *taken, r Result) {
	s.settled++
	r.TLS = c.tls
	s.tell(t, r)
}

func (s *sending) tell(t *taken, r Result) { s.report(t.Transaction, r) }

// abandon reports what waits, because no hop is left, and returns why.
func (s *sending) abandon(err error) error {
	for _, t := range s.waiting {
		r := t.last
		if t.offers == 0 {
			r = Result{Stage: StageConnect, Err: err}
		}
		s.tell(t, r)
	}
	s.waiting = nil
	return err
}

// stale says whether the connection came from the pool and had been closed
// there by the other side, which says nothing about the hop.
func (c *conn) stale() bool { return c.reused && !c.heard }

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
