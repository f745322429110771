package listd_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// agents makes the two lists with a key mail list agents.
func (w *world) agents(kind list.Agent) {
	w.t.Helper()
	for _, address := range []string{secretList, openList} {
		l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
		w.must(err)
		l.Agent = kind
		w.must(w.sealist.Store.UpdateList(w.t.Context(), l))
	}
}

// subscribe makes one list a member of another.
func (w *world) subscribe(member, to string) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(to))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(w.t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress(member), Role: list.RoleMember}})
	w.must(err)
	w.file(filepath.Join("data", "X509-user-certs", member), w.keys[member].CertificatePEM())
}

// histories are the lists that the signed layers of a message name, from the outside in.
func (w *world) histories(octets []byte, key *smimetest.Identity) string {
	w.t.Helper()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	w.must(err)
	m := smime.Open(e, smime.Options{Keys: []cms.Key{key.DecryptKey()}})
	w.must(m.Err)
	smime.Authenticate(m, w.sealist.Trust, smime.Claim{Received: time.Now()})
	var layers []string
	for _, l := range m.Layers {
		name := "E"
		if l.Type == smime.Signed {
			s := l.Signers[0]
			if s.Err != nil || !s.Verdict.OK() {
				w.t.Errorf("a signature of %s does not hold: %v %s", s.Certificate.Subject, s.Err, s.Verdict.Reason)
			}
			name, _, _ = strings.Cut(s.Certificate.Subject.CommonName, "@")
			a, err := cms.ReadListAttributes(s.SignedAttributes)
			w.must(err)
			for _, d := range a.History {
				for address, id := range w.keys {
					if d.List.Matches(id.Certificate) {
						n, _, _ := strings.Cut(address, "@")
						name += "+" + n
					}
				}
			}
		}
		layers = append(layers, name)
	}
	return strings.Join(layers, " ")
}

// credential is an identity as other people's programs take it.
func credential(t *testing.T, id *smimetest.Identity) peer.Credential {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(id.Private)
	if err != nil {
		t.Fatal(err)
	}
	return peer.Credential{Certificate: id.Certificate.Raw, Key: pkcs8}
}

// withoutField takes all fields of a name out of the outer header.
func withoutField(octets []byte, name string) []byte {
	return regexp.MustCompile(`(?mi)^`+name+`:.*\r\n`).ReplaceAll(octets, nil)
}

// TestALoopThroughTwoListsStops: two lists are members of each other, and the
// next hop brings their copies back.
func TestALoopThroughTwoListsStops(t *testing.T) {
	w := newWorld(t)
	openssl := peer.NewOpenSSL(t)
	w.agents(list.RefuseLabels)
	w.subscribe(openList, secretList)
	w.subscribe(secretList, openList)
	w.start()
	alice := w.people["alice"]
	for _, c := range []struct {
		name             string
		post             *entity.Entity
		first, second    string
		sealed, signedBy bool
	}{
		{"sealed", smimetest.Encrypt(alice.Sign(text), w.keys[secretList]), "secret+secret E alice", "open+secret+open E alice", true, true},
		{"in clear", alice.Sign(smimetest.Text("hello\r\n")), "secret+secret alice", "open+secret+open alice", false, true},
	} {
		before := map[string]int{secretList: len(w.sink.To(secretList)), openList: len(w.sink.To(openList)), "bob": len(w.copies("bob"))}
		item, _ := w.settled(w.send("alice@example.org", secretList, mail("alice@example.org", secretList, c.post)))
		if item.State != store.ItemDone {
			t.Fatalf("%s: %s (%s; %s)", c.name, item.State, item.Reason, item.Detail)
		}
		toOpen := w.sink.To(openList)[before[openList]:]
		if len(toOpen) != 1 {
			t.Fatalf("%s: %d copies to the other list", c.name, len(toOpen))
		}
		if got := w.histories(toOpen[0].Octets, w.keys[openList]); got != c.first {
			t.Errorf("%s: the first list sends %s, want %s", c.name, got, c.first)
		}
		item, _ = w.settled(w.send(toOpen[0].ReversePath, openList, toOpen[0].Octets))
		if item.State != store.ItemDone {
			t.Fatalf("%s, at the second list: %s (%s; %s)", c.name, item.State, item.Reason, item.Detail)
		}
		back := w.sink.To(secretList)[before[secretList]:]
		if len(back) != 1 {
			t.Fatalf("%s: %d copies come back", c.name, len(back))
		}
		// Whoever is in between may drop fields; the history is signed.
		item, deliveries := w.settled(w.send(back[0].ReversePath, secretList, withoutField(back[0].Octets, "X-Loop")))
		if item.State != store.ItemRejected || item.Reason != "expansion_loop" || len(deliveries) != 0 {
			t.Errorf("%s, back again: %s (%s), %d deliveries", c.name, item.State, item.Reason, len(deliveries))
		}
		if !strings.Contains(w.logged(), "the mail list agent stopped a post") {
			t.Error("nobody is told of the loop")
		}

		bobs := w.copies("bob")[before["bob"]:]
		if len(bobs) != 2 {
			t.Fatalf("%s: bob has %d copies", c.name, len(bobs))
		}
		octets := bobs[1].Octets
		if got := w.histories(octets, w.people["bob"]); got != c.second {
			t.Errorf("%s: the second list sends %s, want %s", c.name, got, c.second)
		}
		if bytes.Contains(octets, []byte(marker)) {
			t.Error("the content is in clear")
		}
		anchors := [][]byte{w.ca.Certificate.Raw}
		var err error
		if octets, err = openssl.Verify(octets, anchors); err != nil {
			t.Fatalf("%s: OpenSSL and the list's signature: %v", c.name, err)
		}
		if c.sealed {
			if octets, err = openssl.Decrypt(octets, credential(t, w.people["bob"])); err != nil {
				t.Fatal(err)
			}
		}
		if octets, err = openssl.Verify(octets, anchors); err != nil || !bytes.Contains(octets, []byte("ello")) {
			t.Errorf("%s: OpenSSL and the author's signature: %v", c.name, err)
		}
	}
}

