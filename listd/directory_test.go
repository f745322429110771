package listd_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// directoryWorld is a world whose members' certificates are in slapd alone, reached at url ("": its own).
func directoryWorld(t *testing.T, url func(slapdURL string) string, entries ...string) (*world, *peer.Slapd) {
	t.Helper()
	w := newWorld(t)
	w.must(w.sealist.Close())
	var people []peer.Entry
	for _, name := range entries {
		people = append(people, peer.Person(name, name+"@example.org", w.people[name].Certificate.Raw))
	}
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Entries: people})
	w.config.Directories = []config.Directory{{
		Name: "corp", Preset: "openldap", URLs: []string{url(slapd.URL)}, BaseDN: peer.SlapdPeopleDN, BindDN: peer.SlapdServiceDN,
		BindPasswordFile: w.file("ldap_password", []byte(peer.SlapdServiceSecret+"\n")),
		Timeout:          config.Duration(time.Second), ConnectTimeout: config.Duration(time.Second),
	}}
	w.config.Resolver.Order = []string{"corp"}
	w.config.Harvest.Enabled = false
	w.config.Complete()
	w.open()
	return w, slapd
}

func direct(url string) string { return url }

// TestPostAsksNoDirectory: what is kept answers for every member, also in a new process; what is flushed does not.
func TestPostAsksNoDirectory(t *testing.T) {
	w, slapd := directoryWorld(t, direct, "alice", "bob", "carol")
	w.start()
	post := func(what string) {
		t.Helper()
		_, deliveries := w.settled(w.send("alice@example.org", secretList,
			smimetest.Mail("alice@example.org", secretList, what, smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList]))))
		for _, d := range deliveries {
			if d.State != store.DeliveryRelayed {
				t.Errorf("%s: %s is %s (%s)", what, d.Address, d.State, d.Reason)
			}
		}
	}
	post("cold")
	cold := slapd.Searches()
	if cold == 0 {
		t.Fatal("nobody was asked: the test proves nothing")
	}
	post("warm")
	w.stop()
	w.open()
	w.start()
	post("after a restart")
	if n := slapd.Searches() - cold; n != 0 {
		t.Errorf("%d searches with everything kept", n)
	}
	_, err := w.sealist.Store.DropAnswers(t.Context(), store.AnswerFilter{})
	w.must(err)
	w.until("the server has heard of it", func() bool {
		post("after a flush")
		return slapd.Searches() > cold
	})
}

// TestNobodyIsAskedOnceMore: "there is none" that is older than five minutes is asked about again before a copy is withheld;
// younger it is not.
func TestNobodyIsAskedOnceMore(t *testing.T) {
	w, slapd := directoryWorld(t, direct, "alice", "bob")
	w.start()
	carol := func() store.Delivery {
		t.Helper()
		_, deliveries := w.settled(w.send("alice@example.org", secretList,
			smimetest.Mail("alice@example.org", secretList, "x", smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList]))))
		for _, d := range deliveries {
			if d.Kind == store.KindCopy && d.Address.Local() == "carol" {
				return d
			}
		}
		t.Fatal("no row for carol")
		return store.Delivery{}
	}
	if d := carol(); d.State != store.DeliveryWithheld {
		t.Fatalf("%+v", d)
	}
	before := slapd.Searches()
	slapd.Add(peer.Person("carol", "carol@example.org", w.people["carol"].Certificate.Raw))
	w.ahead.Add(int64(2 * time.Minute))
	if d := carol(); d.State != store.DeliveryWithheld || slapd.Searches() != before {
		t.Errorf("after two minutes: %s, %d searches", d.State, slapd.Searches()-before)
	}
	w.ahead.Add(int64(10 * time.Minute))
	if d := carol(); d.State != store.DeliveryRelayed {
		t.Errorf("after twelve minutes: %s (%s)", d.State, d.Reason)
	}
}

