package smime

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// InspectOptions is what `listmaster message inspect` takes beside the file.
type InspectOptions struct {
	// CA are trust anchors, of any kind of certificate; Intermediates are helpers, never anchors.
	CA, Intermediates []*x509.Certificate
	// CRLs are DER revocation lists, beside those in the message.
	CRLs [][]byte
	// Keys open an encryption; a key without a certificate is tried on every RecipientInfo.
	Keys []cms.Key
	// At is the time at which paths are judged; zero means now.
	At time.Time
	// Rcpt stands for the list, see [Claim.Rcpt]; empty: not judged.
	Rcpt string
	// Revocation is [RevocationOff], [RevocationKnown] (the default) or [RevocationRequire].
	Revocation string
}

// Report is what `listmaster message inspect --json` prints. Its lists are never null. Authenticated is exit status 0, everything else
// exit status 1, input that cannot be read included.
type Report struct {
	Layers           []LayerReport    `json:"layers"`
	HeaderProtection HeaderProtection `json:"header_protection"`
	From             []string         `json:"from"`
	FromSource       string           `json:"from_source"`
	Authenticated    bool             `json:"authenticated"`
	Reason           trust.Reason     `json:"reason"`
	// Error is "", "decrypt_failed", "malformed" or "too_large".
	Error string `json:"error"`
	// ContentSHA256 is the SHA-256 of the innermost entity with CRLF line ends, in hex; empty if it could not be reached.
	ContentSHA256 string `json:"content_sha256"`
	// Protected are the names of the header fields that header protection covers; Hidden are those among them that were not shown
	// outside as they are.
	Protected []string `json:"protected"`
	Hidden    []string `json:"hidden"`
}

// LayerReport is one CMS layer, from the outside in.
type LayerReport struct {
	Type       LayerType         `json:"type"`
	Form       Form              `json:"form"`
	Path       string            `json:"path"`
	Counts     bool              `json:"counts"`
	Algorithm  string            `json:"algorithm"`
	Recipients []RecipientReport `json:"recipients"`
	Signers    []SignerReport    `json:"signers"`
	Error      string            `json:"error"`
}

// RecipientReport is one RecipientInfo.
type RecipientReport struct {
	ID            string `json:"id"`
	KeyEncryption string `json:"key_encryption"`
}

// SignerReport is one SignerInfo. Valid is the mathematics, Trusted path, usage, dates and revocation of the certificate.
type SignerReport struct {
	Subject     string                `json:"subject"`
	Issuer      string                `json:"issuer"`
	Addresses   []string              `json:"addresses"`
	Serial      string                `json:"serial"`
	Fingerprint string                `json:"fingerprint"`
	Digest      string                `json:"digest"`
	Signature   string                `json:"signature"`
	SigningTime string                `json:"signing_time"`
	Valid       bool                  `json:"valid"`
	Trusted     bool                  `json:"trusted"`
	Revocation  trust.RevocationState `json:"revocation"`
	Reason      trust.Reason          `json:"reason"`
}

// Inspect opens a message, judges invariant 4 without replay and age, and reports what it found. It needs no configuration, database
// or network and takes any octets: a message with CRLF or LF line ends, or a bare CMS object in DER, BER or PEM.
func Inspect(octets []byte, o InspectOptions) Report {
	report := Report{Layers: []LayerReport{}, HeaderProtection: NoHeaderProtection, From: []string{}, FromSource: FromOuter, Protected: []string{}, Hidden: []string{}}
	e, err := inspected(octets)
	if err != nil {
		report.Error, report.Reason = errorWord(err), reasonOf(err)
		return report
	}
	m := Open(e, Options{Keys: o.Keys, Extra: append(o.CA[:len(o.CA):len(o.CA)], o.Intermediates...), Decrypt: cms.DecryptPolicy{Allow3DES: true}})
	at := o.At
	if at.IsZero() {
		at = time.Now()
	}
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: o.CA, Intermediates: o.Intermediates})
	claim := Claim{Received: at}
	if o.Rcpt != "" {
		claim.Rcpt = []string{o.Rcpt}
	}
	a := Authenticate(m, newListJudge(policy, m, o), claim)
	report.From = append(report.From, a.From...)
	report.FromSource, report.Authenticated, report.Reason = a.FromSource, a.Authenticated, a.Reason
	report.Error = errorWord(m.Err)
	report.HeaderProtection, report.Protected, report.Hidden = m.Protection.Kind(), m.Protection.Names(), m.Protection.Hidden()
	for _, l := range m.Layers {
		report.Layers = append(report.Layers, layerReport(l))
	}
	if m.Content != nil {
		sum := sha256.Sum256(entity.Canonical(m.Content.Octets()))
		report.ContentSHA256 = hex.EncodeToString(sum[:])
	}
	return report
}

// inspected reads octets as a message, or as one whose whole body they are if they are a bare CMS object.
func inspected(octets []byte) (*entity.Entity, error) {
	if len(bytes.TrimSpace(octets)) == 0 {
		return nil, named("reading", errors.New("nothing there"))
	}
	if octets[0] == 0x30 && len(octets) > 1 && (octets[1] >= 0x80 || int(octets[1]) == len(octets)-2) || bytes.HasPrefix(octets, []byte("-----BEGIN ")) {
		const header = "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n"
		octets = append([]byte(header), octets...)
	}
	e, err := entity.Parse(octets, entity.DefaultLimits())
	return e, named("reading", err)
}

func layerReport(l Layer) LayerReport {
	r := LayerReport{
		Type: l.Type, Form: l.Form, Path: l.Path, Counts: l.Counts, Algorithm: l.Algorithm,
		Recipients: []RecipientReport{}, Signers: []SignerReport{}, Error: errorWord(l.Err),
	}
	for _, ri := range l.Recipients {
		r.Recipients = append(r.Recipients, RecipientReport{ID: ri.ID.String(), KeyEncryption: ri.KeyEncryption})
	}
	for _, s := range l.Signers {
		r.Signers = append(r.Signers, signerReport(s))
	}
	return r
}

func signerReport(s Signer) SignerReport {
	r := SignerReport{
		Addresses: []string{}, Digest: s.Digest, Signature: s.Signature, Valid: s.Intact,
		Trusted: s.Judged && s.Verdict.OK(), Revocation: cmp.Or(s.Verdict.Revocation, trust.RevocationUnchecked), Reason: s.Reason(),
	}
	if !s.SigningTime.IsZero() {
		r.SigningTime = s.SigningTime.UTC().Format(time.RFC3339)
	}
	if s.ID.Serial != nil {
		r.Serial = fmt.Sprintf("%x", s.ID.Serial)
	}
	if c := s.Certificate; c != nil {
		r.Subject, r.Issuer = c.Subject.String(), c.Issuer.String()
		r.Addresses = append(r.Addresses, trust.Addresses(c)...)
		r.Serial, r.Fingerprint = fmt.Sprintf("%x", c.SerialNumber), trust.Fingerprint(c)
	}
	return r
}

// errorWord is what an error is called outside; a decryption that failed has one word, whatever failed (invariant 3).
func errorWord(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrDecrypt):
		return "decrypt_failed"
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	}
	return "malformed"
}
