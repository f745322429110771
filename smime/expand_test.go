package smime_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// agent is a mail list agent: a list's identity, and what its messages are sealed to.
type agent struct {
	*smimetest.Identity
	o smime.ExpandOptions
}

func newAgent(id *smimetest.Identity) agent {
	return agent{id, smime.ExpandOptions{Own: []*x509.Certificate{id.Certificate}}}
}

// expand does what a list does with a message, for one member.
func (a agent) expand(octets []byte, member *smimetest.Identity, at time.Time) ([]byte, error) {
	w := theWorld()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return nil, err
	}
	m := smime.Open(e, w.options(a.Identity))
	author := smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now()})
	o := a.o
	o.Author = author.Signer
	x, err := smime.Expand(m, o)
	if err != nil {
		return nil, err
	}
	sign, err := x.SignOptions(a.SignOptions(), at)
	if err != nil {
		return nil, err
	}
	const header = "From: alice@corp.example\r\nTo: list@lists.example\r\n"
	if x.Content != nil {
		signed, err := x.SignExpanded(sign)
		if err != nil {
			return nil, err
		}
		return append([]byte(header), signed.Octets()...), nil
	}
	sealer, err := smime.NewSealer(m.Payload, cms.AES256CBC)
	if err != nil {
		return nil, err
	}
	sealed, err := sealer.Seal(nil, []*cms.Recipient{member.Recipient(cms.RecipientOptions{})})
	if err != nil {
		return nil, err
	}
	copied, err := smime.SignSealed([]byte(header), sealed, sign)
	return copied.Octets(), err
}

// shape names the layers of a message from the outside in: S by who signed, with its history and foreign attributes, and E.
func shape(t *testing.T, octets []byte, key *smimetest.Identity) string {
	t.Helper()
	w := theWorld()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	m := smime.Open(e, w.options(key))
	if m.Err != nil {
		t.Fatal(m.Err)
	}
	smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now()})
	var parts []string
	for _, l := range m.Layers {
		if l.Type != smime.Signed {
			parts = append(parts, "E")
			continue
		}
		s := l.Signers[0]
		name, _, _ := strings.Cut(s.Certificate.Subject.CommonName, "@")
		if s.Err != nil || !s.Verdict.OK() {
			name += "!"
		}
		a, err := cms.ReadListAttributes(s.SignedAttributes)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range a.History {
			name += "+"
			for _, id := range []*smimetest.Identity{w.list, w.bob, w.gateway} {
				if d.List.Matches(id.Certificate) {
					n, _, _ := strings.Cut(id.Address, "@")
					name += n
				}
			}
		}
		if a.Label != nil {
			name += "#"
		}
		if bytes.Contains(s.SignedAttributes, []byte("a content hint")) {
			name += "*"
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, " ")
}

var (
	hint  = attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 4}, must(asn1.MarshalWithParams("a content hint", "utf8")))
	label = attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 2}, must(asn1.MarshalWithParams([]asn1.ObjectIdentifier{{1, 2, 3}}, "set")))
)

func must(der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return der
}

// attribute is one signed attribute with its values, in DER.
func attribute(oid asn1.ObjectIdentifier, values ...[]byte) []byte {
	set := asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true, Bytes: slices.Concat(values...)}
	return must(asn1.Marshal(struct {
		Type   asn1.ObjectIdentifier
		Values asn1.RawValue
	}{oid, set}))
}

// history is an mlExpansionHistory of lists, a minute apart, the last one now.
func history(lists ...*smimetest.Identity) []byte {
	var times []time.Time
	for i := range lists {
		times = append(times, time.Now().Add(time.Duration(i+1-len(lists))*time.Minute))
	}
	return historyAt(times, lists...)
}

