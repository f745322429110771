package bounce_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
)

func returns(t *testing.T, b byte) *bounce.Returns {
	t.Helper()
	r, err := bounce.NewReturns(bytes.Repeat([]byte{b}, bounce.SecretOctets))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReturnAddress(t *testing.T) {
	r := returns(t, 1)
	form := regexp.MustCompile(`^bounce\+[a-z2-7]{40}@lists\.example\.org$`)
	seen := map[string]bool{}
	for _, m := range []bounce.Member{{1, 1}, {1, 2}, {2, 1}, {1<<40 - 1, 1<<56 - 1}, {7, 123456789}} {
		a := r.Address(m, "lists.example.org")
		if !form.MatchString(a.String()) || len(a.Local()) > list.MaxLocalPartOctets || seen[a.String()] {
			t.Errorf("%v: %q", m, a)
		}
		seen[a.String()] = true
		if again := r.Address(m, "lists.example.org"); again != a {
			t.Errorf("%v: %s, then %s", m, a, again)
		}
		for _, text := range []string{a.String(), strings.ToUpper(a.Local()) + "@other.example.org"} {
			if got, ok := r.Member(list.MustParseAddress(text)); !ok || got != m {
				t.Errorf("%s: %v %v", text, got, ok)
			}
		}
		if _, ok := returns(t, 2).Member(a); ok {
			t.Errorf("%v: read with another secret", m)
		}
	}
	// Nothing of the numbers can be seen: neighbours have nothing in common.
	a, b := r.Address(bounce.Member{List: 1, Number: 1}, "x.example"), r.Address(bounce.Member{List: 1, Number: 2}, "x.example")
	same := 0
	for i := len(bounce.Prefix); i < len(a.Local()); i++ {
		if a.Local()[i] == b.Local()[i] {
			same++
		}
	}
	if same > 10 {
		t.Errorf("%s and %s share %d of 40", a, b, same)
	}
}

// TestReturnAddressForged changes each octet of one, and tries what has only its form.
func TestReturnAddressForged(t *testing.T) {
	r := returns(t, 1)
	a := r.Address(bounce.Member{List: 1, Number: 1}, "lists.example.org")
	for i := len(bounce.Prefix); i < len(a.Local()); i++ {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			if text := a.String()[:i] + string(c) + a.String()[i+1:]; text != a.String() {
				if _, ok := r.Member(list.MustParseAddress(text)); ok {
					t.Errorf("%s is taken", text)
				}
			}
		}
	}
	for _, text := range []string{"bounce@lists.example.org", "bounce+@lists.example.org", "bounce+a@lists.example.org", a.Local()[:46] + "@lists.example.org", a.Local() + "a@lists.example.org", a.Local()[:46] + "1@lists.example.org", "list-owner@lists.example.org"} {
		if _, ok := r.Member(list.MustParseAddress(text)); ok {
			t.Errorf("%s is taken", text)
		}
	}
	if _, ok := (*bounce.Returns)(nil).Member(a); ok || !(*bounce.Returns)(nil).Address(bounce.Member{List: 1, Number: 1}, "x.example").IsZero() {
		t.Error("without a secret there are some")
	}
	for _, m := range []bounce.Member{{1, 0}, {1, -1}, {-1, 1}, {1 << 40, 1}, {1, 1 << 56}} {
		if a := r.Address(m, "lists.example.org"); !a.IsZero() {
			t.Errorf("%v has %s", m, a)
		}
	}
	if a := r.Address(bounce.Member{List: 1, Number: 1}, strings.Repeat("a23456789.", 23)+"org"); !a.IsZero() {
		t.Errorf("a domain that is too long has %s", a)
	}
}

func TestNoListHasAReturnAddress(t *testing.T) {
	if err := list.CheckListAddress(list.MustParseAddress("bounce+x@lists.example.org")); err == nil {
		t.Error("a list may be called bounce+x")
	}
}

func BenchmarkReturnAddress(b *testing.B) {
	r, _ := bounce.NewReturns(make([]byte, bounce.SecretOctets))
	b.ReportAllocs()
	for i := range b.N {
		r.Address(bounce.Member{List: 1, Number: int64(i + 1)}, "lists.example.org")
	}
}