// TestWhatAMailListAgentRefuses: each for the reason that the listmaster reads.
func TestWhatAMailListAgentRefuses(t *testing.T) {
	w := newWorld(t)
	w.agents(list.RefuseLabels)
	w.start()
	alice, mallory, key := w.people["alice"], w.people["mallory"], w.keys[secretList]
	with := func(arc int, value []byte) smimetest.SignOption {
		oid := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, arc}
		der, err := asn1.Marshal(struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		}{oid, []asn1.RawValue{{FullBytes: value}}})
		w.must(err)
		return func(o *smime.SignOptions) { o.Attributes = [][]byte{der} }
	}
	label := with(2, []byte{0x31, 3, 6, 1, 42})
	history := with(3, append([]byte{0x30, 21, 0x30, 19, 4, 0}, "\x18\x0f20260101000000Z"...))
	signed := func() *entity.Entity { return alice.Sign(text) }
	for _, c := range []struct {
		name   string
		post   *entity.Entity
		state  store.ItemState
		reason string
	}{
		{"good", smimetest.Encrypt(signed(), key), store.ItemDone, ""},
		{"a label within", smimetest.Encrypt(alice.Sign(text, label), key), store.ItemRejected, "security_label"},
		{"a label outside", mallory.Sign(smimetest.Encrypt(signed(), key), label), store.ItemRejected, "security_label"},
		{"a broken history", mallory.Sign(smimetest.Encrypt(signed(), key), history), store.ItemRejected, "expansion_history"},
	} {
		item, _ := w.settled(w.send("alice@example.org", secretList, mail("alice@example.org", secretList, c.post)))
		if item.State != c.state || item.Reason != c.reason {
			t.Errorf("%s: %s (%s; %s), want %s (%s)", c.name, item.State, item.Reason, item.Detail, c.state, c.reason)
		}
	}
	w.agents(list.CarryLabels)
	if item, _ := w.settled(w.send("alice@example.org", secretList, mail("alice@example.org", secretList, smimetest.Encrypt(alice.Sign(text, label), key)))); item.State != store.ItemDone {
		t.Errorf("a label that is carried: %s (%s)", item.State, item.Reason)
	}
	w.stop()
	w.search(marker)
}

// TestAgentThatEncryptsAlways: a post in clear goes through two agents of which one or both encrypt what they distribute. The
// second takes the first one's signature off, and a loop is found all the same.
func TestAgentThatEncryptsAlways(t *testing.T) {
	w := newWorld(t)
	w.agents(list.RefuseLabels)
	w.subscribe(openList, secretList)
	w.subscribe(secretList, openList)
	w.start()
	alice := w.people["alice"]
	for _, c := range []struct{ policies, first, second string }{
		{"as-received always", "secret+secret alice", "open+secret+open E alice"},
		{"always always", "secret+secret E alice", "open+secret+open E alice"},
		{"always as-received", "secret+secret E alice", "open+secret+open E alice"},
	} {
		policies := strings.Fields(c.policies)
		w.set(secretList, "encryption", policies[0])
		w.set(openList, "encryption", policies[1])
		before := map[string]int{secretList: len(w.sink.To(secretList)), openList: len(w.sink.To(openList)), "bob": len(w.copies("bob"))}
		w.settled(w.send("alice@example.org", secretList, mail("alice@example.org", secretList, alice.Sign(smimetest.Text("hello\r\n")))))
		toOpen := w.sink.To(openList)[before[openList]:]
		if len(toOpen) != 1 {
			t.Fatalf("%s: %d copies to the other list", c.policies, len(toOpen))
		}
		if got := w.histories(toOpen[0].Octets, w.keys[openList]); got != c.first {
			t.Errorf("%s: the first list sends %s, want %s", c.policies, got, c.first)
		}
		item, _ := w.settled(w.send(toOpen[0].ReversePath, openList, toOpen[0].Octets))
		bobs, back := w.copies("bob")[before["bob"]:], w.sink.To(secretList)[before[secretList]:]
		if item.State != store.ItemDone || len(bobs) != 2 || len(back) != 1 {
			t.Fatalf("%s, at the second list: %s (%s; %s), %d and %d copies", c.policies, item.State, item.Reason, item.Detail, len(bobs), len(back))
		}
		if got := w.histories(bobs[1].Octets, w.people["bob"]); got != c.second {
			t.Errorf("%s: the second list sends %s, want %s", c.policies, got, c.second)
		}
		if item, _ = w.settled(w.send(back[0].ReversePath, secretList, withoutField(back[0].Octets, "X-Loop"))); item.Reason != "expansion_loop" {
			t.Errorf("%s, back again: %s (%s)", c.policies, item.State, item.Reason)
		}
	}
}