func historyAt(times []time.Time, lists ...*smimetest.Identity) []byte {
	var entries []byte
	for i, l := range lists {
		entries = append(entries, must(asn1.Marshal(struct {
			ID struct {
				Issuer asn1.RawValue
				Serial any
			}
			Time time.Time `asn1:"generalized"`
		}{struct {
			Issuer asn1.RawValue
			Serial any
		}{asn1.RawValue{FullBytes: l.Certificate.RawIssuer}, l.Certificate.SerialNumber}, times[i].UTC()}))...)
	}
	return historyOf(entries)
}

func historyOf(entries []byte) []byte {
	sequence := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: entries}))
	return attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 3}, sequence)
}

func with(attributes ...[]byte) smimetest.SignOption {
	return func(o *smime.SignOptions) { o.Attributes = attributes }
}

// TestExpansion walks through the cases of RFC 2634 section 4.2.1, and those between them.
func TestExpansion(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("the text\r\n")
	S1 := w.alice.Sign(text)
	E1 := w.encrypt(S1)
	for name, tc := range map[string]struct {
		message *entity.Entity
		want    string
	}{
		"data":                       {text, "list+list"},
		"1: S1":                      {S1, "list+list alice"},
		"S1, opaque":                 {w.alice.Sign(text, smimetest.OpaqueForm), "list+list alice"},
		"2: S3(S2(S1))":              {w.gateway.Sign(w.gateway.Sign(S1)), "list+list gateway gateway alice"},
		"3: E1(S1)":                  {E1, "list+list E alice"},
		"S2(E1(S1))":                 {w.gateway.Sign(E1, with(hint)), "list+list* E alice"},
		"4: S2+(E1(S1))":             {w.bob.Sign(E1, with(history(w.bob), hint)), "list+bob+list* E alice"},
		"5: S3(S2(E1(S1)))":          {w.gateway.Sign(w.gateway.Sign(E1, with(hint))), "list+list* E alice"},
		"5: attributes of S3 go":     {w.gateway.Sign(w.gateway.Sign(E1), with(hint)), "list+list E alice"},
		"6: S3+(S2(E1(S1)))":         {w.bob.Sign(w.gateway.Sign(E1), with(history(w.bob), hint)), "list+bob+list* E alice"},
		"6: attributes of S2 go":     {w.bob.Sign(w.gateway.Sign(E1, with(hint)), with(history(w.bob))), "list+bob+list E alice"},
		"S3(S2+(E1(S1)))":            {w.gateway.Sign(w.bob.Sign(E1, with(history(w.bob)))), "list+bob+list E alice"},
		"S2+(S1)":                    {w.bob.Sign(S1, with(history(w.bob), hint)), "list+bob+list* alice"},
		"S3(S2+(S1))":                {w.gateway.Sign(w.bob.Sign(S1, with(history(w.bob)))), "list+bob+list alice"},
		"S2+(data)":                  {w.bob.Sign(text, with(history(w.bob))), "list+bob+list"},
		"S2 of two lists (E1(S1))":   {w.bob.Sign(E1, with(history(w.gateway, w.bob))), "list+gateway+bob+list E alice"},
		"a history beneath, no list": {w.encrypt(w.bob.Sign(S1, with(history(w.bob)))), "list+list E bob+bob alice"},
		"8-bit text":                 {smimetest.Text("gr\u00fc\u00dfe\r\n"), "list+list"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newAgent(w.list).expand(w.mail(tc.message), w.mallory, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if s := shape(t, got, w.mallory); s != tc.want {
				t.Errorf("%s, want %s", s, tc.want)
			}
			if strings.Contains(tc.want, "alice") {
				e, _ := entity.Parse(got, entity.DefaultLimits())
				m := smime.Open(e, w.options(w.mallory))
				if a := smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now()}); a.Author != w.alice.Address || !a.Authenticated {
					t.Errorf("the author is lost: %s", a.Reason)
				}
				if !bytes.Equal(m.Content.Octets(), text.Octets()) {
					t.Error("the text is another")
				}
			}
		})
	}
}

