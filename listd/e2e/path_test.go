package e2e

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// reader is a member who gets a copy: the identities that open it.
type reader struct {
	identities []*smimetest.Identity
	rsa        bool
}

// A post goes swaks → Postfix → listd over LMTP → slapd → Postfix → sink. Every member's copy is opened by OpenSSL, and
// by gpgsm and NSS where they can, and holds octet for octet what the author signed.
func TestAPostReachesEveryMemberSealed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postfix and slapd")
	}
	ca := smimetest.NewCA("Corp")
	openssl, gpgsm, nss := peer.NewOpenSSL(t), peer.NewGPGSM(t, ca.Certificate.Raw), peer.NewNSS(t, ca.Certificate.Raw)
	rsa := func(name string) *smimetest.Identity { return person(ca, name+"@corp.example") }
	anna, clara, dora := rsa("anna"), rsa("clara"), rsa("dora")
	bert := ca.Issue("bert@corp.example", smimetest.ECP256)
	emil := []*smimetest.Identity{rsa("emil"), rsa("emil")}
	readers := map[string]reader{
		"anna@corp.example":  {[]*smimetest.Identity{anna}, true},  // userCertificate; the author
		"bert@corp.example":  {[]*smimetest.Identity{bert}, false}, // userSMIMECertificate
		"clara@corp.example": {[]*smimetest.Identity{clara}, true}, // from a signed mail of hers
		"dora@corp.example":  {[]*smimetest.Identity{dora}, true},  // a PEM file
		"emil@corp.example":  {emil, true},                         // two devices
	}
	without := map[string]string{ // members and what "queue show" says of them
		"fred@corp.example": "expired", "gina@corp.example": "wrong_usage", "hugo@corp.example": "",
	}
	fred := ca.Issue("fred@corp.example", expired())
	gina := ca.Issue("gina@corp.example", smimetest.SignOnly)

	bertEntry := peer.Person("bert", "bert@corp.example")
	bertEntry.Attributes["userSMIMECertificate"] = []string{bundle(t, bert.Certificate)}
	server := ca.Issue("server@corp.example", forServers)
	directory := peer.StartSlapd(t, peer.SlapdOptions{
		Certificate: server.CertificatePEM(), Key: server.KeyPEM(), SimpleBindNeedsTLS: true,
		Entries: []peer.Entry{
			peer.Person("anna", "anna@corp.example", anna.Certificate.Raw), bertEntry,
			peer.Person("emil", "emil@corp.example", emil[0].Certificate.Raw, emil[1].Certificate.Raw),
			peer.Person("fred", "fred@corp.example", fred.Certificate.Raw),
			peer.Person("gina", "gina@corp.example", gina.Certificate.Raw),
		},
	})
	sink := peer.StartSink(t, peer.SinkOptions{})
	lmtp := "lmtp://" + peer.Loopback(peer.Port(t))
	postfix := peer.StartPostfix(t, peer.PostfixOptions{ListURL: lmtp, SinkAddr: sink.Addr})
	site := install(t, settings{listen: lmtp, relay: "smtp://" + postfix.ReinjectAddr, anchor: ca.PEM(), more: directorySettings(directory)}, buildPlain)
	site.write("ldap_password", []byte(peer.SlapdServiceSecret+"\n"))
	site.writeCertificate(dora)
	board := person(ca, boardList)
	members := slices.Concat(slices.Collect(maps.Keys(readers)), slices.Collect(maps.Keys(without)))
	site.createBoard(board, members...)
	site.must("list", "create", plainList, "--send", "public")
	site.must("member", "add", plainList, "clara@corp.example")
	site.start()

	// Clara's certificate is known only from a mail that she signs.
	hello := letter{"clara@corp.example", plainList, "Hello", "<1@corp.example>", openssl.Sign(text("Hello."), credential(clara))}
	deliver(t, postfix, hello)
	mails := sink.WaitFor("Clara's copy and the note about her certificate", func(m []peer.Mail) bool { return len(m) >= 2 })
	if copies := copiesOf(t, mails, plainList); len(copies) != 1 || !bytes.HasSuffix(copies[0].Octets, hello.entity) {
		t.Errorf("a plain list changed signed octets, or sent %d copies", len(copies))
	}

	// The post.
	content := text("The secret plan.")
	signed := openssl.Sign(content, credential(anna))
	sealed := openssl.Encrypt(signed, [][]byte{board.Certificate.Raw})
	plan := letter{"Anna Author <anna@corp.example>", boardList, "The plan", "<2@corp.example>", sealed}
	deliver(t, postfix, plan)
	const notes = 3 // Clara's copy from the plain list, and the notes to her and to Anna that their certificates were learnt
	mails = sink.WaitFor("a copy or a note for every member", func(m []peer.Mail) bool {
		return len(m) >= notes+len(members)
	})
	posts := site.waitState(2, "done")
	postfix.WaitEmpty()
	if n := len(sink.Mails()); n != notes+len(members) {
		t.Errorf("%d mails left, not %d", n, notes+len(members))
	}

	copies := copiesOf(t, mails, boardList)
	if len(copies) != len(readers) {
		t.Errorf("%d copies for %d members with a certificate", len(copies), len(readers))
	}
	for _, c := range copies {
		address := c.ForwardPaths[0]
		reader, known := readers[address]
		if !known || len(c.ForwardPaths) != 1 {
			t.Errorf("a copy to %v", c.ForwardPaths)
			continue
		}
		checkHeader(t, c, plan)
		for _, id := range reader.identities {
			opened, err := openssl.Decrypt(c.Octets, credential(id))
			if err != nil || !bytes.Equal(opened, signed) {
				t.Errorf("%s: openssl opens %d octets of %d: %v", address, len(opened), len(signed), err)
			}
			got, err := openssl.Verify(opened, [][]byte{ca.Certificate.Raw})
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: the author's signature over %d octets of %d: %v", address, len(got), len(content), err)
			}
		}
		for other, stranger := range readers {
			if _, err := openssl.Decrypt(c.Octets, credential(stranger.identities[0])); err == nil && other != address {
				t.Errorf("%s opens the copy of %s", other, address)
			}
		}
		if !reader.rsa {
			continue // gpgsm 2.2 cannot import EC keys, NSS 3.87 knows no ECDH in CMS
		}
		// One identity's key at a time is enough for a tool that picks by itself.
		id := credential(reader.identities[len(reader.identities)-1])
		if err := errors.Join(gpgsm.Import(id), nss.Import(id)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if opened, err := gpgsm.Decrypt(c.Octets); err != nil || !bytes.Equal(opened, signed) {
			t.Errorf("%s: gpgsm opens %d octets of %d: %v", address, len(opened), len(signed), err)
		}
		if opened, err := nss.Decrypt(c.Octets); err != nil || !bytes.Equal(opened, signed) {
			t.Errorf("%s: NSS opens %d octets of %d: %v", address, len(opened), len(signed), err)
		}
		if got, err := gpgsm.Verify(signed); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: gpgsm verifies: %v", address, err)
		}
	}
	for address, reason := range without {
		checkNotice(t, sink.To(address), string(content), func(m []byte) ([]byte, error) { return openssl.Verify(m, [][]byte{ca.Certificate.Raw}) })
		checkDelivery(t, posts[1], address, reason)
	}
}

