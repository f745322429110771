package ldap_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/smime/smimetest"
)

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

const alice = "alice@corp.example"

// anyone is a value of a certificate's shape.
const anyone = "\x30\x03\x30\x01\x00"

// options for a directory on loopback with the openldap preset.
func options(urls ...string) ldap.Options {
	return ldap.Options{
		Name: "corp", Preset: "openldap", BaseDN: "dc=corp,dc=example",
		ClientOptions: ldap.ClientOptions{URLs: urls, Timeout: 5 * time.Second},
	}
}

func open(t *testing.T, o ldap.Options) *ldap.Directory {
	t.Helper()
	d, err := ldap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func ask(t *testing.T, d *ldap.Directory, address string) directory.Answer {
	t.Helper()
	answers := d.Lookup(t.Context(), []string{address})
	if len(answers) != 1 || answers[0].Address != address {
		t.Fatalf("%+v", answers)
	}
	return answers[0]
}

// TestMisbehavingServer: whatever a server does, the second one is used; alone, it is an outage and never an absence.
func TestMisbehavingServer(t *testing.T) {
	search := func(do func(*conversation, request)) func(*testing.T) *fake {
		return func(t *testing.T) *fake { return startFake(t, binding(do)) }
	}
	raw := func(octets string) func(*testing.T) *fake {
		return search(func(c *conversation, r request) { c.conn.Write([]byte(octets)); c.conn.Close() })
	}
	code := func(code int64) func(*testing.T) *fake {
		return search(func(c *conversation, r request) { c.done(r, code, "no") })
	}
	bindCode := func(code int64) func(*testing.T) *fake {
		return func(t *testing.T) *fake {
			return startFake(t, func(c *conversation, r request) { c.done(r, code, "no") })
		}
	}
	tests := map[string]func(*testing.T) *fake{
		"refuses connections": func(t *testing.T) *fake { f := startFake(t, nil); f.stop(); return f },
		"drops connections": func(t *testing.T) *fake {
			return startGreeting(t, answering(), func(net.Conn) bool { return false })
		},
		"hangs at bind":    func(t *testing.T) *fake { return startFake(t, func(*conversation, request) {}) },
		"hangs at search":  search(func(*conversation, request) {}),
		"resets at search": search(func(c *conversation, r request) { reset(c.conn) }),
		"closes after bind": func(t *testing.T) *fake {
			return startFake(t, func(c *conversation, r request) { c.done(r, 0, ""); c.conn.Close() })
		},
		"resets amid the answer": search(func(c *conversation, r request) { c.entry(r, "uid=a", "mail", alice); reset(c.conn) }),
		"hangs amid the answer":  search(func(c *conversation, r request) { c.entry(r, "uid=a", "mail", alice) }),
		"half a packet":          raw("\x30\x84\x00\x00\x10\x00\x02\x01\x02\x64"),
		"garbage":                raw("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"zeroes":                 raw(strings.Repeat("\x00", 4096)),
		"endless length":         raw("\x30\x84\x7f\xff\xff\xff\x02\x01\x02"),
		"deep nesting":           raw(strings.Repeat("\x30\x80", 100_000)),
		"another's answer":       search(func(c *conversation, r request) { r.id += 1000; c.done(r, 0, "") }),
		"an answer without result": search(func(c *conversation, r request) {
			c.conn.Write([]byte("\x30\x05\x02\x01" + string(rune(r.id)) + "\x65\x00"))
		}),
		"busy":                     code(goldap.LDAPResultBusy),
		"unavailable":              code(goldap.LDAPResultUnavailable),
		"unwilling":                code(goldap.LDAPResultUnwillingToPerform),
		"operations error":         code(goldap.LDAPResultOperationsError),
		"insufficient access":      code(goldap.LDAPResultInsufficientAccessRights),
		"no such base":             code(goldap.LDAPResultNoSuchObject),
		"refers elsewhere":         code(goldap.LDAPResultReferral),
		"an unheard-of code":       code(4711),
		"no results (client code)": code(goldap.LDAPResultNoResultsReturned),
		"wrong password":           bindCode(goldap.LDAPResultInvalidCredentials),
		"wants encryption":         bindCode(goldap.LDAPResultConfidentialityRequired),
	}
	for name, start := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := start(t)
			good := startFake(t, answering(person{alice, anyone}))
			o := options(bad.url)
			o.BindDN, o.BindPassword = "cn=lists", func() ([]byte, error) { return []byte("secret"), nil }
			o.Timeout, o.ConnectTimeout = 400*time.Millisecond, 200*time.Millisecond
			started := time.Now()
			alone := open(t, o)
			a := ask(t, alone, alice)
			if a.Outage() == nil || len(a.Candidates) != 0 {
				t.Errorf("alone: %+v", a)
			}
			if a.Err != nil && !strings.Contains(a.Err.Error(), bad.url) {
				t.Errorf("the error does not name the server: %v", a.Err)
			}
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			o.URLs = []string{bad.url, good.url}
			o.Timeout, o.ConnectTimeout = 2*time.Second, time.Second
			both := open(t, o)
			if a := ask(t, both, alice); a.Err != nil || len(a.Candidates) != 1 || a.Server != good.url {
				t.Errorf("with a second server: %+v", a)
			}
			if a := ask(t, both, "nobody@corp.example"); !errors.Is(a.Err, directory.ErrNotFound) {
				t.Errorf("with a second server, an address that nobody has: %v", a.Err)
			}
		})
	}
}