// TestExpansionStops: what no mail list agent passes on.
func TestExpansionStops(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("the text\r\n")
	S1 := w.alice.Sign(text)
	E1 := w.encrypt(S1)
	now := time.Now()
	entries := func(n int) []byte {
		ids := slices.Repeat([]*smimetest.Identity{w.bob}, n)
		return history(ids...)
	}
	ski := func(id []byte) []byte {
		return historyOf(must(asn1.Marshal(struct {
			ID   []byte
			Time time.Time `asn1:"generalized"`
		}{id, now.UTC()})))
	}
	receipts := func(tag int) []byte {
		return historyOf(must(asn1.Marshal(struct {
			ID     []byte
			Time   time.Time `asn1:"generalized"`
			Policy asn1.RawValue
		}{w.bob.Certificate.SubjectKeyId, now.UTC(), asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag}})))
	}
	altered := smimetest.Entity(strings.Replace(string(w.gateway.Sign(S1).Octets()), "the text", "the test", 1))
	renewed := w.ca.Issue("list@lists.example", smimetest.FreshKey)
	for name, tc := range map[string]struct {
		message *entity.Entity
		want    error
		o       func(*smime.ExpandOptions)
	}{
		"a loop":                   {message: w.bob.Sign(E1, with(history(w.list, w.bob))), want: smime.ErrLoop},
		"a loop in clear":          {message: w.bob.Sign(S1, with(history(w.list, w.gateway, w.bob))), want: smime.ErrLoop},
		"a loop by key identifier": {message: w.list.Sign(S1, with(ski(w.list.Certificate.SubjectKeyId))), want: smime.ErrLoop},
		"a loop, beneath":          {message: w.encrypt(w.bob.Sign(S1, with(history(w.list, w.bob)))), want: smime.ErrLoop},
		"a loop, another key of ours": {message: w.bob.Sign(E1, with(history(renewed, w.bob))), want: smime.ErrLoop,
			o: func(o *smime.ExpandOptions) { o.Own = append(o.Own, renewed.Certificate) }},
		"not our key":              {message: w.bob.Sign(E1, with(history(renewed, w.bob)))},
		"not a loop, 63":           {message: w.bob.Sign(E1, with(entries(63)))},
		"full":                     {message: w.bob.Sign(E1, with(entries(64))), want: smime.ErrHistory},
		"oversized":                {message: w.bob.Sign(E1, with(entries(65))), want: smime.ErrHistory},
		"empty":                    {message: w.bob.Sign(E1, with(historyOf(nil))), want: smime.ErrHistory},
		"garbage":                  {message: w.bob.Sign(E1, with(historyOf([]byte{4, 1, 0}))), want: smime.ErrHistory},
		"two values":               {message: w.bob.Sign(E1, with(attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 3}, []byte{0x30, 0}, []byte{0x30, 0})), smimetest.OpaqueForm), want: smime.ErrLayer},
		"there twice":              {message: w.bob.Sign(E1, with(history(w.bob), history(w.gateway, w.bob)), smimetest.OpaqueForm), want: smime.ErrLayer},
		"reordered":                {message: w.bob.Sign(E1, with(history(w.bob, w.gateway))), want: smime.ErrHistory},
		"times reordered":          {message: w.bob.Sign(E1, with(historyAt([]time.Time{now, now.Add(-time.Hour)}, w.gateway, w.bob))), want: smime.ErrHistory},
		"clocks differ a little":   {message: w.bob.Sign(E1, with(historyAt([]time.Time{now, now.Add(-time.Minute)}, w.gateway, w.bob)))},
		"by a stranger":            {message: w.forged.Sign(E1, with(history(w.forged))), want: smime.ErrHistory},
		"of another":               {message: w.mallory.Sign(E1, with(history(w.bob))), want: smime.ErrHistory},
		"on the author's own":      {message: w.alice.Sign(text, with(history(w.alice))), want: smime.ErrHistory},
		"a stranger's outer one":   {message: w.forged.Sign(E1), want: smime.ErrLayer},
		"a stranger's inner one":   {message: w.forged.Sign(S1)},
		"altered":                  {message: altered, want: smime.ErrLayer},
		"a label":                  {message: w.encrypt(w.alice.Sign(text, with(label))), want: smime.ErrLabel},
		"a label outside":          {message: w.gateway.Sign(E1, with(label)), want: smime.ErrLabel},
		"a label, carried":         {message: w.encrypt(w.alice.Sign(text, with(label))), o: carry},
		"a label outside, carried": {message: w.gateway.Sign(E1, with(label)), o: carry},
		"a stranger's label":       {message: w.encrypt(w.forged.Sign(text, with(label))), want: smime.ErrLabel, o: carry},
		"two labels":               {message: w.encrypt(w.alice.Sign(text, with(label, label))), want: smime.ErrLayer, o: carry},
		"a receipt policy":         {message: w.bob.Sign(E1, with(receipts(0)))},
		"no receipt policy":        {message: w.bob.Sign(E1, with(receipts(3))), want: smime.ErrHistory},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgent(w.list)
			if tc.o != nil {
				tc.o(&a.o)
			}
			octets, err := a.expand(w.mail(tc.message), w.mallory, time.Now())
			if !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			if err != nil {
				return
			}
			s := shape(t, octets, w.mallory)
			if labelled := strings.Contains(name, "label"); labelled != strings.Contains(s, "#") {
				t.Errorf("%s: the label is lost, or came from nowhere", s)
			}
			if name == "a receipt policy" { // "none" stays none
				e, _ := entity.Parse(octets, entity.DefaultLimits())
				a, err := cms.ReadListAttributes(smime.Open(e, smime.Options{}).Layers[0].Signers[0].SignedAttributes)
				if err != nil || len(a.History) != 2 || fmt.Sprintf("%x", a.History[1].ReceiptPolicy) != "8000" {
					t.Errorf("the receipt policy is lost: %+v %v", a.History, err)
				}
			}
		})
	}
}

