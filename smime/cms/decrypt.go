package cms

import (
	"crypto"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"slices"
)

// Key is a private key that may open a message.
type Key struct {
	// Certificate is what the key is known by in RecipientInfos. Without one the key is tried on
	// every RecipientInfo of its kind, as long as the budget lasts, but only in messages where no
	// key is named.
	Certificate *x509.Certificate
	// Private is a crypto.Decrypter with an RSA public key, an ecdh.KeyExchanger (as
	// *ecdh.PrivateKey is) or an *ecdsa.PrivateKey.
	Private any
}

// DecryptPolicy says which weak ciphers are read. The zero value is the strict one.
type DecryptPolicy struct {
	// Allow3DES lets messages under 3DES be read; they are never written.
	Allow3DES bool
}

// Decrypt opens the message with the first of the keys that fits, in the message's order.
//
// Its error is ErrDecrypt whatever went wrong, or ErrTooLarge if no key fitted before the
// private-key operations of b were spent. How long a failure takes depends on what everybody can see
// of the message and not on what failed: a key that does not unwrap is replaced by a random one, and
// the content is decrypted in any case (RFC 3218 section 2.3.2).
func (ed *EnvelopedData) Decrypt(keys []Key, b *Budget, p DecryptPolicy) ([]byte, error) {
	c, ok := ed.cbc(p)
	if !ok || ed.content.doc == nil {
		return nil, ErrDecrypt
	}
	data, ok := ed.joined(0)
	blockLen := len(c.iv)
	if !ok || len(data) == 0 || len(data)%blockLen != 0 {
		return nil, ErrDecrypt
	}
	attempts := ed.attempts(keys, orDefault(b))
	key := random(c.keyLen)
	found := 0
	for attempt, err := range attempts {
		if err != nil {
			if found == 0 {
				return nil, err
			}
			break
		}
		cek, ok := attempt.unwrap(c.keyLen)
		ok &= c.padded(cek, data)
		subtle.ConstantTimeCopy(ok&(1-found), key, cek)
		found |= ok
	}
	cipher.NewCBCDecrypter(c.block(key), c.iv).CryptBlocks(data, data)
	n, ok1 := unpad(data, blockLen)
	if found&ok1 != 1 {
		clear(data)
		return nil, ErrDecrypt
	}
	return data[:n:n], nil
}

// Decrypt opens the message with the first of the keys that fits, in the message's order, and
// releases nothing before the tag of exactly the stated length has verified. Errors and time are
// those of EnvelopedData.Decrypt.
func (ed *AuthEnvelopedData) Decrypt(keys []Key, b *Budget, p DecryptPolicy) ([]byte, error) {
	c, ok := ed.gcm()
	if !ok || ed.content.doc == nil || len(ed.mac) != c.tagLen || !ed.attributesFit() {
		return nil, ErrDecrypt
	}
	for attempt, err := range ed.attempts(keys, orDefault(b)) {
		if err != nil {
			return nil, err
		}
		key, _ := attempt.unwrap(c.keyLen)
		data, ok := ed.joined(len(ed.mac))
		if !ok {
			return nil, ErrDecrypt
		}
		data = append(data, ed.mac...)
		if content, err := c.aead(key).Open(data[:0], c.iv, data, ed.attributes); err == nil {
			return slices.Clip(content), nil
		}
	}
	return nil, ErrDecrypt
}

// attributesFit checks what RFC 5083 section 2.1 says of authAttrs: content that is not id-data needs
// them, and a content type they name is the content's.
func (ed *AuthEnvelopedData) attributesFit() bool {
	if ed.attributed == "" {
		return ed.contentType == oidData
	}
	return ed.attributed == ed.contentType
}

// joined returns a copy of the encrypted content with room for extra octets.
func (e *encrypted) joined(extra int) ([]byte, bool) {
	content := e.content.apart()
	n := content.octetsLen()
	if content.doc.err != nil {
		return nil, false
	}
	data := content.appendOctets(make([]byte, 0, n+extra))
	return data, content.doc.err == nil
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
func (a attempt) unwrap(n int) (cek []byte, ok int) {
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
func (a attempt) pkcs1(n int) (cek []byte, ok int) {
	cek = random(n)
	wrapped := a.wrappedRSA()
	if key, isKey := a.private.(*rsa.PrivateKey); isKey {
		before := slices.Clone(cek)
		err := rsa.DecryptPKCS1v15SessionKey(nil, key, wrapped, cek)
		if err != nil { // not a number below the modulus, as everybody can see
			return cek, 0
		}
		return cek, 1 - subtle.ConstantTimeCompare(before, cek)
	}
	got, err := a.private.(crypto.Decrypter).Decrypt(rand.Reader, wrapped, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: n})
	if err != nil || len(got) != n {
		return cek, 0
	}
	return got, 1
}

// oaep unwraps RSAES-OAEP.
func (a attempt) oaep(n int) (cek []byte, ok int) {
	cek = random(n)
	options, _ := a.recipient.oaep()
	got, err := a.private.(crypto.Decrypter).Decrypt(rand.Reader, a.wrappedRSA(), options)
	if err != nil || len(got) != n {
		return cek, 0
	}
	return got, 1
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
func (a attempt) agree(n int) (cek []byte, ok int) {
	key := exchanger(a.private)
	wrap, _ := a.recipient.wrap()
	scheme, _ := derivation(a.recipient.algorithm.oid)
	secret, fine := sharedSecret(key, a.recipient.originator)
	kek := scheme.derive(secret, wrap.encoded, a.recipient.ukm, wrapKeyLen(wrap.oid))
	cek = random(n)
	got, ok := unwrap(wrap.oid, kek, a.recipient.key)
	if len(got) != n {
		return cek, 0
	}
	ok &= fine
	subtle.ConstantTimeCopy(ok, cek, got)
	return cek, ok
}

// sharedSecret agrees on a secret. A point that is not on the curve or leads to the all-zero secret
// (RFC 8418 section 2) is its sender's doing and gives a random one, and 0.
func sharedSecret(key ecdh.KeyExchanger, point []byte) (secret []byte, ok int) {
	if public, err := parsePoint(key.Curve(), point); err == nil {
		if secret, err = key.ECDH(public); err == nil {
			return secret, 1 - subtle.ConstantTimeCompare(secret, make([]byte, len(secret)))
		}
	}
	return random(32), 0
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process first
	return b
}