// TestStartTLSNeverGoesOnInClear: a server, or who sits before it, that refuses StartTLS counts as down.
func TestStartTLSNeverGoesOnInClear(t *testing.T) {
	ca := smimetest.NewCA("LDAP CA", smimetest.ECP256)
	certificate := serverCertificate(t, ca)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate)
	good := startFake(t, func(c *conversation, r request) {
		answering(person{alice, anyone})(c, r)
		if r.op == goldap.ApplicationExtendedRequest {
			c.handshake(certificate)
		}
	})
	refusing := func(code int64) func(*conversation, request) {
		return func(c *conversation, r request) {
			if r.op == goldap.ApplicationExtendedRequest {
				c.done(r, code, "no TLS here")
				return
			}
			answering(person{alice, anyone})(c, r)
		}
	}
	tests := map[string]func(*conversation, request){
		"refuses":          refusing(goldap.LDAPResultProtocolError),
		"is unavailable":   refusing(goldap.LDAPResultUnavailable),
		"agrees and hangs": refusing(goldap.LDAPResultSuccess),
		"agrees and goes on in clear": func(c *conversation, r request) {
			c.done(r, 0, "")
			c.done(request{id: 2, op: goldap.ApplicationBindRequest}, 0, "") // glued behind
		},
		"closes": func(c *conversation, r request) { c.conn.Close() },
		"shows another CA's certificate": func(c *conversation, r request) {
			answering(person{alice, anyone})(c, r)
			if r.op == goldap.ApplicationExtendedRequest {
				c.handshake(serverCertificate(t, smimetest.NewCA("Other", smimetest.ECP256)))
			}
		},
	}
	for name, handle := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := startFake(t, handle)
			o := options(bad.url)
			o.StartTLS, o.TLS = true, &tls.Config{RootCAs: roots}
			o.BindDN, o.BindPassword = "cn=lists", func() ([]byte, error) { return []byte("secret"), nil }
			o.Timeout, o.ConnectTimeout = 500*time.Millisecond, 300*time.Millisecond
			if a := ask(t, open(t, o), alice); a.Outage() == nil || len(bad.asked()) != 0 {
				t.Errorf("alone: %+v, asked %q", a, bad.asked())
			}
			o.URLs = []string{bad.url, good.url}
			o.Timeout, o.ConnectTimeout = 4*time.Second, 2*time.Second
			if a := ask(t, open(t, o), alice); a.Err != nil || a.Server != good.url {
				t.Errorf("with a second server: %+v", a)
			}
		})
	}
}

func serverCertificate(t *testing.T, ca *smimetest.CA) tls.Certificate {
	t.Helper()
	id := ca.Issue("ldap", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth),
		smimetest.KeyUsage(x509.KeyUsageDigitalSignature), func(t *smimetest.Template) { t.X509.IPAddresses = loopback })
	return tls.Certificate{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Private}
}