// TestExpansionBySeveralSigners: histories must agree; a signature without one says nothing.
func TestExpansionBySeveralSigners(t *testing.T) {
	w := theWorld()
	E1 := w.encrypt(w.alice.Sign(smimetest.Text("x\r\n")))
	one, other := history(w.bob), history(w.gateway, w.bob)
	beside := func(o *smime.SignOptions) { o.Chain = append(slices.Clip(o.Chain), w.gateway.Certificate) }
	both := func(a, b *entity.Entity) *entity.Entity {
		der, second := readDER(smimetest.DER(a)), readDER(smimetest.DER(b))
		set := signerInfos(der)
		set.children = append(set.children, signerInfos(second).children...)
		return smimetest.CMS(der.der(), "signed-data", "smime.p7m")
	}
	sign := func(id *smimetest.Identity, attributes ...[]byte) *entity.Entity {
		return id.Sign(E1, with(attributes...), beside, smimetest.OpaqueForm)
	}
	for name, tc := range map[string]struct {
		message *entity.Entity
		want    error
		shape   string
	}{
		"the same":           {both(sign(w.bob, one), sign(w.bob, one)), nil, "list+bob+list E alice"},
		"two histories":      {both(sign(w.bob, one), sign(w.bob, other)), smime.ErrHistory, ""},
		"one without":        {both(sign(w.bob, one), sign(w.gateway)), nil, "list+bob+list E alice"},
		"one without, first": {both(sign(w.bob), sign(w.bob, one, hint)), nil, "list+bob+list* E alice"},
		"two labels":         {both(sign(w.bob, label), sign(w.bob, attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 2}, []byte{0x31, 0}))), smime.ErrLabel, ""},
		"by a stranger":      {both(sign(w.bob, one), sign(w.forged, one)), smime.ErrLayer, ""},
	} {
		a := newAgent(w.list)
		a.o.CarryLabels = true
		octets, err := a.expand(w.mail(tc.message), w.mallory, time.Now())
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		} else if err == nil && shape(t, octets, w.mallory) != tc.shape {
			t.Errorf("%s: %s, want %s", name, shape(t, octets, w.mallory), tc.shape)
		}
	}
}

