package smime

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// Options is what [Open] needs. The zero value reads signatures and opens nothing.
type Options struct {
	// Keys are the keys an encryption is tried with.
	Keys []cms.Key
	// Limits is the budget of the whole message; zero fields have the defaults of invariant 9.
	Limits cms.Limits
	// Extra are certificates known from elsewhere, for signatures that do not carry their signer's.
	Extra []*x509.Certificate
	// Verify and Decrypt say which old algorithms are still read.
	Verify  cms.VerifyPolicy
	Decrypt cms.DecryptPolicy
}

// Open walks the layers of a message from the outside in: signed and compressed layers, at most one encryption, and the signed and
// compressed layers beneath it. What stands beside or below other MIME parts is recorded with Counts false; it is verified as far as
// the budget lasts and never decrypted or decompressed (invariants 3, 4 and 9). Open judges no certificate: see [Authenticate].
func Open(e *entity.Entity, o Options) *Message {
	m := &Message{Outer: e, Payload: e}
	w := &walker{Message: m, o: o, budget: cms.NewBudget(o.Limits)}
	rest, path := w.run()
	if m.Err == nil && rest != nil {
		w.beside(rest, path)
	}
	if m.Err == nil {
		m.Protection = w.protection()
	}
	if m.Err != nil {
		m.Payload, m.Content = nil, nil
	}
	return m
}

type walker struct {
	*Message
	o      Options
	budget *cms.Budget
	opened bool // the one decryption has been tried
	spent  bool // the budget ran out outside the run: look no further there

	malleable bool // beneath an encryption that does not protect its content's integrity
}

// run follows the unbroken run and returns the entity where it ends, to be searched for layers that do not count, with its path.
func (w *walker) run() (*entity.Entity, string) {
	e, path := w.Outer, "1"
	for {
		layer, inner, found := w.layer(e, path, true)
		if !found {
			w.Content = e
			return e, path
		}
		layer.inner = inner
		w.Layers = append(w.Layers, layer)
		if layer.encrypted() {
			w.Encrypted = true
			w.Payload = inner
		}
		switch {
		case w.Err != nil:
			return nil, ""
		case inner == nil: // nothing to go on with: a bag of certificates, a multipart/signed that is none
			w.Content = e
			if layer.Form == Detached {
				return e, path
			}
			return nil, ""
		}
		e, path = inner, path+".1"
	}
}

// beside looks below e for CMS layers that do not count. Only the MIME tree's own limits are an error of the message.
func (w *walker) beside(e *entity.Entity, path string) {
	if w.Err != nil {
		return
	}
	typ, _ := e.MediaType()
	switch {
	case strings.HasPrefix(typ, "multipart/"):
		parts, err := e.Parts()
		if errors.Is(err, entity.ErrTooLarge) {
			w.Err = named("reading parts", err)
		}
		if err != nil {
			return
		}
		for i, p := range parts.Parts {
			if i == 1 && len(parts.Parts) == 2 && shapeOf(e) == signedParts {
				continue // the signature of a layer recorded already
			}
			w.aside(p, path+"."+strconv.Itoa(i+1))
		}
	case typ == "message/rfc822" || typ == "message/global":
		octets, err := e.Decoded()
		if err != nil {
			return
		}
		inner, err := e.Nested(octets)
		if err != nil {
			w.Err = named("reading an attached message", err)
			return
		}
		w.aside(inner, path+".1")
	}
}

// aside records what e is if it is a layer, and looks below it.
func (w *walker) aside(e *entity.Entity, path string) {
	if w.Err != nil {
		return
	}
	if !w.spent {
		layer, inner, found := w.layer(e, path, false)
		if found {
			w.Layers = append(w.Layers, layer)
			w.spent = errors.Is(layer.Err, ErrTooLarge)
			if inner != nil {
				w.aside(inner, path+".1")
			}
			return
		}
	}
	w.beside(e, path)
}

// layer reads e as a CMS layer. found is false if it is none. inner is the entity it holds, nil if there is none to go on with. In the
// run (counts) a layer that hides what it holds sets w.Err.
func (w *walker) layer(e *entity.Entity, path string, counts bool) (layer Layer, inner *entity.Entity, found bool) {
	layer = Layer{Type: Other, Path: path, Counts: counts}
	shape := shapeOf(e)
	switch shape {
	case plain:
		return layer, nil, false
	case signedParts:
		inner, err := w.detached(e, &layer)
		if errors.Is(err, ErrTooLarge) && counts {
			w.Err = err
		}
		_ = w.mistrustTail(e, &layer) // a signed layer is no error, its signers are
		layer.Err = err
		return layer, inner, true
	}
	content, err := readCMS(e, w.budget)
	if shape == perhapsCMS && (errors.Is(err, ErrMalformed) || lonelySignature(content)) {
		return layer, nil, false
	}
	if err == nil {
		beneath := w.malleable // before this layer, which may be the encryption
		inner, err = w.opaque(e, content, &layer)
		if beneath && err == nil {
			err = w.mistrustTail(e, &layer)
		}
	}
	layer.Err = err
	if err != nil && counts {
		w.Err = err
	}
	return layer, inner, true
}

// lonelySignature tells whether the CMS object is a detached signature. Without the part it signs it is no layer but a file.
func lonelySignature(c cms.Content) bool {
	sd, ok := c.(*cms.SignedData)
	return ok && sd.Content == nil && !sd.CertsOnly()
}

