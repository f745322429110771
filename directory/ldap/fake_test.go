package ldap_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// fake is an LDAP server that can misbehave: what slapd cannot be made to do on demand.
type fake struct {
	url    string
	listen net.Listener
	handle func(*conversation, request)
	greet  func(net.Conn) bool // false: the connection is dropped

	mu       sync.Mutex
	conns    []net.Conn
	searches []string // filters
	dials    int
}

type conversation struct {
	fake *fake
	conn net.Conn
	in   *bufio.Reader
}

// request is one LDAPMessage.
type request struct {
	id     int64
	op     int // 0 bind, 2 unbind, 3 search, 16 abandon, 23 extended
	filter string
	packet *ber.Packet
}

// startFake serves on a loopback port until the test ends. handle is called for each request of each connection.
func startFake(t *testing.T, handle func(*conversation, request)) *fake {
	t.Helper()
	return startGreeting(t, handle, nil)
}

func startGreeting(t *testing.T, handle func(*conversation, request), greet func(net.Conn) bool) *fake {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{url: "ldap://" + listen.Addr().String(), listen: listen, handle: handle, greet: greet}
	go f.serve()
	t.Cleanup(f.stop)
	return f
}

func (f *fake) stop() {
	f.listen.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func (f *fake) serve() {
	for {
		conn, err := f.listen.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.dials++
		f.mu.Unlock()
		if f.greet != nil && !f.greet(conn) {
			conn.Close()
			continue
		}
		go (&conversation{fake: f, conn: conn, in: bufio.NewReader(conn)}).run()
	}
}

func (c *conversation) run() {
	defer c.conn.Close()
	for {
		packet, err := ber.ReadPacket(c.in)
		if err != nil || len(packet.Children) < 2 {
			return
		}
		r := request{op: int(packet.Children[1].Tag), packet: packet}
		r.id, _ = packet.Children[0].Value.(int64)
		if r.op == goldap.ApplicationSearchRequest {
			r.filter, _ = goldap.DecompileFilter(packet.Children[1].Children[6])
			c.fake.mu.Lock()
			c.fake.searches = append(c.fake.searches, r.filter)
			c.fake.mu.Unlock()
		}
		c.fake.handle(c, r)
	}
}

func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.searches...)
}

func (f *fake) dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func (c *conversation) send(id int64, op *ber.Packet) {
	m := ber.NewSequence("LDAPMessage")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	c.conn.Write(m.Bytes())
}

// done ends an operation with a result code.
func (c *conversation) done(r request, code int64, diagnostic string) {
	tag := map[int]ber.Tag{goldap.ApplicationBindRequest: goldap.ApplicationBindResponse,
		goldap.ApplicationSearchRequest: goldap.ApplicationSearchResultDone, goldap.ApplicationExtendedRequest: goldap.ApplicationExtendedResponse}[r.op]
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, diagnostic, ""))
	c.send(r.id, op)
}

// entry sends one search result entry; attributes are name, value, name, value …
func (c *conversation) entry(r request, dn string, attributes ...string) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	list := ber.NewSequence("")
	for i := 0; i+1 < len(attributes); i += 2 {
		a := ber.NewSequence("")
		a.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, attributes[i], ""))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		set.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, attributes[i+1], ""))
		a.AppendChild(set)
		list.AppendChild(a)
	}
	op.AppendChild(list)
	c.send(r.id, op)
}

// reference sends a search result reference.
func (c *conversation) reference(r request, url string) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, url, ""))
	c.send(r.id, op)
}

// person is somebody in a well-behaved fake.
type person struct {
	mail, certificate string
}

// answering is a well-behaved server that knows these people and lets everybody in.
func answering(people ...person) func(*conversation, request) {
	return func(c *conversation, r request) {
		if r.op == goldap.ApplicationSearchRequest {
			for _, p := range people {
				if strings.Contains(r.filter, "(mail="+p.mail+")") {
					c.entry(r, "uid="+p.mail, "mail", p.mail, "userCertificate;binary", p.certificate)
				}
			}
		}
		if r.op != goldap.ApplicationUnbindRequest && r.op != goldap.ApplicationAbandonRequest {
			c.done(r, goldap.LDAPResultSuccess, "")
		}
	}
}

// binding lets everybody in and leaves the searches to another.
func binding(search func(*conversation, request)) func(*conversation, request) {
	return func(c *conversation, r request) {
		switch r.op {
		case goldap.ApplicationSearchRequest:
			search(c, r)
		case goldap.ApplicationBindRequest:
			c.done(r, goldap.LDAPResultSuccess, "")
		}
	}
}

// reset drops the connection so that the other side sees an error, not an end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// clock is a clock that only a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// handshake makes TLS of a conversation, as a server does after StartTLS.
func (c *conversation) handshake(certificate tls.Certificate) {
	secured := tls.Server(c.conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if secured.Handshake() == nil {
		c.conn, c.in = secured, bufio.NewReader(secured)
	}
}
