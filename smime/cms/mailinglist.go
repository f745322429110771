package cms

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MaxExpansionHistory is ub-ml-expansion-history: how many lists a message may have passed
// (RFC 2634 section 4.4).
const MaxExpansionHistory = 64

// ErrExpansionHistory is wrapped by the error of an mlExpansionHistory that cannot be read, or has
// no room for another entry.
var ErrExpansionHistory = errors.New("cms: mail list expansion history")

// MLData is what one mail list agent wrote when it expanded a message (RFC 2634 section 4.4).
type MLData struct {
	// List is the mailListIdentifier: a certificate of the list.
	List CertificateID
	// Time is when the list expanded the message.
	Time time.Time
	// ReceiptPolicy is the DER of the MLReceiptPolicy, nil where there is none.
	ReceiptPolicy []byte
}

// ListAttributes are the signed attributes of one SignerInfo, as a mail list agent sees them. They
// are worth what the signature is worth.
type ListAttributes struct {
	// History is the mlExpansionHistory, oldest first; nil where there is none. HistoryDER is its
	// encoding, by which two are compared.
	History    []MLData
	HistoryDER []byte
	// Label is the DER of the eSSSecurityLabel, nil where there is none (RFC 2634 section 3).
	Label []byte

	carried [][]byte // attributes that are neither the history nor about the signer or the content
}

var (
	oidSecurityLabel = oidSMIMEAttr.with(2)
	// What Outlook names the encryption certificate by (szOID_MICROSOFT_Encryption_Key_Preference).
	oidMicrosoftKeyPref = oid("\x2b\x06\x01\x04\x01\x82\x37\x10\x04")
)

// replaced are the attributes that a new signature has of its own: they are about this content,
// this moment and this signer.
var replaced = map[oid]bool{
	oidContentType: true, oidMessageDigest: true, oidSigningTime: true, oidAlgorithmProtection: true,
	oidSMIMECapabilities: true, oidEncryptionKeyPref: true, oidMicrosoftKeyPref: true,
	oidSigningCertificate: true, oidSigningCertV2: true, oidMLExpansionHistory: true,
}

// ReadListAttributes reads [SignerInfo.SignedAttributes]; none at all are no attributes. The error
// wraps ErrExpansionHistory, or ErrSignerMalformed where a security label has not one value.
func ReadListAttributes(signed []byte) (ListAttributes, error) {
	var a ListAttributes
	if signed == nil {
		return a, nil
	}
	in := cryptobyte.String(signed)
	var set cryptobyte.String
	if !in.ReadASN1(&set, asn1.SET) || !in.Empty() {
		return a, fmt.Errorf("%w: signed attributes", ErrSignerMalformed)
	}
	for !set.Empty() {
		var whole, attribute, kind, values cryptobyte.String
		if !set.ReadASN1Element(&whole, asn1.SEQUENCE) {
			return a, fmt.Errorf("%w: signed attributes", ErrSignerMalformed)
		}
		rest := whole
		if !rest.ReadASN1(&attribute, asn1.SEQUENCE) || !attribute.ReadASN1(&kind, asn1.OBJECT_IDENTIFIER) ||
			!attribute.ReadASN1(&values, asn1.SET) || !attribute.Empty() {
			return a, fmt.Errorf("%w: signed attributes", ErrSignerMalformed)
		}
		switch o := oid(kind); {
		case o == oidMLExpansionHistory:
			if a.HistoryDER != nil {
				return a, fmt.Errorf("%w: there twice", ErrExpansionHistory)
			}
			var err error
			if a.History, err = readHistory(values); err != nil {
				return a, err
			}
			a.HistoryDER = values
		case o == oidSecurityLabel:
			var label cryptobyte.String
			if a.Label != nil || !values.ReadASN1Element(&label, asn1.SET) || !values.Empty() {
				return a, fmt.Errorf("%w: not one security label", ErrSignerMalformed)
			}
			a.Label = label
			a.carried = append(a.carried, whole)
		case !replaced[o]:
			a.carried = append(a.carried, whole)
		}
	}
	return a, nil
}