// deliver hands a letter to Postfix as a mail program does.
func deliver(t *testing.T, postfix *peer.Postfix, l letter) {
	t.Helper()
	_, from, found := strings.Cut(strings.TrimSuffix(l.from, ">"), "<")
	if !found {
		from = l.from
	}
	if _, err := peer.Swaks(t, postfix.InAddr, from, []string{l.to}, l.octets()); err != nil {
		t.Fatal(err)
	}
}

// copiesOf are the copies of a list among mails.
func copiesOf(t *testing.T, mails []peer.Mail, list string) []peer.Mail {
	id := "<" + strings.Replace(list, "@", ".", 1) + ">"
	return slices.DeleteFunc(slices.Clone(mails), func(m peer.Mail) bool {
		return !strings.HasPrefix(m.ReversePath, "bounce+") || header(t, m).Get("List-Id") != id
	})
}

// checkHeader holds a copy's header against the author's: his fields stay, the list's are added.
func checkHeader(t *testing.T, c peer.Mail, l letter) {
	t.Helper()
	h := header(t, c)
	for name, want := range map[string]string{"From": l.from, "To": l.to, "Subject": l.subject, "Message-ID": l.id} {
		if values := h[canonical(name)]; len(values) != 1 || values[0] != want {
			t.Errorf("%v: %s is %q, not %q", c.ForwardPaths, name, values, want)
		}
	}
	if !strings.Contains(h.Get("List-Id"), "<board.lists.example.org>") {
		t.Errorf("%v: List-Id is %q", c.ForwardPaths, h.Get("List-Id"))
	}
	if h.Get("Sender") == "" || h.Get("Date") == "" {
		t.Errorf("%v: Sender is %q, Date is %q", c.ForwardPaths, h.Get("Sender"), h.Get("Date"))
	}
}

// checkNotice wants one mail, a note in clear that holds nothing of the content, under the list's signature, which Postfix has
// left whole.
func checkNotice(t *testing.T, mails []peer.Mail, content string, verify func([]byte) ([]byte, error)) {
	t.Helper()
	if len(mails) != 1 {
		t.Errorf("%d mails instead of one note", len(mails))
		return
	}
	m := mails[0]
	if m.ReversePath != "" || !strings.HasPrefix(header(t, m).Get("Auto-Submitted"), "auto-") {
		t.Errorf("the note to %v comes from <%s>, Auto-Submitted: %q", m.ForwardPaths, m.ReversePath, header(t, m).Get("Auto-Submitted"))
	}
	if strings.Contains(string(m.Octets), content) || strings.Contains(string(m.Octets), "pkcs7-mime") {
		t.Errorf("the note to %v holds the content, or something encrypted:\n%s", m.ForwardPaths, m.Octets)
	}
	if text, err := verify(m.Octets); err != nil || !strings.Contains(string(text), "What was found: ") {
		t.Errorf("the note to %v: %v\n%s", m.ForwardPaths, err, text)
	}
}

// checkDelivery wants the copy of a member withheld, for a reason.
func checkDelivery(t *testing.T, p post, address, reason string) {
	t.Helper()
	for _, d := range p.Deliveries {
		if d.Address == address && d.Kind == "copy" {
			if d.State != "withheld" || !strings.Contains(d.Reason, reason) {
				t.Errorf("the copy to %s is %s (%s), want withheld for %q", address, d.State, d.Reason, reason)
			}
			return
		}
	}
	t.Errorf("no copy to %s in the queue", address)
}
