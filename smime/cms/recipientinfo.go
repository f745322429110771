package cms

// RecipientInfo says for whom a content key is wrapped, and how.
type RecipientInfo struct {
	// ID names the recipient's certificate.
	ID CertificateID
	// KeyEncryption is rsa-pkcs1, rsa-oaep, ecdh-KDF-WRAP such as ecdh-sha256kdf-aes256wrap, or a
	// dotted object identifier.
	KeyEncryption string
}

// recipient is one wrapped content key: a KeyTransRecipientInfo, or one RecipientEncryptedKey of a
// KeyAgreeRecipientInfo.
type recipient struct {
	id         CertificateID
	algorithm  algorithm
	key        []byte // the wrapped content key
	originator []byte // key agreement: the originator's public key
	agreement  bool
	ukm        []byte // key agreement: nil where absent
}

func (r *recipient) name() string {
	switch {
	case r.agreement:
		name := "ecdh-" + r.algorithm.oid.name()
		if wrap, ok := r.wrap(); ok {
			name += "-" + wrap.oid.name()
		}
		return name
	case r.algorithm.oid == oidRSA:
		return "rsa-pkcs1"
	case r.algorithm.oid == oidOAEP:
		return "rsa-oaep"
	default:
		return r.algorithm.oid.name()
	}
}

// wrap returns the KeyWrapAlgorithm of a key agreement.
func (r *recipient) wrap() (algorithm, bool) {
	e := r.algorithm.parameters.apart()
	if e.doc == nil || e.tag != tagSequence {
		return algorithm{}, false
	}
	a := e.algorithm()
	return a, e.doc.err == nil
}

// readRecipientInfo reads one RecipientInfo (RFC 5652 section 6.2). Kinds this package does not know,
// and those that make no sense, are for somebody else: they are counted, and the others still read.
func (e *encrypted) readRecipientInfo(info element) {
	if info.doc == nil {
		return
	}
	if err := info.doc.budget.recipient(); err != nil {
		info.doc.fail(err)
		return
	}
	before := len(e.recipients)
	alone := info.apart()
	switch info.tag {
	case tagSequence:
		e.readKeyTransport(alone)
	case explicit | 1:
		e.readKeyAgreement(alone)
	default:
		e.unknown++
		return
	}
	switch {
	case tooLarge(alone.doc.err):
		info.doc.fail(alone.doc.err)
	case alone.doc.err != nil:
		e.recipients = e.recipients[:before]
		e.unknown++
	}
}

// readKeyTransport reads a KeyTransRecipientInfo.
func (e *encrypted) readKeyTransport(info element) {
	r := info.children()
	r.version()
	var rcpt recipient
	if r.is(tagSequence) {
		rcpt.id = r.next().issuerAndSerial()
	} else {
		rcpt.id.SubjectKeyID = r.keyIdentifier()
	}
	rcpt.algorithm = r.algorithm("keyEncryptionAlgorithm")
	rcpt.key = r.take(tagOctetString, "encryptedKey").octets()
	r.done("a KeyTransRecipientInfo")
	e.recipients = append(e.recipients, rcpt)
}

// readKeyAgreement reads a KeyAgreeRecipientInfo. Only an ephemeral key in the message itself is
// supported (RFC 5753 section 3.1, RFC 8418 section 3.2).
func (e *encrypted) readKeyAgreement(info element) {
	r := info.children()
	r.version()
	rcpt := recipient{agreement: true}
	originator := r.take(explicit, "originator").children().take(explicit|1, "originatorKey")
	rcpt.originator = originator.children().originatorKey()
	if r.is(explicit | 1) {
		rcpt.ukm = r.next().children().take(tagOctetString, "ukm").octets()
		if rcpt.ukm == nil {
			rcpt.ukm = []byte{}
		}
	}
	rcpt.algorithm = r.algorithm("keyEncryptionAlgorithm")
	n := 0
	for keys := r.take(tagSequence, "recipientEncryptedKeys").children(); !keys.empty(); {
		k := keys.take(tagSequence, "RecipientEncryptedKey").children()
		if k.is(explicit) {
			rcpt.id = CertificateID{SubjectKeyID: k.next().children().take(tagOctetString, "subjectKeyIdentifier").octets()}
		} else {
			rcpt.id = k.take(tagSequence, "recipient identifier").issuerAndSerial()
		}
		rcpt.key = k.take(tagOctetString, "encryptedKey").octets()
		if n > 0 { // the first is paid for as RecipientInfo
			if err := info.doc.budget.recipient(); err != nil {
				info.doc.fail(err)
			}
		}
		e.recipients = append(e.recipients, rcpt)
		n++
	}
}

// originatorKey reads what an OriginatorPublicKey holds. Its curve is the recipient's: parameters are
// absent, NULL or the name of a curve (RFC 5753 section 7.1.2), and curves without a name are refused.
func (r *reader) originatorKey() []byte {
	algorithm := r.algorithm("originator's algorithm")
	if !algorithm.bare() && algorithm.parameters.tag != tagOID {
		r.doc.malformed("originator's key on a curve without a name")
	}
	return r.take(tagBitString, "originator's public key").bits()
}

// bits returns the octets of a BIT STRING without unused bits.
func (e element) bits() []byte {
	c := e.content()
	if e.doc == nil {
		return nil
	}
	if len(c) == 0 || c[0] != 0 {
		e.doc.malformed("BIT STRING")
		return nil
	}
	return c[1:]
}
