package cms

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// FuzzListAttributes: any octets are attributes or an error of this package, and what was read can be written again.
func FuzzListAttributes(f *testing.F) {
	list := who(f, "p256").cert
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	one, err := ListAttributes{}.Next(list, at)
	if err != nil {
		f.Fatal(err)
	}
	label := encode(tagSequence, oidSecurityLabel.der(), encode(tagSet, encode(tagSet, encode(tagOID, []byte{42}))))
	f.Add(encodeSet(tagSet, one...))
	f.Add(encodeSet(tagSet, append(one, label)...))
	f.Add([]byte{tagSet, 0})
	f.Fuzz(func(t *testing.T, octets []byte) {
		a, err := ReadListAttributes(octets)
		if err != nil {
			if !errors.Is(err, ErrExpansionHistory) && !errors.Is(err, ErrSignerMalformed) {
				t.Fatal(err)
			}
			return
		}
		next, err := a.Next(list, at)
		if len(a.History) == MaxExpansionHistory != (err != nil) {
			t.Fatalf("%d entries, and then %v", len(a.History), err)
		}
		if err != nil {
			return
		}
		b, err := ReadListAttributes(encodeSet(tagSet, next...))
		if err != nil || len(b.History) != len(a.History)+1 || !bytes.Equal(a.Label, b.Label) {
			t.Fatalf("%d entries became %d, %v", len(a.History), len(b.History), err)
		}
		last := b.History[len(b.History)-1]
		if !last.List.Matches(list) || !last.Time.Equal(at) {
			t.Fatalf("the last entry is %v at %v", last.List, last.Time)
		}
		if n := len(a.History); n > 0 && !bytes.Equal(last.ReceiptPolicy, a.History[n-1].ReceiptPolicy) {
			t.Fatal("the receipt policy is lost")
		}
	})
}