// TestTruncated: result code 4, or a server that sends more than was asked for, is a cut answer. It is divided as long as
// it can be, and never taken for an absence.
func TestTruncated(t *testing.T) {
	var people []person
	var addresses []string
	for i := range 40 {
		p := person{fmt.Sprintf("m%d@corp.example", i), anyone}
		people = append(people, p)
		addresses = append(addresses, p.mail)
	}
	addresses = append(addresses, "absent@corp.example", "crowd@corp.example")
	for name, limited := range map[string]bool{"code 4": true, "a server without limits": false} {
		t.Run(name, func(t *testing.T) {
			server := startFake(t, binding(func(c *conversation, r request) {
				found := 0
				for _, p := range people {
					if strings.Contains(r.filter, "(mail="+p.mail+")") {
						if found++; found > 3 && limited {
							c.done(r, goldap.LDAPResultSizeLimitExceeded, "")
							return
						}
						c.entry(r, "uid="+p.mail, "mail", p.mail, "userCertificate;binary", p.certificate)
					}
				}
				if strings.Contains(r.filter, "crowd@") {
					for i := range 1000 {
						if limited && i == 3 {
							c.done(r, goldap.LDAPResultSizeLimitExceeded, "")
							return
						}
						c.entry(r, fmt.Sprintf("uid=crowd%d", i), "mail", "crowd@corp.example", "userCertificate;binary", anyone)
					}
				}
				c.done(r, 0, "")
			}))
			d := open(t, options(server.url))
			answers := d.Lookup(t.Context(), addresses)
			for i, p := range people {
				if a := answers[i]; a.Err != nil || len(a.Candidates) != 1 || a.Candidates[0].Origin.Entry != "uid="+p.mail {
					t.Errorf("%s: %+v", p.mail, a)
				}
			}
			if a := answers[40]; !errors.Is(a.Err, directory.ErrNotFound) {
				t.Errorf("absent: %+v", a)
			}
			if a := answers[41]; a.Outage() == nil || !errors.Is(a.Err, ldap.ErrTruncated) {
				t.Errorf("crowd: %+v", a)
			}
			if h := d.Health()[0]; h.State != "up" {
				t.Errorf("a size limit made the server %+v", h)
			}
		})
	}
}

// TestOneAddressHarmsItselfOnly: a search the server does not like is divided until one address is left.
func TestOneAddressHarmsItselfOnly(t *testing.T) {
	server := startFake(t, binding(func(c *conversation, r request) {
		if strings.Contains(r.filter, "poison@") {
			c.done(r, goldap.LDAPResultOther, "internal error")
			return
		}
		answering(person{alice, anyone})(c, r)
	}))
	d := open(t, options(server.url))
	answers := d.Lookup(t.Context(), []string{"a@corp.example", "poison@corp.example", alice, "b@corp.example", "ALICE@corp.example"})
	if answers[1].Outage() == nil {
		t.Errorf("poison: %+v", answers[1])
	}
	for _, i := range []int{0, 3} {
		if !errors.Is(answers[i].Err, directory.ErrNotFound) {
			t.Errorf("%+v", answers[i])
		}
	}
	for _, i := range []int{2, 4} {
		if answers[i].Err != nil || len(answers[i].Candidates) != 1 {
			t.Errorf("%+v", answers[i])
		}
	}
}

// TestEntryThatDoesNotShowWhose: an entry that does not show the attribute it was found by is still found, one by one.
func TestEntryThatDoesNotShowWhose(t *testing.T) {
	server := startFake(t, binding(func(c *conversation, r request) {
		if strings.Contains(r.filter, alice) {
			c.entry(r, "uid=alice", "userCertificate", anyone)
		}
		c.done(r, 0, "")
	}))
	d := open(t, options(server.url))
	addresses := []string{"a@corp.example", "b@corp.example", alice, "c@corp.example"}
	for i, a := range d.Lookup(t.Context(), addresses) {
		if addresses[i] == alice && (a.Err != nil || len(a.Candidates) != 1) || addresses[i] != alice && !errors.Is(a.Err, directory.ErrNotFound) {
			t.Errorf("%+v", a)
		}
	}
}

// TestReferrals are reported and never followed: the server they name is not asked.
func TestReferrals(t *testing.T) {
	elsewhere := startFake(t, answering(person{alice, anyone}))
	server := startFake(t, binding(func(c *conversation, r request) {
		c.reference(r, elsewhere.url+"/dc=other")
		c.done(r, 0, "")
	}))
	a := ask(t, open(t, options(server.url)), alice)
	if !errors.Is(a.Err, directory.ErrNotFound) || len(a.Referrals) != 1 || elsewhere.dialled() != 0 {
		t.Errorf("%+v; the other server was dialled %d times", a, elsewhere.dialled())
	}
}

