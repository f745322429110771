package trust_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// listOf makes a CRL, changed in any way.
func listOf(t testing.TB, ca *smimetest.CA, change func(*x509.RevocationList), entries ...x509.RevocationListEntry) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(10), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour), RevokedCertificateEntries: entries}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Certificate, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func entryOf(cert *x509.Certificate, reason int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: now.Add(-time.Hour), ReasonCode: reason}
}

func parsedList(t testing.TB, der []byte) *trust.CRL {
	t.Helper()
	c, err := trust.ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func deltaOf(base int64) pkix.Extension {
	value, _ := asn1.Marshal(big.NewInt(base))
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: value}
}

// issuingPoint is an IssuingDistributionPoint with a URL and flags, each [tag] TRUE.
func issuingPoint(url string, flags ...uint8) pkix.Extension {
	var b cryptobyte.Builder
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if url != "" {
			b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(context(6), func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
				})
			})
		}
		for _, f := range flags {
			b.AddASN1(context(f), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
		}
	})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: b.BytesOrPanic()}
}

// TestStatusFromCRLs is the table of what lists say about a certificate that names http://corp.example/ca.crl.
func TestStatusFromCRLs(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	const url = "http://corp.example/ca.crl"
	alice := ca.Issue("alice@corp.example", smimetest.ECP256, smimetest.CRLURL(url)).Certificate
	other := ca.Issue("other@corp.example", smimetest.ECP256).Certificate
	with := func(e ...pkix.Extension) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.ExtraExtensions = e }
	}
	delta := func(base, number int64, from time.Duration) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions, l.Number = []pkix.Extension{deltaOf(base)}, big.NewInt(number)
			l.ThisUpdate, l.NextUpdate = now.Add(from), now.Add(from+2*time.Hour)
		}
	}
	old := func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = now.Add(-5*time.Hour), now.Add(-time.Hour) }
	plain := listOf(t, ca, nil, entryOf(other, 1))
	const good, revoked, stale, unknown = trust.RevocationGood, trust.RevocationRevoked, trust.RevocationStale, trust.RevocationNoAnswer
	for _, test := range []struct {
		name  string
		lists [][]byte
		want  trust.RevocationState
	}{
		{"none", nil, unknown},
		{"not on it", [][]byte{plain}, good},
		{"on it", [][]byte{listOf(t, ca, nil, entryOf(other, 1), entryOf(alice, 4))}, revoked},
		{"on hold", [][]byte{listOf(t, ca, nil, entryOf(alice, 6))}, revoked},
		{"out of date", [][]byte{listOf(t, ca, old)}, stale},
		{"out of date, on it", [][]byte{listOf(t, ca, old, entryOf(alice, 1))}, revoked},
		{"taken off by a newer list", [][]byte{listOf(t, ca, old, entryOf(alice, 6)), listOf(t, ca, func(l *x509.RevocationList) { l.Number = big.NewInt(11) })}, good},
		{"a newer list with a smaller number", [][]byte{listOf(t, ca, old, entryOf(alice, 6)), listOf(t, ca, func(l *x509.RevocationList) { l.Number = big.NewInt(9) })}, revoked},
		{"of a time to come", [][]byte{listOf(t, ca, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(30 * time.Minute) })}, unknown},
		{"for its own place", [][]byte{listOf(t, ca, with(issuingPoint(url)))}, good},
		{"for another place", [][]byte{listOf(t, ca, with(issuingPoint("http://corp.example/other.crl")))}, unknown},
		{"for another place, on it", [][]byte{listOf(t, ca, with(issuingPoint("http://corp.example/other.crl")), entryOf(alice, 1))}, unknown},
		{"for user certificates", [][]byte{listOf(t, ca, with(issuingPoint("", 1)))}, good},
		{"for CA certificates", [][]byte{listOf(t, ca, with(issuingPoint("", 2)))}, unknown},
		{"for attribute certificates", [][]byte{listOf(t, ca, with(issuingPoint("", 5)))}, unknown},
		{"a delta alone", [][]byte{listOf(t, ca, delta(10, 11, -time.Hour))}, unknown},
		{"a delta that adds", [][]byte{plain, listOf(t, ca, delta(10, 11, -time.Minute), entryOf(alice, 1))}, revoked},
		{"a delta that takes off hold", [][]byte{listOf(t, ca, nil, entryOf(alice, 6)), listOf(t, ca, delta(10, 11, -time.Minute), entryOf(alice, 8))}, good},
		{"a delta alone, on it", [][]byte{listOf(t, ca, delta(10, 11, -time.Minute), entryOf(alice, 1))}, revoked},
		{"a delta alone, off hold", [][]byte{listOf(t, ca, delta(10, 11, -time.Minute), entryOf(alice, 8))}, unknown},
		{"a delta for a newer base, on it", [][]byte{plain, listOf(t, ca, delta(11, 12, -time.Minute), entryOf(alice, 1))}, revoked},
		{"a delta for a newer base, not on it", [][]byte{plain, listOf(t, ca, delta(11, 12, -time.Minute))}, good},
		{"a delta for a newer base, off hold", [][]byte{listOf(t, ca, nil, entryOf(alice, 6)), listOf(t, ca, delta(11, 12, -time.Minute), entryOf(alice, 8))}, revoked},
		{"a delta for a newer base, and then that base", [][]byte{plain, listOf(t, ca, delta(11, 12, -time.Minute), entryOf(alice, 6)),
			listOf(t, ca, func(l *x509.RevocationList) { l.Number, l.ThisUpdate = big.NewInt(12), now.Add(-time.Minute) })}, good},
		{"a delta, and then its base's successor, which is older than it", [][]byte{plain, listOf(t, ca, delta(10, 12, -time.Minute), entryOf(alice, 1)),
			listOf(t, ca, func(l *x509.RevocationList) { l.Number, l.ThisUpdate = big.NewInt(11), now.Add(-2*time.Minute) })}, revoked},
		{"a delta for a newer base, the base out of date", [][]byte{listOf(t, ca, old), listOf(t, ca, delta(11, 12, -time.Minute))}, stale},
		{"a delta keeps its base in date", [][]byte{listOf(t, ca, old), listOf(t, ca, delta(10, 12, -time.Minute))}, good},
		{"a delta out of date, on it", [][]byte{plain, listOf(t, ca, delta(10, 11, -3*time.Hour), entryOf(alice, 1))}, revoked},
		{"a delta out of date, not on it", [][]byte{plain, listOf(t, ca, delta(10, 11, -3*time.Hour))}, good},
		{"a delta out of date, off hold", [][]byte{listOf(t, ca, nil, entryOf(alice, 6)), listOf(t, ca, delta(10, 11, -3*time.Hour), entryOf(alice, 8))}, revoked},
		{"a delta out of date, on it, and a newer base", [][]byte{listOf(t, ca, delta(10, 11, -3*time.Hour), entryOf(alice, 6)),
			listOf(t, ca, func(l *x509.RevocationList) { l.Number = big.NewInt(11) })}, good},
		{"a delta of a time to come, on it", [][]byte{plain, listOf(t, ca, delta(10, 11, 30*time.Minute), entryOf(alice, 1))}, good},
		{"a hold that a newer delta does not name", [][]byte{plain, listOf(t, ca, delta(10, 11, -3*time.Hour), entryOf(alice, 6)), listOf(t, ca, delta(10, 12, -time.Minute))}, good},
		{"a hold that a newer delta out of date does not name", [][]byte{plain, listOf(t, ca, delta(10, 11, -4*time.Hour), entryOf(alice, 6)), listOf(t, ca, delta(10, 12, -3*time.Hour))}, revoked},
		{"revoked, and a newer delta that builds on what has it", [][]byte{plain, listOf(t, ca, delta(10, 11, -3*time.Hour), entryOf(alice, 1)), listOf(t, ca, delta(11, 12, -time.Minute))}, revoked},
		{"the newest of two deltas", [][]byte{plain, listOf(t, ca, delta(10, 11, -time.Minute), entryOf(alice, 6)), listOf(t, ca, delta(10, 12, -time.Minute), entryOf(alice, 8))}, good},
		{"a delta of another scope", [][]byte{plain, listOf(t, ca, func(l *x509.RevocationList) {
			delta(10, 11, -time.Minute)(l)
			l.ExtraExtensions = append(l.ExtraExtensions, issuingPoint(url))
		}, entryOf(alice, 1))}, revoked},
		{"a delta of a scope that leaves her out", [][]byte{plain, listOf(t, ca, func(l *x509.RevocationList) {
			delta(10, 11, -time.Minute)(l)
			l.ExtraExtensions = append(l.ExtraExtensions, issuingPoint("", 2))
		}, entryOf(alice, 1))}, good},
		{"a delta of another scope, off hold", [][]byte{listOf(t, ca, nil, entryOf(alice, 6)), listOf(t, ca, func(l *x509.RevocationList) {
			delta(10, 11, -time.Minute)(l)
			l.ExtraExtensions = append(l.ExtraExtensions, issuingPoint(url))
		}, entryOf(alice, 8))}, revoked},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				var lists []*trust.CRL
				for _, der := range test.lists {
					lists = append(lists, parsedList(t, der))
				}
				if s := trust.StatusFromCRLs(alice, lists, now, trust.RevocationLimits{}); s.State != test.want || (s.Detail == "") != (s.State == good) {
					t.Errorf("%s (%s), want %s", s.State, s.Detail, test.want)
				}
				for i, j := 0, len(test.lists)-1; i < j; i, j = i+1, j-1 { // the order says nothing
					test.lists[i], test.lists[j] = test.lists[j], test.lists[i]
				}
			}
		})
	}
	if s := trust.StatusFromCRLs(other, nil, now, trust.RevocationLimits{}); s.State != trust.RevocationNoMechanism {
		t.Errorf("a certificate that names nobody: %s", s.State)
	}
	aged := trust.StatusFromCRLs(alice, []*trust.CRL{parsedList(t, plain)}, now.Add(30*time.Minute), trust.RevocationLimits{MaxAge: time.Hour})
	if aged.State != stale {
		t.Errorf("in date, but older than MaxAge: %s", aged.State)
	}
}

