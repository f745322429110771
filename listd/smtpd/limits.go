package smtpd

import (
	"container/list"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Limits bound what one client network, or one domain, may do. 0 is no limit.
type Limits struct {
	Connections int // at a time; of a domain: those in whose transaction it is the reverse-path
	Messages    int // MAIL commands a minute; as many may come at once after a quiet minute
	Recipients  int // RCPT commands a minute, those that are refused included; likewise
}

// maxKnown is how many networks, and how many domains, a meter remembers. What
// it forgets is the one not seen for longest, which may then come as after a
// quiet minute.
const maxKnown = 10_000

// meter holds everybody, each by a name of his own, to the same limits.
type meter[K comparable] struct {
	limits Limits
	clock  func() time.Time

	mu    sync.Mutex
	open  map[K]int           // connections, without an entry for none
	known map[K]*list.Element // of an *account[K]
	order list.List           // the one not seen for longest first
}

// account is what one has left.
type account[K comparable] struct {
	key                  K
	messages, recipients bucket
}

func newMeter[K comparable](l Limits, clock func() time.Time) *meter[K] {
	return &meter[K]{limits: l, clock: clock, open: map[K]int{}, known: map[K]*list.Element{}}
}

// enter counts one more connection of k, unless it has too many. Each that was
// counted needs a leave.
func (m *meter[K]) enter(k K) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limits.Connections > 0 && m.open[k] >= m.limits.Connections {
		return false
	}
	m.open[k]++
	return true
}

func (m *meter[K]) leave(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[k]--; m.open[k] == 0 {
		delete(m.open, k)
	}
}

// message counts a message of k, unless it has sent too many.
func (m *meter[K]) message(k K) bool {
	return m.limits.Messages == 0 || m.spend(k, func(a *account[K]) *bucket { return &a.messages }, m.limits.Messages)
}

// recipient counts a recipient that k has named, unless it has named too many.
func (m *meter[K]) recipient(k K) bool {
	return m.limits.Recipients == 0 || m.spend(k, func(a *account[K]) *bucket { return &a.recipients }, m.limits.Recipients)
}

func (m *meter[K]) spend(k K, of func(*account[K]) *bucket, limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	return of(m.account(k, now)).take(now, float64(limit))
}

// account finds or opens an account, and forgets the oldest beyond maxKnown.
func (m *meter[K]) account(k K, now time.Time) *account[K] {
	if e, ok := m.known[k]; ok {
		m.order.MoveToBack(e)
		return e.Value.(*account[K])
	}
	if m.order.Len() >= maxKnown {
		oldest := m.order.Front()
		delete(m.known, oldest.Value.(*account[K]).key)
		m.order.Remove(oldest)
	}
	full := func(limit int) bucket { return bucket{left: float64(limit), at: now} }
	a := &account[K]{key: k, messages: full(m.limits.Messages), recipients: full(m.limits.Recipients)}
	m.known[k] = m.order.PushBack(a)
	return a
}

// bucket fills up within a minute and is emptied one by one. A clock that jumps
// back fills nothing.
type bucket struct {
	left float64
	at   time.Time
}

func (b *bucket) take(now time.Time, size float64) bool {
	if since := now.Sub(b.at); since > 0 {
		b.left = min(size, b.left+since.Minutes()*size)
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// network is what a client's address counts for.
func (s *Server) network(a netip.Addr) netip.Prefix {
	bits := s.c.IPv6Prefix
	if a.Is4() {
		bits = s.c.IPv4Prefix
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil { // no such prefix: the address by itself
		return netip.PrefixFrom(a, a.BitLen())
	}
	return p
}

// domainOf is the domain that a reverse-path counts for. The null reverse-path,
// which bounces have, counts for "<>": a flood of bounces waits at the mail
// server in front, and holds up nobody's posts.
func domainOf(reversePath string) string {
	if reversePath == "" {
		return "<>"
	}
	return strings.ToLower(reversePath[strings.LastIndexByte(reversePath, '@')+1:])
}

// admitMessage counts a message that is about to come with this reverse-path.
// A client of our own networks brings everybody's mail, so it is its domain
// that counts; of any other only its network does, for it could say any domain.
func (ses *session) admitMessage(reversePath string) error {
	if ses.conn.limited {
		if !ses.s.networks.message(ses.conn.network) {
			return fmt.Errorf("%w: network %s", errMessages, ses.conn.network)
		}
		return nil
	}
	domain := domainOf(reversePath)
	if !ses.s.senders.enter(domain) {
		return fmt.Errorf("%w: reverse-path domain %s", errTransactions, domain)
	}
	if !ses.s.senders.message(domain) {
		ses.s.senders.leave(domain)
		return fmt.Errorf("%w: reverse-path domain %s", errMessages, domain)
	}
	ses.tx.leave = func() { ses.s.senders.leave(domain) }
	return nil
}

// admitRecipient counts a recipient of the message that is about to come.
func (ses *session) admitRecipient(reversePath string) error {
	if ses.conn.limited {
		if !ses.s.networks.recipient(ses.conn.network) {
			return fmt.Errorf("%w: network %s", errRecipients, ses.conn.network)
		}
		return nil
	}
	if domain := domainOf(reversePath); !ses.s.senders.recipient(domain) {
		return fmt.Errorf("%w: reverse-path domain %s", errRecipients, domain)
	}
	return nil
}
