package smime_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func layers(m *smime.Message) string {
	var out []string
	for _, l := range m.Layers {
		s := l.Path + ":" + string(l.Type)
		if l.Form != "" {
			s += "/" + string(l.Form)
		}
		if !l.Counts {
			s += "(aside)"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// retype writes another Content-Type over the one of an entity.
func retype(e *entity.Entity, contentType string) *entity.Entity {
	var b strings.Builder
	for _, f := range e.Header() {
		if f.Is("Content-Disposition") {
			continue
		}
		if f.Is("Content-Type") {
			b.WriteString("Content-Type: " + contentType + "\r\n")
			continue
		}
		b.Write(f.Raw)
	}
	return smimetest.Entity(b.String() + "\r\n" + string(e.Body()))
}

func TestOpen(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("Grüße\r\n")
	signed, opaque := w.alice.Sign(text), w.alice.Sign(text, smimetest.OpaqueForm)
	encrypted := w.encrypt(opaque)
	signedNoType := retype(opaque, "application/pkcs7-mime")
	for name, tc := range map[string]struct {
		in      *entity.Entity
		layers  string
		reason  trust.Reason
		payload *entity.Entity // nil: the message itself
		content *entity.Entity
	}{
		"plain":                 {text, "", "unsigned", nil, nil},
		"S detached":            {signed, "1:signed/detached", "", nil, text},
		"S opaque":              {opaque, "1:signed/opaque", "", nil, text},
		"E":                     {w.encrypt(text), "1:enveloped", "unsigned", text, text},
		"AE":                    {w.encryptGCM(text), "1:authEnveloped", "unsigned", text, text},
		"E(S)":                  {w.encrypt(signed), "1:enveloped 1.1:signed/detached", "", signed, text},
		"E(S opaque)":           {encrypted, "1:enveloped 1.1:signed/opaque", "", opaque, text},
		"AE(S)":                 {w.encryptGCM(signed), "1:authEnveloped 1.1:signed/detached", "", signed, text},
		"S(E(S))":               {w.alice.Sign(w.encrypt(signed)), "1:signed/detached 1.1:enveloped 1.1.1:signed/detached", "", signed, text},
		"S opaque(E(S opaque))": {w.alice.Sign(encrypted, smimetest.OpaqueForm), "1:signed/opaque 1.1:enveloped 1.1.1:signed/opaque", "", opaque, text},
		"S(S)":                  {w.gateway.Sign(signed), "1:signed/detached 1.1:signed/detached", "", nil, text},
		"E(S(S))":               {w.encrypt(w.gateway.Sign(signed)), "1:enveloped 1.1:signed/detached 1.1.1:signed/detached", "", w.gateway.Sign(signed), text},
		"C(S)":                  {smimetest.Compress(signed), "1:compressed 1.1:signed/detached", "", nil, text},
		"S(C)":                  {w.alice.Sign(smimetest.Compress(text)), "1:signed/detached 1.1:compressed", "", nil, text},
		"E(C(S))":               {w.encrypt(smimetest.Compress(signed)), "1:enveloped 1.1:compressed 1.1.1:signed/detached", "", smimetest.Compress(signed), text},

		"no smime-type":          {signedNoType, "1:signed/opaque", "", nil, text},
		"wrong smime-type":       {retype(opaque, "application/pkcs7-mime; smime-type=enveloped-data"), "1:signed/opaque", "", nil, text},
		"wrong smime-type on E":  {retype(encrypted, "application/pkcs7-mime; smime-type=signed-data"), "1:enveloped 1.1:signed/opaque", "", opaque, text},
		"x-pkcs7-mime":           {retype(opaque, "application/x-pkcs7-mime; name=smime.p7m"), "1:signed/opaque", "", nil, text},
		"octet-stream .p7m":      {retype(encrypted, "application/octet-stream; name=\"SMIME.P7M\""), "1:enveloped 1.1:signed/opaque", "", opaque, text},
		"octet-stream other":     {retype(opaque, "application/octet-stream; name=report.pdf"), "", "unsigned", nil, nil},
		"pkcs7-signature opaque": {retype(opaque, "application/pkcs7-signature"), "1:signed/opaque", "", nil, text},
		"x-pkcs7-signature": {smimetest.Entity(strings.ReplaceAll(string(signed.Octets()), "application/pkcs7-signature", "application/x-pkcs7-signature")),
			"1:signed/detached", "", nil, text},
		"no protocol": {smimetest.Entity(strings.Replace(string(signed.Octets()), "protocol=\"application/pkcs7-signature\"", "x=y", 1)),
			"1:signed/detached", "", nil, text},
		"signature as octet-stream .p7s": {smimetest.Entity(strings.Replace(string(signed.Octets()), "Content-Type: application/pkcs7-signature; name", "Content-Type: application/octet-stream; name", 1)),
			"1:signed/detached", "", nil, text},
		"bare LF":          {smimetest.Entity(strings.ReplaceAll(string(signed.Octets()), "\r\n", "\n")), "1:signed/detached", "", nil, text},
		"never closed":     {smimetest.Entity(string(signed.Octets()[:bytes.LastIndex(signed.Octets(), []byte("--sealist"))])), "1:signed/detached", "", nil, text},
		"no CTE":           {smimetest.Entity("Content-Type: application/pkcs7-mime\r\n\r\n" + string(opaque.Body())), "1:signed/opaque", "", nil, text},
		"PEM":              {smimetest.Entity("Content-Type: application/pkcs7-mime\r\n\r\n-----BEGIN PKCS7-----\n" + string(opaque.Body()) + "-----END PKCS7-----\n"), "1:signed/opaque", "", nil, text},
		"binary":           {smimetest.Entity("Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + string(smimetest.DER(opaque))), "1:signed/opaque", "", nil, text},
		"quoted-printable": {smimetest.Entity("Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quotedPrintable(smimetest.DER(opaque))), "1:signed/opaque", "", nil, text},

		"mixed of one":           {smimetest.Multipart("mixed", opaque), "1.1:signed/opaque(aside)", "not_outermost", nil, nil},
		"signed beside":          {smimetest.Multipart("mixed", smimetest.Text("footer"), signed), "1.2:signed/detached(aside)", "not_outermost", nil, nil},
		"encrypted beside":       {smimetest.Multipart("mixed", smimetest.Text("x"), encrypted), "1.2:enveloped(aside)", "unsigned", nil, nil},
		"attached signed mail":   {smimetest.Multipart("mixed", smimetest.Text("x"), smimetest.Entity("Content-Type: message/rfc822\r\n\r\n"+string(w.mail(signed)))), "1.2.1:signed/detached(aside)", "not_outermost", nil, nil},
		"signature file alone":   {smimetest.Multipart("mixed", smimetest.Text("x"), retype(smimetest.CMS(w.alice.SignDER([]byte("x")), "", "smime.p7s"), "application/pkcs7-signature")), "", "unsigned", nil, nil},
		"S of mixed with E":      {w.alice.Sign(smimetest.Multipart("mixed", smimetest.Text("x"), encrypted)), "1:signed/detached 1.1.2:enveloped(aside)", "", nil, smimetest.Multipart("mixed")},
		"compressed beside":      {smimetest.Multipart("mixed", smimetest.Compress(signed)), "1.1:compressed(aside)", "unsigned", nil, nil},
		"signed in signed aside": {smimetest.Multipart("mixed", w.gateway.Sign(signed)), "1.1:signed/detached(aside) 1.1.1:signed/detached(aside)", "not_outermost", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			octets := w.mail(tc.in)
			if name == "binary" { // Mail would mend the line ends
				octets = append([]byte("From: "+w.alice.Address+"\r\n"), tc.in.Octets()...)
			}
			if strings.Contains(name, "bare LF") {
				octets = bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n"))
			}
			m, a := w.read(t, octets)
			if m.Err != nil {
				t.Fatalf("%v: %s", m.Err, layers(m))
			}
			if got := layers(m); got != tc.layers {
				t.Errorf("layers %s\n   want %s", got, tc.layers)
			}
			if a.Reason != tc.reason || a.Authenticated != (tc.reason == "") {
				t.Errorf("authenticated %t, reason %q, want %q", a.Authenticated, a.Reason, tc.reason)
			}
			if a.Authenticated && (a.Author != w.alice.Address || !a.Signer.Certificate.Equal(w.alice.Certificate)) {
				t.Errorf("author %q", a.Author)
			}
			if encrypted := strings.Contains(tc.layers, "nveloped") && !strings.Contains(tc.layers, "nveloped(aside)"); m.Encrypted != encrypted {
				t.Errorf("encrypted %t", m.Encrypted)
			}
			// Signing or compressing the same entity again gives other octets, so those cases are only told apart from the message.
			switch {
			case tc.payload == nil && m.Payload != m.Outer:
				t.Error("the payload is not the message")
			case tc.payload == text || tc.payload == signed || tc.payload == opaque:
				if !bytes.Equal(m.Payload.Octets(), entity.Canonical(tc.payload.Octets())) {
					t.Errorf("payload %q", m.Payload.Octets())
				}
			}
			switch {
			case tc.content == nil && m.Content != m.Outer:
				t.Error("the content is not the message")
			case tc.content == text && !bytes.Equal(entity.Canonical(m.Content.Octets()), text.Octets()):
				t.Errorf("content %q", m.Content.Octets())
			}
		})
	}
}

func quotedPrintable(b []byte) string {
	var s strings.Builder
	for i, c := range b {
		fmt.Fprintf(&s, "=%02X", c)
		if i%20 == 19 {
			s.WriteString("=\r\n")
		}
	}
	return s.String()
}

// TestSignedOctetsOnTheWire: the CRLF in front of a boundary belongs to it (RFC 2046 section 5.1.1), every other octet is signed.
func TestSignedOctetsOnTheWire(t *testing.T) {
	w := theWorld()
	for _, body := range []string{"", "x", "x\r\n", "x\r\n\r\n", "trailing \t \r\n", "\r\nx", strings.Repeat("long ", 2000), "--\r\n-- \r\n", "8bit \xff\xfe\r\n", "bare \r CR"} {
		content := smimetest.Entity("Content-Type: text/plain\r\n\r\n" + body)
		octets := w.mail(w.alice.Sign(content))
		if m, a := w.read(t, octets); !a.Authenticated || !bytes.Equal(m.Content.Octets(), content.Octets()) {
			t.Errorf("%q: %s, content %q", body, a.Reason, m.Content.Octets())
		}
		at := bytes.Index(octets, []byte("Content-Type: text/plain\r\n\r\n"+body)) + len("Content-Type: text/plain\r\n\r\n"+body)
		for _, change := range []string{"\r\n", " ", "\t\r\n"} {
			changed := append(append(append([]byte{}, octets[:at]...), change...), octets[at:]...)
			if _, a := w.read(t, changed); a.Reason != trust.Altered {
				t.Errorf("%q with %q behind it: %q", body, change, a.Reason)
			}
		}
	}
}

// TestSealIsWhole: what Seal makes is a message of its own, with outer fields, and opens to the same octets for each recipient.
func TestSealIsWhole(t *testing.T) {
	w := theWorld()
	payload := w.alice.Sign(smimetest.Text("to all"))
	for _, c := range []string{"compatible", "modern"} {
		e := w.encrypt(payload)
		if c == "modern" {
			e = w.encryptGCM(payload)
		}
		for _, line := range bytes.Split(e.Octets(), []byte("\r\n")) {
			if len(line) > 76 {
				t.Errorf("%s: a line of %d columns", c, len(line))
			}
		}
		m := smime.Open(e, w.options(w.list))
		if m.Err != nil || !bytes.Equal(m.Payload.Octets(), payload.Octets()) {
			t.Errorf("%s: %v", c, m.Err)
		}
		_, params := e.MediaType()
		if want := map[string]string{"compatible": "enveloped-data", "modern": "authEnveloped-data"}[c]; params["smime-type"] != want {
			t.Errorf("smime-type %q, want %q", params["smime-type"], want)
		}
	}
}

func TestSealRefusesBrokenHeader(t *testing.T) {
	w := theWorld()
	s, err := smime.NewSealer(smimetest.Text("x"), 0)
	if err != nil {
		t.Fatal(err)
	}
	rcpts := []*cms.Recipient{w.list.Recipient(cms.RecipientOptions{})}
	for _, header := range []string{"A: b", "A: b\n", "A: b\r\n\r\nbody\r\n", "\r\nbody\r\n", "A: b\r\n\r\n"} {
		if _, err := s.Seal([]byte(header), rcpts); !errors.Is(err, smime.ErrHeader) {
			t.Errorf("%q: %v", header, err)
		}
	}
	if sealed, err := s.Seal([]byte("A: b\r\n"), rcpts); err != nil || !bytes.HasPrefix(sealed.Head, []byte("A: b\r\nMIME-Version: 1.0\r\n")) || sealed.Size() != len(sealed.Octets()) {
		t.Error(err)
	}
	if s.String() != "sealer" || fmt.Sprintf("%+v", s) != "sealer" {
		t.Error("a sealer prints itself")
	}
}

// TestContentTypes: the CMS content type decides what a layer is; what is no MIME content is not read as such.
func TestContentTypes(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("x")
	opaque := w.alice.SignDER(text.Octets(), smimetest.OpaqueForm)
	zero := readDER(opaque)
	signerInfos(zero).children = nil
	bag := zero.clone()
	bag.at(1, 0, 2).children = bag.at(1, 0, 2).children[:1]
	emptyBag := zero.clone()
	emptyBag.at(1, 0, 2, 1, 0).value = nil
	tst := oidNode(1, 2, 840, 113549, 1, 9, 16, 1, 4)
	signedToken := readDER(opaque)
	signedToken.at(1, 0, 2).children[0] = tst
	sealedToken := readDER(smimetest.DER(w.encrypt(text)))
	sealedToken.at(1, 0, -1).children[0] = tst
	for name, tc := range map[string]struct {
		der    []byte
		layers string
		err    error
	}{
		"certificates only":           {bag.der(), "1:certsOnly", nil},
		"certificates, empty content": {emptyBag.der(), "1:certsOnly", nil},
		"content without a signer":    {zero.der(), "1:signed/opaque", nil},
		"signed timestamp token":      {signedToken.der(), "1:signed/opaque", smime.ErrMalformed},
		"encrypted timestamp token":   {sealedToken.der(), "1:enveloped", smime.ErrMalformed},
		"data":                        {sequence(oidNode(1, 2, 840, 113549, 1, 7, 1), &node{tag: []byte{0xa0}, children: []*node{octetString(text.Octets())}}).der(), "1:other", smime.ErrMalformed},
		"certificate":                 {w.alice.Certificate.Raw, "1:other", smime.ErrMalformed},
	} {
		m, a := w.read(t, w.mail(smimetest.CMS(tc.der, "", "smime.p7m")))
		if layers(m) != tc.layers || !errors.Is(m.Err, tc.err) || a.Authenticated {
			t.Errorf("%s: %s, %v, authenticated %t", name, layers(m), m.Err, a.Authenticated)
		}
	}
}