// readHistory reads the one value of the attribute.
func readHistory(values cryptobyte.String) ([]MLData, error) {
	var sequence cryptobyte.String
	if !values.ReadASN1(&sequence, asn1.SEQUENCE) || !values.Empty() || sequence.Empty() {
		return nil, fmt.Errorf("%w: not one value", ErrExpansionHistory)
	}
	var history []MLData
	for !sequence.Empty() {
		if len(history) == MaxExpansionHistory {
			return nil, fmt.Errorf("%w: more than %d entries", ErrExpansionHistory, MaxExpansionHistory)
		}
		var entry cryptobyte.String
		if !sequence.ReadASN1(&entry, asn1.SEQUENCE) {
			return nil, fmt.Errorf("%w: an entry is none", ErrExpansionHistory)
		}
		data, ok := readMLData(entry)
		if !ok {
			return nil, fmt.Errorf("%w: an entry cannot be read", ErrExpansionHistory)
		}
		history = append(history, data)
	}
	return history, nil
}

func readMLData(entry cryptobyte.String) (MLData, bool) {
	var d MLData
	switch {
	case entry.PeekASN1Tag(asn1.SEQUENCE):
		var id, issuer cryptobyte.String
		d.List.Serial = new(big.Int)
		if !entry.ReadASN1(&id, asn1.SEQUENCE) || !id.ReadASN1Element(&issuer, asn1.SEQUENCE) ||
			!id.ReadASN1Integer(d.List.Serial) || !id.Empty() {
			return d, false
		}
		d.List.Issuer = issuer
	default:
		var ski cryptobyte.String
		if !entry.ReadASN1(&ski, asn1.OCTET_STRING) || ski.Empty() {
			return d, false
		}
		d.List.SubjectKeyID = ski
	}
	if !entry.ReadASN1GeneralizedTime(&d.Time) {
		return d, false
	}
	if !entry.Empty() {
		var policy cryptobyte.String
		var tag asn1.Tag
		if !entry.ReadAnyASN1Element(&policy, &tag) || !entry.Empty() || !receiptPolicy(tag) {
			return d, false
		}
		d.ReceiptPolicy = policy
	}
	return d, true
}

// receiptPolicy tells whether a tag is one of none, insteadOf and inAdditionTo.
func receiptPolicy(tag asn1.Tag) bool {
	return tag == asn1.Tag(0).ContextSpecific() || tag == asn1.Tag(1).ContextSpecific().Constructed() || tag == asn1.Tag(2).ContextSpecific().Constructed()
}

// Next returns the signed attributes, for [SignOptions], of the layer that a mail list agent with
// this certificate puts in place of the one a was read from: those of that layer which it does not
// replace, and the history with the list behind it (RFC 2634 section 4.2). The list has no receipt
// policy of its own, so that of the list before it stays (section 4.3, the column "missing").
func (a ListAttributes) Next(list *x509.Certificate, at time.Time) ([][]byte, error) {
	if len(a.History) >= MaxExpansionHistory {
		return nil, fmt.Errorf("%w: no room for another entry", ErrExpansionHistory)
	}
	entry := [][]byte{issuerAndSerial(tagSequence, list), encode(tagGeneralizedTime, []byte(at.UTC().Format("20060102150405Z")))}
	var before []byte
	if n := len(a.History); n > 0 {
		entry = append(entry, a.History[n-1].ReceiptPolicy)
		value := cryptobyte.String(a.HistoryDER)
		var entries cryptobyte.String
		if !value.ReadASN1(&entries, asn1.SEQUENCE) {
			return nil, ErrExpansionHistory
		}
		before = entries
	}
	history := encode(tagSequence, before, encode(tagSequence, entry...))
	attribute := encode(tagSequence, oidMLExpansionHistory.der(), encode(tagSet, history))
	return append(a.carried[:len(a.carried):len(a.carried)], attribute), nil
}

// SameHistory tells whether two SignerInfos carry the same history, or none.
func (a ListAttributes) SameHistory(b ListAttributes) bool {
	return bytes.Equal(a.HistoryDER, b.HistoryDER)
}