// TestVerifyCRL: who may vouch for a list.
func TestVerifyCRL(t *testing.T) {
	ca := smimetest.NewCA("CA")
	list := listOf(t, ca, nil)
	namesake := smimetest.NewCA("CA")
	noCRLs := smimetest.NewCA("CA", smimetest.WithKey(ca.Key), smimetest.KeyUsage(x509.KeyUsageCertSign))
	renamed := smimetest.NewCA("CB", smimetest.WithKey(ca.Key))
	spelled := smimetest.NewCA("ca ", smimetest.WithKey(ca.Key)) // RFC 5280 section 7.1
	for name, test := range map[string]struct {
		signer *smimetest.CA
		ok     bool
	}{"the CA": {ca, true}, "the CA, spelled otherwise": {spelled, true}, "another of its name": {namesake, false},
		"one that may not sign CRLs": {noCRLs, false}, "its key under another name": {renamed, false}} {
		for range 2 { // the second time from memory
			if err := parsedList(t, list).Verify(test.signer.Certificate, trust.RevocationLimits{}); (err == nil) != test.ok || err != nil && !errors.Is(err, trust.ErrCRL) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	changed := append([]byte(nil), list...)
	changed[len(changed)-1] ^= 1
	if c, err := trust.ParseCRL(changed); err == nil && c.Verify(ca.Certificate, trust.RevocationLimits{}) == nil {
		t.Error("a changed signature verifies")
	}
	pss := listOf(t, ca, func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.SHA384WithRSAPSS })
	if err := parsedList(t, pss).Verify(ca.Certificate, trust.RevocationLimits{}); err != nil {
		t.Errorf("RSASSA-PSS: %v", err)
	}
}

// TestSignersOfCRLs: with a key of its own for CRLs a CA signs them, and nobody whom it merely gave a certificate with its
// name.
func TestSignersOfCRLs(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	other := smimetest.NewCA("CA", smimetest.ECP256) // of the same name
	named := func(by *smimetest.CA, o ...smimetest.Option) *smimetest.Identity {
		return by.Issue("x@corp.example", append([]smimetest.Option{smimetest.ECP256, smimetest.CommonName("CA")}, o...)...)
	}
	for name, test := range map[string]struct {
		signer *smimetest.Identity
		ok     bool
	}{
		"a key for CRLs":              {named(ca, smimetest.KeyUsage(x509.KeyUsageCRLSign)), true},
		"a person":                    {named(ca), false},
		"a person, for any use":       {named(ca, smimetest.KeyUsage()), false},
		"under another anchor":        {named(other, smimetest.KeyUsage(x509.KeyUsageCRLSign)), false},
		"under another name":          {ca.Issue("x@corp.example", smimetest.ECP256, smimetest.KeyUsage(x509.KeyUsageCRLSign)), false},
		"a key for CRLs, out of date": {named(ca, smimetest.KeyUsage(x509.KeyUsageCRLSign), smimetest.Validity(now.Add(-2*time.Hour), now.Add(-time.Hour))), false},
	} {
		issuer := *test.signer.Certificate
		issuer.KeyUsage, issuer.RawSubject = x509.KeyUsageCRLSign, ca.Certificate.RawSubject // what is signed is no matter of what may be
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)},
			&issuer, test.signer.Key)
		if err != nil {
			t.Fatal(name, err)
		}
		extra := append([]*x509.Certificate{test.signer.Certificate}, test.signer.Chain...)
		signers := anchored(ca, other).CRLSigners(parsedList(t, der), ca.Certificate, now, extra, trust.RevocationLimits{})
		if (len(signers) > 0) != test.ok {
			t.Errorf("%s: %d paths", name, len(signers))
		}
	}
}