func carry(o *smime.ExpandOptions) { o.CarryLabels = true }

// TestTwoListsThatAreMembersOfEachOther: the message comes back once and no further.
func TestTwoListsThatAreMembersOfEachOther(t *testing.T) {
	w := theWorld()
	one, two := newAgent(w.list), newAgent(w.bob)
	octets, err := one.expand(w.mail(w.encrypt(w.alice.Sign(smimetest.Text("x\r\n")))), w.bob, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if octets, err = two.expand(octets, w.list, time.Now()); err != nil {
		t.Fatal(err)
	}
	if s := shape(t, octets, w.list); s != "bob+list+bob E alice" {
		t.Errorf("it comes back as %s", s)
	}
	if _, err = one.expand(octets, w.bob, time.Now()); !errors.Is(err, smime.ErrLoop) {
		t.Errorf("and goes on: %v", err)
	}
}

// TestOpenSSLVerifiesWhatAListSigned: every layer, from the outside in.
func TestOpenSSLVerifiesWhatAListSigned(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	w := theWorld()
	anchors := [][]byte{w.ca.Certificate.Raw}
	S1 := w.alice.Sign(smimetest.Text("the text\r\n"))
	for name, message := range map[string]*entity.Entity{
		"data": smimetest.Text("the text\r\n"), "S1": S1, "E1(S1)": w.encrypt(S1),
		"S2+(E1(S1))": w.bob.Sign(w.encrypt(S1), with(history(w.bob), hint, label)), "8 bit": smimetest.Text("the text gr\u00fc\u00dft\r\n"),
	} {
		a := newAgent(w.list)
		a.o.CarryLabels = true
		octets, err := a.expand(w.mail(message), w.mallory, time.Now())
		if err != nil {
			t.Fatal(name, err)
		}
		if octets, err = openssl.Verify(octets, anchors); err != nil {
			t.Errorf("%s: the list's signature: %v", name, err)
			continue
		}
		if strings.Contains(name, "E1") {
			if octets, err = openssl.Decrypt(octets, credential(w.mallory)); err != nil {
				t.Errorf("%s: the encryption: %v", name, err)
				continue
			}
		}
		if strings.Contains(name, "S1") {
			if octets, err = openssl.Verify(octets, anchors); err != nil {
				t.Errorf("%s: the author's signature: %v", name, err)
				continue
			}
		}
		if !bytes.Contains(octets, []byte("the text")) {
			t.Errorf("%s: the text is gone", name)
		}
	}
}

// TestSignWhole: what may not be changed is signed as it is, lines that end in LF alone included.
func TestSignWhole(t *testing.T) {
	ca := smimetest.NewCA("Example CA")
	alice := ca.Issue("alice@example.org")
	for octets, form := range map[string]smime.Form{
		"Content-Type: text/plain\r\n\r\nhello\r\n": smime.Detached,
		"Content-Type: text/plain\r\n\r\nh\xe9\r\n": smime.Opaque,
		"Content-Type: text/plain\r\n\r\na\nb\r\n":  smime.Opaque,
		"Content-Type: text/plain\n\na\nb\n":        smime.Opaque,
	} {
		e, err := entity.Parse([]byte(octets), entity.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		o := alice.SignOptions()
		signed, err := smime.SignWhole(e, o)
		if err != nil {
			t.Fatal(err)
		}
		m := smime.Open(signed, smime.Options{})
		if m.Err != nil || len(m.Layers) != 1 || m.Layers[0].Form != form || m.Layers[0].Signers[0].Err != nil || string(m.Content.Octets()) != octets {
			t.Errorf("%q: %v, %+v", octets, m.Err, m.Layers)
		}
	}
}