// opaque reads a layer that is one CMS object. The error says why what it holds is unknown.
func (w *walker) opaque(e *entity.Entity, content cms.Content, layer *Layer) (*entity.Entity, error) {
	var octets []byte
	var err error
	var of asn1.ObjectIdentifier
	switch c := content.(type) {
	case *cms.SignedData:
		w.bag(c, layer)
		if c.CertsOnly() && len(c.Content) == 0 {
			layer.Type = CertsOnly
			return nil, nil
		}
		layer.Type, layer.Form = Signed, Opaque // without a signer too: what it holds is unsigned
		if c.Content == nil {
			layer.Form = Detached
			return nil, named("signed-data", errors.New("the signed content is missing"))
		}
		layer.Signers, err = w.verify(c, c.Content)
		octets, of = c.Content, c.ContentTypeOID
	case *cms.EnvelopedData:
		layer.Type = Enveloped
		w.malleable = w.malleable || layer.Counts
		octets, err = w.decrypt(c, layer)
		of = c.ContentTypeOID
	case *cms.AuthEnvelopedData:
		layer.Type = AuthEnveloped
		octets, err = w.decrypt(c, layer)
		of = c.ContentTypeOID
	case *cms.CompressedData:
		layer.Type = Compressed
		if !layer.Counts {
			return nil, nil
		}
		octets, err = c.Decompress(w.budget)
		of = c.ContentTypeOID
	default:
		return nil, named("reading CMS", errors.New("a content type that is no S/MIME"))
	}
	if err != nil {
		return nil, named("opening a layer", err)
	}
	if octets == nil {
		return nil, nil // an encryption outside the run
	}
	if of != nil && !of.Equal(idData) {
		// RFC 8551 section 2.4: MIME content is id-data.
		return nil, named("reading CMS", errors.New("the content is not MIME"))
	}
	inner, err := e.Nested(octets)
	return inner, named("reading a layer's content", err)
}

// id-data, RFC 5652 section 4.
var idData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}

// decryptable is what EnvelopedData and AuthEnvelopedData have in common.
type decryptable interface {
	Recipients() []cms.RecipientInfo
	ContentAlgorithm() string
	Open([]cms.Key, *cms.Budget, cms.DecryptPolicy) (cms.Opened, error)
}

// decrypt opens the one encryption of the run that may be opened; outside the run it returns nil octets.
func (w *walker) decrypt(c decryptable, layer *Layer) ([]byte, error) {
	layer.Recipients, layer.Algorithm = c.Recipients(), c.ContentAlgorithm()
	switch {
	case !layer.Counts:
		return nil, nil
	case w.opened:
		return nil, ErrDecrypt
	}
	w.opened = true
	o, err := c.Open(w.o.Keys, w.budget, w.o.Decrypt)
	if err != nil {
		return nil, err
	}
	w.ContentKey, w.Ciphertext = o.Key, o.Ciphertext
	if o.Content == nil {
		return []byte{}, nil
	}
	return o.Content, nil
}

// detached reads a multipart/signed (RFC 1847 section 2.1): exactly two parts, the second a SignedData without content. The error says
// why it is none; then it is an ordinary multipart, whose parts count for nothing.
func (w *walker) detached(e *entity.Entity, layer *Layer) (*entity.Entity, error) {
	layer.Type, layer.Form = Signed, Detached
	parts, err := e.Parts()
	if err != nil {
		return nil, named("multipart/signed", err)
	}
	if len(parts.Parts) != 2 {
		return nil, named("multipart/signed", errors.New("not two parts"))
	}
	content, err := readCMS(parts.Parts[1], w.budget)
	if err != nil {
		return nil, err
	}
	sd, ok := content.(*cms.SignedData)
	if !ok {
		return nil, named("multipart/signed", errors.New("the signature is no SignedData"))
	}
	w.bag(sd, layer)
	if layer.Signers, err = w.verify(sd, entity.Canonical(parts.Parts[0].Octets())); err != nil {
		return nil, named("multipart/signed", err)
	}
	if sd.Content != nil {
		// "Johnny, you are fired": readers differ in which of the two contents they verify and which they show.
		return nil, named("multipart/signed", errors.New("the signature holds a content of its own"))
	}
	return parts.Parts[0], nil
}

func (w *walker) bag(sd *cms.SignedData, layer *Layer) {
	layer.Certificates, layer.Unreadable, layer.CRLs = sd.Certificates, sd.Unreadable, sd.CRLs
}

// verify returns a result per SignerInfo; its error is a budget that ran out. SHA-1 is computed even where policy refuses it, so that a
// report can tell a forged signature from an old one.
func (w *walker) verify(sd *cms.SignedData, octets []byte) ([]Signer, error) {
	var signers []Signer
	for _, si := range sd.Verify(octets, w.o.Extra, cms.VerifyPolicy{AllowSHA1: true}, w.budget) {
		if errors.Is(si.Err, cms.ErrTooLarge) {
			return nil, si.Err
		}
		s := Signer{SignerInfo: si, Intact: si.Err == nil}
		if s.Intact && si.Digest == "sha1" && !w.o.Verify.AllowSHA1 {
			s.Err = fmt.Errorf("%w: sha1", cms.ErrWeakAlgorithm)
		}
		signers = append(signers, s)
	}
	return signers, nil
}