// TestBreaker: a server that is down is not asked again at once, then is, and comes first again.
func TestBreaker(t *testing.T) {
	broken := true
	var mu sync.Mutex
	first := startFake(t, binding(func(c *conversation, r request) {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			c.conn.Close()
			return
		}
		answering(person{alice, anyone})(c, r)
	}))
	second := startFake(t, answering(person{alice, anyone}))
	ticking := newClock()
	o := options(first.url, second.url)
	o.Clock = ticking.Now
	d := open(t, o)
	for range 5 {
		if a := ask(t, d, alice); a.Err != nil || a.Server != second.url {
			t.Fatalf("%+v", a)
		}
	}
	if n := len(first.asked()); n != 1 {
		t.Errorf("a server that is down was asked %d times", n)
	}
	if h := d.Health(); h[0].State != "down" || h[0].Error == "" || !h[0].NotBefore.Equal(ticking.Now().Add(time.Second)) || h[1].State != "up" || !h[1].Connected {
		t.Errorf("%+v", h)
	}
	ticking.Advance(2 * time.Second)
	ask(t, d, alice)
	if n := len(first.asked()); n != 2 {
		t.Errorf("after the pause it was asked %d times, want once more", n)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	ticking.Advance(10 * time.Second)
	if a := ask(t, d, alice); a.Err != nil || a.Server != first.url {
		t.Errorf("it is back: %+v", a)
	}
	if h := d.Health(); h[0].State != "up" {
		t.Errorf("%+v", h)
	}

	o.URLs = o.URLs[:1]
	mu.Lock()
	broken = true
	mu.Unlock()
	alone := open(t, o)
	ask(t, alone, alice)
	before := len(first.asked())
	if a := ask(t, alone, alice); a.Outage() == nil || len(first.asked()) != before || !strings.Contains(a.Err.Error(), "not asked again") {
		t.Errorf("alone, while it pauses: %+v", a)
	}
}

// TestStaleConnection: a connection that died while it lay idle costs no outage.
func TestStaleConnection(t *testing.T) {
	server := startFake(t, answering(person{alice, anyone}))
	ticking := newClock()
	o := options(server.url)
	o.Clock = ticking.Now
	d := open(t, o)
	ask(t, d, alice)
	server.mu.Lock()
	for _, c := range server.conns {
		reset(c)
	}
	server.mu.Unlock()
	if a := ask(t, d, alice); a.Err != nil {
		t.Errorf("after the server dropped the connection: %+v", a)
	}
	ask(t, d, alice)
	if n := server.dialled(); n != 2 {
		t.Errorf("%d connections were made, want 2", n)
	}
	ticking.Advance(2 * time.Minute)
	ask(t, d, alice)
	if n := server.dialled(); n != 3 {
		t.Errorf("%d connections were made, want a new one after the idle time", n)
	}
}

// TestCancel: a caller who leaves is gone at once, and the server is not blamed.
func TestCancel(t *testing.T) {
	arrived := make(chan struct{}, 1)
	server := startFake(t, binding(func(c *conversation, r request) {
		if strings.Contains(r.filter, "slow@") {
			arrived <- struct{}{}
			return
		}
		answering(person{alice, anyone})(c, r)
	}))
	o := options(server.url)
	o.Timeout = time.Minute
	d := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	a := d.Lookup(ctx, []string{"slow@corp.example"})[0]
	if a.Outage() == nil || !errors.Is(a.Err, context.Canceled) {
		t.Errorf("%+v", a)
	}
	if h := d.Health()[0]; h.State == "down" {
		t.Errorf("%+v", h)
	}
	if a := ask(t, d, alice); a.Err != nil || server.dialled() != 1 {
		t.Errorf("%+v on connection %d", a, server.dialled())
	}
}

// TestImpatientCallers: whether a server is down does not depend on how long its callers wait.
func TestImpatientCallers(t *testing.T) {
	for name, handle := range map[string]func(*conversation, request){
		"hangs at search": binding(func(*conversation, request) {}),
		"hangs at bind":   func(*conversation, request) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := startFake(t, handle), startFake(t, answering(person{alice, anyone}))
			o := options(first.url, second.url)
			o.BindDN, o.BindPassword = "cn=lists", func() ([]byte, error) { return []byte("secret"), nil }
			o.Timeout, o.ConnectTimeout = 600*time.Millisecond, 300*time.Millisecond
			o.Clock = newClock().Now
			d := open(t, o)
			hurried := func() directory.Answer {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				return d.Lookup(ctx, []string{alice})[0]
			}
			if a := hurried(); a.Outage() == nil {
				t.Errorf("%+v", a)
			}
			for start := time.Now(); d.Health()[0].State != "down"; time.Sleep(time.Millisecond) {
				if time.Since(start) > 10*time.Second {
					t.Fatal("nobody noticed that the first server hangs")
				}
			}
			for range 3 { // the first of them may still have to connect
				if a := hurried(); a.Err == nil && a.Server == second.url {
					return
				}
			}
			t.Error("the second server was not used")
		})
	}
}

