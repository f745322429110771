package cms

import (
	"cmp"
	"crypto"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Key is a private key that may open a message.
type Key struct {
	// Certificate is what the key is known by in RecipientInfos. Without one the key is tried on
	// every RecipientInfo of its kind, as long as the budget lasts, but only in messages where no
	// key is named.
	Certificate *x509.Certificate
	// Private is a crypto.Decrypter with an RSA public key, an ecdh.KeyExchanger (as
	// *ecdh.PrivateKey is) or an *ecdsa.PrivateKey. What a Decrypter answers to a wrapped key that it
	// cannot open, an error or a key of another length, makes no difference to anybody; only an error
	// that wraps ErrKeyAway does.
	Private any
}

// DecryptPolicy says which weak ciphers are read. The zero value is the strict one.
type DecryptPolicy struct {
	// Allow3DES lets messages under 3DES be read; they are never written.
	Allow3DES bool
}

// Opened is what a decryption gives.
type Opened struct {
	// Content is the cleartext.
	Content []byte
	// Key is the content-encryption key. Who can open two messages under one key, or the same message
	// sent twice, has something to hide: a list keeps a MAC of it.
	Key ContentKey
	// Ciphertext is the SHA-256 of what was encrypted, as it arrived: everybody can compute it.
	Ciphertext [sha256.Size]byte
}

// ContentKey is a content-encryption key. Printed or logged it shows nothing.
type ContentKey []byte

// Decrypt is Open, and gives the cleartext alone.
func (ed *EnvelopedData) Decrypt(keys []Key, b *Budget, p DecryptPolicy) ([]byte, error) {
	o, err := ed.Open(keys, b, p)
	return o.Content, err
}

// Open opens the message with the first of the keys that fits, in the message's order.
//
// Its error is ErrDecrypt whatever went wrong, ErrTooLarge if no key fitted before the private-key
// operations of b were spent, or wraps ErrKeyAway. How long a failure takes depends on what everybody can see
// of the message and not on what failed: a key that does not unwrap is replaced by a random one, and
// the content is decrypted in any case (RFC 3218 section 2.3.2).
func (ed *EnvelopedData) Open(keys []Key, b *Budget, p DecryptPolicy) (Opened, error) {
	c, ok := ed.cbc(p)
	if !ok {
		return Opened{}, ErrDecrypt
	}
	data, ok := ed.joined(nil, 0)
	blockLen := len(c.iv)
	if !ok || len(data) == 0 || len(data)%blockLen != 0 {
		return Opened{}, ErrDecrypt
	}
	ciphertext := sha256.Sum256(data)
	key := random(c.keyLen)
	found := 0
	var away error
	for attempt, err := range ed.attempts(keys, orDefault(b)) {
		if err != nil {
			if found == 0 {
				return Opened{}, err
			}
			break
		}
		cek, ok, gone := attempt.unwrap(c.keyLen)
		away = cmp.Or(away, gone)
		ok &= c.padded(cek, data)
		subtle.ConstantTimeCopy(ok&(1-found), key, cek)
		found |= ok
	}
	cipher.NewCBCDecrypter(c.block(key), c.iv).CryptBlocks(data, data)
	n, whole := unpad(data, blockLen)
	if found&whole != 1 {
		clear(data)
		return Opened{}, cmp.Or(away, ErrDecrypt)
	}
	return Opened{data[:n:n], key, ciphertext}, nil
}

// Decrypt is Open, and gives the cleartext alone.
func (ed *AuthEnvelopedData) Decrypt(keys []Key, b *Budget, p DecryptPolicy) ([]byte, error) {
	o, err := ed.Open(keys, b, p)
	return o.Content, err
}

// Open opens the message with the first of the keys that fits, in the message's order, and releases
// nothing before the tag of exactly the stated length has verified (RFC 5083 section 2). Errors and
// time are those of EnvelopedData.Open.
func (ed *AuthEnvelopedData) Open(keys []Key, b *Budget, _ DecryptPolicy) (Opened, error) {
	c, ok := ed.gcm()
	if !ok || len(ed.mac) != c.tagLen || !ed.attributesFit() {
		return Opened{}, ErrDecrypt
	}
	var data []byte
	var away error
	for attempt, err := range ed.attempts(keys, orDefault(b)) {
		if err != nil {
			return Opened{}, err
		}
		key, _, gone := attempt.unwrap(c.keyLen)
		away = cmp.Or(away, gone)
		if data, ok = ed.joined(data[:0], len(ed.mac)); !ok {
			return Opened{}, ErrDecrypt
		}
		data = append(data, ed.mac...)
		ciphertext := sha256.Sum256(data)
		if content, err := c.aead(key).Open(data[:0], c.iv, data, ed.attributes); err == nil {
			return Opened{slices.Clip(content), key, ciphertext}, nil
		}
	}
	return Opened{}, cmp.Or(away, ErrDecrypt)
}

// attributesFit checks what RFC 5083 section 2.1 says of authAttrs: content that is not id-data needs
// them, and a content type they name is the content's.
func (ed *AuthEnvelopedData) attributesFit() bool {
	if ed.attributed == "" {
		return ed.contentType == oidData
	}
	return ed.attributed == ed.contentType
}

// joined appends the encrypted content to dst, with room for extra octets; false: there is none.
func (e *encrypted) joined(dst []byte, extra int) ([]byte, bool) {
	content := e.content.apart()
	if content.doc == nil {
		return nil, false
	}
	dst = slices.Grow(dst, content.octetsLen()+extra)
	dst = content.appendOctets(dst)
	return dst, content.doc.err == nil
}

// WriteCiphertext writes the encrypted content, whatever the form it arrived in, and says whether
// there is any. A MAC of it knows the same ciphertext again.
func (e *encrypted) WriteCiphertext(w io.Writer) error {
	content := e.content.apart()
	if content.doc == nil {
		return fmt.Errorf("%w: no encrypted content", ErrMalformed)
	}
	var err error
	content.chunks(func(piece []byte) {
		if err == nil {
			_, err = w.Write(piece)
		}
	})
	if err == nil {
		err = content.doc.err
	}
	return err
}

// attempt is a wrapped key and a private key that may unwrap it.
type attempt struct {
	recipient *recipient
	private   any
}

// attempts yields the pairs to try, each paid with a private-key operation: those in which the
// RecipientInfo names the key's certificate, and if there is none, those that could belong together.
// After the budget is spent it yields its error, if anything was left to try.
func (e *encrypted) attempts(keys []Key, b *Budget) func(yield func(attempt, error) bool) {
	return func(yield func(attempt, error) bool) {
		named := false
		for _, byName := range []bool{true, false} {
			for i := range e.recipients {
				for _, k := range keys {
					r := &e.recipients[i]
					if byName != (k.Certificate != nil) || byName && !r.id.Matches(k.Certificate) || !r.fits(k.Private, e.cipher.oid) {
						continue
					}
					named = named || byName
					if err := b.PrivateKeyOp(); err != nil {
						yield(attempt{}, err)
						return
					}
					if !yield(attempt{r, k.Private}, nil) {
						return
					}
				}
			}
			if named {
				return
			}
		}
	}
}

// fits tells whether the algorithms that the RecipientInfo names are supported and go with the key and
// with the content cipher.
func (r *recipient) fits(private any, cipher oid) bool {
	if !r.agreement {
		d, ok := private.(crypto.Decrypter)
		if !ok {
			return false
		}
		_, ok = d.Public().(*rsa.PublicKey)
		if !ok {
			return false
		}
		if r.algorithm.oid == oidOAEP {
			_, ok = r.oaep()
			return ok
		}
		return r.algorithm.oid == oidRSA
	}
	key := exchanger(private)
	if key == nil {
		return false
	}
	wrap, ok := r.wrap()
	_, known := derivation(r.algorithm.oid)
	n := pointLen(key.Curve())
	compressed := n > 32 && len(r.originator) == (n+1)/2
	if wrap.oid == oid3DESWrap && cipher != oid3DESCBC {
		return false // weaker than what it protects
	}
	return ok && known && wrapKeyLen(wrap.oid) > 0 && (len(r.originator) == n || compressed)
}

// exchanger returns the key as one for ECDH, nil if it is none.
func exchanger(private any) ecdh.KeyExchanger {
	switch key := private.(type) {
	case ecdh.KeyExchanger:
		return key
	case *ecdsa.PrivateKey:
		if k, err := key.ECDH(); err == nil {
			return k
		}
	}
	return nil
}

// unwrap returns a content key of n octets in any case: a random one if the wrapped key does not open
// or has another length. ok is 0 only if that is known to be so; a crypto.Decrypter does not tell.
// away wraps ErrKeyAway, or is nil.
func (a attempt) unwrap(n int) (cek []byte, ok int, away error) {
	switch {
	case a.recipient.agreement:
		return a.agree(n)
	case a.recipient.algorithm.oid == oidOAEP:
		return a.oaep(n)
	default:
		return a.pkcs1(n)
	}
}

// pkcs1 unwraps RSAES-PKCS1-v1_5 with implicit rejection.
func (a attempt) pkcs1(n int) (cek []byte, ok int, away error) {
	cek = random(n)
	wrapped := a.wrappedRSA()
	if key, isKey := a.private.(*rsa.PrivateKey); isKey {
		before := slices.Clone(cek)
		//lint:ignore SA1019 RFC 8551 section 2.3 still has PKCS #1 v1.5, and most mail uses it
		err := rsa.DecryptPKCS1v15SessionKey(nil, key, wrapped, cek)
		if err != nil { // not a number below the modulus, as everybody can see
			return cek, 0, nil
		}
		return cek, 1 - subtle.ConstantTimeCompare(before, cek), nil
	}
	//lint:ignore SA1019 as above
	got, err := a.private.(crypto.Decrypter).Decrypt(rand.Reader, wrapped, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: n})
	if err != nil || len(got) != n {
		return cek, 0, keyAway(err)
	}
	return got, 1, nil
}

