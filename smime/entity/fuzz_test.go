package entity_test

import (
	"testing"

	"github.com/sealist/sealist/smime/entity"
)

func FuzzParts(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\nA: 1\r\n\r\none\r\n--b--\r\nepi"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/digest; boundary=ab\n\n--ab\n\n--ab--\n--a--"))
	f.Add([]byte("Content-Type: multipart/signed; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\n--ab--"))
	f.Add([]byte("Content-Type: multipart/x; boundary=\"\r\n\r\n--\r\n"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		e, err := entity.Parse(octets, entity.DefaultLimits())
		if err != nil {
			return
		}
		_ = visit(e)
		checkOctets(t, e)
		c := entity.Canonical(octets)
		if again := entity.Canonical(c); string(again) != string(c) {
			t.Fatal("Canonical is not idempotent")
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add("From: a@b\r\nTo: c\r\n d\r\n\r\n")
	f.Add("From : \"a\" <a@b>\nContent-Type: text/plain; a*0*=utf-8''%41; a*1=\"b\\\"\" (c)\n\n")
	f.Add("From a@b\n: x\n y\nA\x00: b\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := entity.Parse([]byte(s), entity.DefaultLimits())
		if err != nil {
			return
		}
		checkOctets(t, e)
		e.MediaType()
		e.Disposition()
		for _, h := range e.Header() {
			addrs, err := entity.Addresses(h.Value())
			if err == nil && len(addrs) == 0 {
				t.Fatal("no address and no error")
			}
		}
	})
}
