package listd_test

import (
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestNoPaddingOracle is Vaudenay's attack on a captured post: blocks are
// appended to its ciphertext, and whether the last of them ends in valid
// padding must not be seen from outside (invariant 3). The author's signature
// would still verify over what he signed.
func TestNoPaddingOracle(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, secret := w.people["alice"], w.keys[secretList]
	for form, opts := range map[string][]smimetest.SignOption{"detached": nil, "opaque": {smimetest.OpaqueForm}} {
		captured := smimetest.Encrypt(alice.Sign(text, opts...), secret)
		for _, valid := range []bool{true, false} {
			e := withCiphertext(t, captured, func(c []byte) []byte {
				chosen, target := append([]byte(nil), c[len(c)-32:len(c)-16]...), c[len(c)-16:]
				if !valid {
					chosen[15] ^= 0x55 // the last octet of what will be the padding
				}
				garbage := make([]byte, 16)
				rand.Read(garbage)
				return append(append(append(append([]byte(nil), c...), garbage...), chosen...), target...)
			})
			before := len(w.sink.To(alice.Address))
			item, deliveries := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, e)))
			if item.State != store.ItemRejected {
				t.Errorf("%s, valid padding %t: %s", form, valid, item.State)
			}
			for _, d := range deliveries {
				if d.Kind != store.KindNotice || d.Notice.Template != "not_accepted" {
					t.Errorf("%s, valid padding %t: a delivery of kind %s", form, valid, d.Kind)
				}
			}
			if n := len(w.sink.To(alice.Address)) - before; n != 1 {
				t.Errorf("%s, valid padding %t: %d answers", form, valid, n)
			}
		}
	}
}

// withCiphertext gives an EnvelopedData other ciphertext octets.
func withCiphertext(t testing.TB, e *entity.Entity, change func([]byte) []byte) *entity.Entity {
	t.Helper()
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	var enveloped struct {
		Version    int
		Recipients asn1.RawValue
		Content    struct {
			Type      asn1.ObjectIdentifier
			Algorithm asn1.RawValue
			Encrypted asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(smimetest.DER(e), &info); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(info.Content.Bytes, &enveloped); err != nil {
		t.Fatal(err)
	}
	enveloped.Content.Encrypted.Bytes, enveloped.Content.Encrypted.FullBytes = change(enveloped.Content.Encrypted.Bytes), nil
	var err error
	if info.Content.Bytes, err = asn1.Marshal(enveloped); err != nil {
		t.Fatal(err)
	}
	info.Content.FullBytes = nil
	der, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return smimetest.CMS(der, "enveloped-data", "smime.p7m")
}

// TestFailuresAreOneAnswer is invariant 3: about an encrypted post whose author is not authenticated the outside learns one
// thing, whatever failed: the same reply by SMTP, and the same mail, if any. Mail to editors is left aside.
func TestFailuresAreOneAnswer(t *testing.T) {
	for _, policy := range []string{"refuse", "hold"} {
		for _, person := range []string{"alice", "mallory"} {
			t.Run(policy+" "+person, func(t *testing.T) {
				w := newWorld(t)
				w.set(openList, "unsigned_encrypted", policy)
				w.set(secretList, "unsigned_encrypted", policy)
				w.start()
				from := w.people[person].Address
				causes := w.failures(person)
				var first string
				for i, c := range causes {
					before := len(w.sink.To(from))
					reply := w.submit(from, c.to, mail(from, c.to, c.e))
					items := w.items()
					item, _ := w.settled(items[len(items)-1])
					if item.State == store.ItemDone {
						t.Errorf("%s was distributed", c.name)
					}
					outside := reply + "\n"
					for _, m := range w.sink.To(from)[before:] {
						outside += blanked(w.shown(m.Octets, person), c.to)
					}
					if i == 0 {
						first = outside
					} else if outside != first {
						t.Errorf("%s (%s) shows\n%s\nand %s\n%s", c.name, item.Reason, outside, causes[0].name, first)
					}
				}
				if person == "alice" && !strings.Contains(first, "was not distributed") {
					t.Errorf("a member hears nothing: %s", first)
				}
			})
		}
	}
}

// failure is an encrypted post whose author is not authenticated.
type failure struct {
	name string
	to   string
	e    *entity.Entity
}

// failures are encrypted posts of one person, of every kind that cannot be
// authenticated.
func (w *world) failures(person string) []failure {
	w.t.Helper()
	bob, self, key, other := w.people["bob"], w.people[person], w.keys[openList], w.keys[secretList]
	from := self.Address
	stranger := smimetest.NewCA("Elsewhere").Issue(from)
	expired := w.ca.Issue(from, smimetest.Validity(time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)))
	nobody := w.ca.Issue(from, smimetest.NoSAN)
	broken := smimetest.Entity(strings.Replace(string(self.Sign(text).Octets()), marker, "another-text-in-its-place", 1))
	garbage := withCiphertext(w.t, smimetest.Encrypt(text, key), func(c []byte) []byte { rand.Read(c); return c })
	seal := func(e *entity.Entity) *entity.Entity { return smimetest.Encrypt(e, key) }
	return []failure{
		{"another list's key", openList, smimetest.Encrypt(self.Sign(text), other)},
		{"garbage", openList, garbage},
		{"no MIME within", openList, seal(smimetest.Entity("\x00\x01\x02"))},
		{"unsigned", openList, seal(text)},
		{"badly signed", openList, seal(broken)},
		{"signed by another", openList, seal(bob.Sign(text))},
		{"signed by a stranger", openList, seal(stranger.Sign(text))},
		{"signed with an expired certificate", openList, seal(expired.Sign(text))},
		{"signed with a certificate for nobody", openList, seal(nobody.Sign(text))},
		{"signed long ago", openList, seal(self.Sign(text, smimetest.SignedAt(time.Now().AddDate(0, -1, 0))))},
		{"encrypted twice", openList, seal(seal(text))},
		{"signed outside", openList, self.Sign(seal(text))},
		{"for a list whose scenario refuses", secretList, smimetest.Encrypt(text, other)},
	}
}

// submit sends a message and returns the server's words to it, without the item's name.
func (w *world) submit(from, to string, octets []byte) string {
	w.t.Helper()
	c, err := smtp.Dial(w.addr)
	w.must(err)
	defer c.Close()
	w.must(c.Mail(from))
	w.must(c.Rcpt(to))
	id, err := c.Text.Cmd("DATA")
	w.must(err)
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(354)
	c.Text.EndResponse(id)
	w.must(err)
	d := c.Text.DotWriter()
	_, err = d.Write(octets)
	w.must(err)
	w.must(d.Close())
	code, text, err := c.Text.ReadResponse(0)
	words := strings.Fields(text)
	return fmt.Sprint(code, " ", strings.Join(words[:len(words)-1], " "), " ", err)
}

// blanked is a mail without what differs between any two: names and times.
func blanked(octets, listAddress string) string {
	local, _, _ := strings.Cut(listAddress, "@")
	var lines []string
	octets = strings.NewReplacer("=\r\n", "", local+"@", "LIST@", local+"-owner@", "LIST-owner@", "the list "+local, "the list LIST").Replace(octets)
	for line := range strings.Lines(octets) {
		switch name, _, _ := strings.Cut(strings.TrimPrefix(line, "HP-Outer: "), ":"); name {
		case "Date", "Message-ID", "In-Reply-To", "References", "Its Message-ID was", "Its date was":
			line = name + "\n"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}