// TestOlderThan: a list is never replaced by an older one.
func TestOlderThan(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	at := func(hours int, number int64) *trust.CRL {
		return parsedList(t, listOf(t, ca, func(l *x509.RevocationList) {
			l.ThisUpdate, l.Number = now.Add(time.Duration(hours)*time.Hour), big.NewInt(number)
			l.NextUpdate = l.ThisUpdate.Add(time.Hour)
		}))
	}
	have := at(0, 5)
	for _, test := range []struct {
		hours  int
		number int64
		older  bool
	}{{0, 5, false}, {1, 6, false}, {1, 5, false}, {-1, 5, true}, {-1, 6, true}, {1, 4, true}} {
		if got := at(test.hours, test.number).OlderThan(have); got != test.older {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func FuzzCRL(f *testing.F) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	cert := ca.Issue("alice@corp.example", smimetest.ECP256, smimetest.CRLURL("http://corp.example/ca.crl")).Certificate
	f.Add(listOf(f, ca, nil, entryOf(cert, 1)))
	f.Add(listOf(f, ca, func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{deltaOf(3), issuingPoint("http://corp.example/ca.crl", 1, 4)}
	}))
	policy := anchored(ca)
	path := []*x509.Certificate{cert, ca.Certificate}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := trust.ParseCRL(der)
		if err != nil {
			if !errors.Is(err, trust.ErrCRL) {
				t.Errorf("%v does not wrap ErrCRL", err)
			}
			return
		}
		trust.StatusFromCRLs(cert, []*trust.CRL{c, c}, now, trust.RevocationLimits{}) // must not panic
		if s := policy.RevocationFromCRLs(path, []*trust.CRL{c}, now, nil, trust.RevocationLimits{}); s[0].State == trust.RevocationGood && c.Verify(ca.Certificate, trust.RevocationLimits{}) != nil {
			t.Error("a list that nobody signed was believed")
		}
	})
}

// FuzzDistributionPoints puts octets where cRLDistributionPoints is.
func FuzzDistributionPoints(f *testing.F) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	issued := ca.Issue("alice@corp.example", smimetest.ECP256, smimetest.CRLURL("http://corp.example/ca.crl")).Certificate
	for _, e := range issued.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 31}) {
			f.Add(e.Value)
		}
	}
	list := parsedList(f, listOf(f, ca, nil, entryOf(issued, 1)))
	f.Fuzz(func(t *testing.T, value []byte) {
		cert := *issued
		cert.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: value}}
		trust.WhereToAsk(&cert)
		if s := trust.StatusFromCRLs(&cert, []*trust.CRL{list}, now, trust.RevocationLimits{}); s.State == trust.RevocationGood {
			t.Error("its distribution points take a certificate off its issuer's list")
		}
	})
}