// oaep unwraps RSAES-OAEP.
func (a attempt) oaep(n int) (cek []byte, ok int, away error) {
	cek = random(n)
	options, _ := a.recipient.oaep()
	got, err := a.private.(crypto.Decrypter).Decrypt(rand.Reader, a.wrappedRSA(), options)
	if err != nil || len(got) != n {
		return cek, 0, keyAway(err)
	}
	return got, 1, nil
}

// wrappedRSA is the wrapped key as long as the modulus. QUIRK: writers that drop leading zeros.
func (a attempt) wrappedRSA() []byte {
	k := a.private.(crypto.Decrypter).Public().(*rsa.PublicKey).Size()
	wrapped := a.recipient.key
	if len(wrapped) >= k {
		return wrapped
	}
	return append(make([]byte, k-len(wrapped)), wrapped...)
}

// oaep reads RSAES-OAEP-params (RFC 4055 section 4.1). QUIRK: absent parameters are taken as empty
// ones, though RFC 3560 section 3 wants them there.
func (r *recipient) oaep() (*rsa.OAEPOptions, bool) {
	hash, mgf := oidSHA1, oidSHA1
	var label []byte
	p := r.algorithm.parameters.apart()
	if p.doc != nil && p.tag != tagNull {
		if p.tag != tagSequence {
			return nil, false
		}
		c := p.children()
		if c.is(explicit) {
			hash = c.next().children().algorithm("hashFunc").oid
		}
		if c.is(explicit | 1) {
			a := c.next().children().algorithm("maskGenFunc")
			if a.oid != oidMGF1 || a.parameters.doc == nil {
				return nil, false
			}
			mgf = a.parameters.algorithm().oid
		}
		if c.is(explicit | 2) {
			a := c.next().children().algorithm("pSourceFunc")
			if a.oid != oidPSpecified || a.parameters.doc == nil || a.parameters.tag != tagOctetString {
				return nil, false
			}
			label = a.parameters.octets()
		}
		if p.doc.err != nil || !c.empty() {
			return nil, false
		}
	}
	o := &rsa.OAEPOptions{Hash: oaepHash(hash), MGFHash: oaepHash(mgf), Label: label}
	return o, o.Hash != 0 && o.MGFHash != 0
}