// TestDirectoryOutageDelays: whatever the only server does, a copy waits, nobody is told that he has no certificate, and the
// copy leaves when the directory is back.
func TestDirectoryOutageDelays(t *testing.T) {
	for name, fault := range map[string]func(client, server net.Conn){
		"drops":   func(client, _ net.Conn) {},
		"hangs":   func(client, _ net.Conn) { io.Copy(io.Discard, client) },
		"garbage": func(client, _ net.Conn) { io.WriteString(client, "HTTP/1.1 503 Service Unavailable\r\n\r\n") },
		"closes after bind": func(client, server net.Conn) {
			go io.Copy(server, client)
			io.CopyN(client, server, 14) // a BindResponse without texts
		},
		"resets amid the answer": func(client, server net.Conn) {
			go io.Copy(server, client)
			io.CopyN(client, server, 14+40)
			client.(*net.TCPConn).SetLinger(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			broken.Store(true)
			w, _ := directoryWorld(t, func(url string) string {
				return "ldap://" + between(t, strings.TrimPrefix(url, "ldap://"), func(client, server net.Conn) {
					if broken.Load() {
						fault(client, server)
						return
					}
					go io.Copy(server, client)
					io.Copy(client, server)
				})
			}, "alice", "bob", "carol")
			w.start()
			item := w.send("alice@example.org", secretList,
				smimetest.Mail("alice@example.org", secretList, "x", smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList])))
			var all []store.Delivery
			states := func(want store.DeliveryState) func() bool {
				return func() bool {
					var err error
					all, err = w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: item.ID})
					w.must(err)
					n := 0
					for _, d := range all {
						if d.State == want {
							n++
						}
					}
					return n == 3
				}
			}
			w.until("three copies are delayed", states(store.DeliveryDelayed))
			for _, d := range all {
				if d.Kind != store.KindCopy || !strings.Contains(d.Reason, "corp") && !strings.Contains(d.Reason, "ldap") {
					t.Errorf("%s to %s: %s", d.Kind, d.Address, d.Reason)
				}
			}
			broken.Store(false)
			w.until("they are relayed", states(store.DeliveryRelayed))
			if len(all) != 3 {
				t.Errorf("%d rows: a notice about an outage?", len(all))
			}
		})
	}
}

// between is a proxy in front of a server that treats every connection as do says, and then ends it.
func between(t *testing.T, server string, do func(client, server net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				upstream, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer upstream.Close()
				do(client, upstream)
			}()
		}
	}()
	return l.Addr().String()
}

// TestGraceEndsInDelay: while the grace runs copies go on without a CRL; then they wait, and are not withheld; with the CRL
// they leave.
func TestGraceEndsInDelay(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	const url = "http://crl.example.org/ca.crl"
	for _, name := range []string{"alice", "bob", "carol"} {
		w.people[name] = w.ca.Issue(name+"@example.org", smimetest.CRLURL(url))
		w.file(filepath.Join("data", "X509-user-certs", name+"@example.org"), w.people[name].CertificatePEM())
	}
	var there atomic.Bool
	w.config.Trust.Revocation.URLMap = []config.URLMapping{{From: "http://crl.example.org", To: crlServer(t, &there, func() []byte {
		return w.ca.CRL(w.now().Add(-time.Minute), w.now().Add(time.Hour))
	})}}
	w.config.Trust.Revocation.Recipients.Grace = config.Duration(2 * time.Hour)
	w.config.Trust.Revocation.Signers.Grace = config.Duration(100 * time.Hour)
	w.config.Trust.Revocation.Check = []string{"crl"}
	w.config.Harvest.Enabled = false
	w.config.Complete()
	w.open()
	w.start()
	post := func() store.Item {
		return w.send("alice@example.org", secretList,
			smimetest.Mail("alice@example.org", secretList, "x", smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList])))
	}
	if _, deliveries := w.settled(post()); len(deliveries) != 3 || deliveries[0].State != store.DeliveryRelayed {
		t.Fatalf("in grace: %+v", deliveries)
	}
	w.ahead.Add(int64(3 * time.Hour))
	item := post()
	count := func(want store.DeliveryState) int {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: item.ID})
		w.must(err)
		n := 0
		for _, d := range all {
			if d.State == want {
				n++
			}
			if d.State == store.DeliveryWithheld || d.Kind == store.KindNotice {
				t.Fatalf("%+v", d)
			}
		}
		return n
	}
	w.until("three copies are delayed", func() bool { return count(store.DeliveryDelayed) == 3 })
	there.Store(true)
	_, err := w.sealist.Revocation.Fetch(t.Context(), "")
	w.must(err)
	w.until("they are relayed", func() bool {
		w.ahead.Add(int64(10 * time.Second)) // past the next attempt
		return count(store.DeliveryRelayed) == 3
	})
}

// crlServer serves a CRL while it is there.
func crlServer(t *testing.T, there *atomic.Bool, crl func() []byte) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !there.Load() {
			http.NotFound(rw, r)
			return
		}
		rw.Write(crl())
	}))
	t.Cleanup(server.Close)
	return server.URL
}