// TestTimeoutEndsTheConnection: a connection on which an answer failed to come is not used again.
func TestTimeoutEndsTheConnection(t *testing.T) {
	var first *conversation
	var mu sync.Mutex
	server := startFake(t, binding(func(c *conversation, r request) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil || first == c {
			first = c // a black hole
			return
		}
		answering(person{alice, anyone})(c, r)
	}))
	ticking := newClock()
	o := options(server.url)
	o.Timeout, o.Clock = 300*time.Millisecond, ticking.Now
	d := open(t, o)
	if a := ask(t, d, alice); a.Outage() == nil {
		t.Errorf("%+v", a)
	}
	ticking.Advance(2 * time.Second)
	if a := ask(t, d, alice); a.Err != nil || server.dialled() != 2 {
		t.Errorf("%+v on connection %d", a, server.dialled())
	}
}

// TestBrokenFilter is our own fault, and no server is thought down for it.
func TestBrokenFilter(t *testing.T) {
	server := startFake(t, answering(person{alice, anyone}))
	client, err := ldap.NewClient(options(server.url).ClientOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Search(t.Context(), ldap.Request{Filter: "(mail=" + alice}); err == nil || client.Health()[0].State != "unused" {
		t.Errorf("%v, %+v", err, client.Health())
	}
	r, err := client.Search(t.Context(), ldap.Request{Filter: "(mail=" + alice + ")", Attributes: []string{"mail"}})
	if err != nil || len(r.Entries) != 1 || r.Server != server.url || r.Trusted {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestBusyServer is left alone for a while although its connection is sound.
func TestBusyServer(t *testing.T) {
	first := startFake(t, binding(func(c *conversation, r request) { c.done(r, goldap.LDAPResultBusy, "") }))
	second := startFake(t, answering(person{alice, anyone}))
	o := options(first.url, second.url)
	o.Clock = newClock().Now
	d := open(t, o)
	for range 5 {
		if a := ask(t, d, alice); a.Err != nil || a.Server != second.url {
			t.Errorf("%+v", a)
		}
	}
	if n := len(first.asked()); n != 1 {
		t.Errorf("the busy server was asked %d times", n)
	}
}

// TestManyAtOnce: one connection serves many callers, and one that waits holds up nobody.
func TestManyAtOnce(t *testing.T) {
	release := make(chan struct{})
	server := startFake(t, binding(func(c *conversation, r request) {
		if strings.Contains(r.filter, "slow@") {
			go func() { <-release; c.done(r, 0, "") }()
			return
		}
		answering(person{alice, anyone})(c, r)
	}))
	d := open(t, options(server.url))
	slow := make(chan directory.Answer, 1)
	go func() { slow <- d.Lookup(context.Background(), []string{"slow@corp.example"})[0] }()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				if a := d.Lookup(context.Background(), []string{alice})[0]; a.Err != nil {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	wg.Wait()
	close(release)
	if a := <-slow; !errors.Is(a.Err, directory.ErrNotFound) {
		t.Errorf("%+v", a)
	}
	if n := server.dialled(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

// TestWrongConfiguration names what is wrong before anything is asked.
func TestWrongConfiguration(t *testing.T) {
	for want, change := range map[string]func(*ldap.Options){
		"no URL":              func(o *ldap.Options) { o.URLs = nil },
		"in clear":            func(o *ldap.Options) { o.URLs = []string{"ldap://dc1.corp.example"} },
		"preset \"exchange\"": func(o *ldap.Options) { o.Preset = "exchange" },
		"no filter":           func(o *ldap.Options) { o.Preset = "custom" },
		"no attributes":       func(o *ldap.Options) { o.Preset, o.Filter = "custom", "(mail={addr})" },
		"no base_dn":          func(o *ldap.Options) { o.BaseDN = "" },
		"no name":             func(o *ldap.Options) { o.Name = "" },
		"neither {addr} nor":  func(o *ldap.Options) { o.Filter = "(objectClass=person)" },
		"the bare name":       func(o *ldap.Options) { o.Attributes = []string{"userCertificate;binary"} },
		"without a password":  func(o *ldap.Options) { o.BindDN = "cn=lists" },
	} {
		o := options("ldaps://dc1.corp.example")
		change(&o)
		if _, err := ldap.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error about %q", err, want)
		}
	}
}

// TestPasswordThatCannotBeRead is an outage with its cause, and the empty password is never sent: servers take that for
// an anonymous bind that has worked.
func TestPasswordThatCannotBeRead(t *testing.T) {
	server := startFake(t, answering(person{alice, anyone}))
	for name, password := range map[string]func() ([]byte, error){
		"no file": func() ([]byte, error) { return nil, errors.New("no such file") },
		"empty":   func() ([]byte, error) { return nil, nil },
	} {
		o := options(server.url)
		o.BindDN, o.BindPassword = "cn=lists", password
		if a := ask(t, open(t, o), alice); a.Outage() == nil || len(server.asked()) != 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