// oaepHash is digest and SHA-224, without MD5. Nothing in OAEP leans on collision resistance.
func oaepHash(o oid) crypto.Hash {
	switch h := digest(o); {
	case o == oidSHA224:
		return crypto.SHA224
	case h == crypto.MD5:
		return 0
	default:
		return h
	}
}

// agree unwraps a key wrapped under an agreed one.
func (a attempt) agree(n int) (cek []byte, ok int, away error) {
	key := exchanger(a.private)
	wrap, _ := a.recipient.wrap()
	scheme, _ := derivation(a.recipient.algorithm.oid)
	secret, fine, away := sharedSecret(key, a.recipient.originator)
	kek := scheme.derive(secret, wrap.encoded, a.recipient.ukm, wrapKeyLen(wrap.oid))
	cek = random(n)
	got, ok := unwrap(wrap.oid, kek, a.recipient.key)
	if len(got) != n {
		return cek, 0, away
	}
	ok &= fine
	subtle.ConstantTimeCopy(ok, cek, got)
	return cek, ok, away
}

// sharedSecret agrees on a secret. A point that is not on the curve or leads to the all-zero secret
// (RFC 8418 section 2) is its sender's doing and gives a random one, and 0.
func sharedSecret(key ecdh.KeyExchanger, point []byte) (secret []byte, ok int, away error) {
	if public, err := parsePoint(key.Curve(), point); err == nil {
		if secret, err = key.ECDH(public); err == nil {
			return secret, 1 - subtle.ConstantTimeCompare(secret, make([]byte, len(secret))), nil
		}
		away = keyAway(err)
	}
	return random(32), 0, away
}

// keyAway is err if it says that the key could not be asked.
func keyAway(err error) error {
	if errors.Is(err, ErrKeyAway) {
		return err
	}
	return nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process first
	return b
}
