package entity

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
)

// ErrAddress is wrapped by the error of a value that is no unambiguous list of addresses.
var ErrAddress = errors.New("no clear address")

// Addresses returns the addr-specs of an address list (From, To, Cc; RFC 5322 section 3.4) in their order, without display names and
// comments, letter case kept. Groups give their members. Whatever two readers may understand differently is an error that wraps
// [ErrAddress], never a guess: a value that does not parse as a whole, an empty list, and a local part that needs quoting (it may
// hold an @).
func Addresses(value string) ([]string, error) {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return nil, fmt.Errorf("%w: control character", ErrAddress)
		}
	}
	parser := mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: anyCharset}}
	list, err := parser.ParseList(value)
	if err != nil || len(list) == 0 {
		return nil, ErrAddress // net/mail's error quotes the value
	}
	addrs := make([]string, 0, len(list))
	for _, a := range list {
		if !plainAddress(a.Address) {
			return nil, fmt.Errorf("%w: quoted or empty local part", ErrAddress)
		}
		addrs = append(addrs, a.Address)
	}
	return addrs, nil
}

// anyCharset lets display names of every charset pass: nobody reads them.
func anyCharset(_ string, in io.Reader) (io.Reader, error) { return in, nil }

// plainAddress tells whether an addr-spec has exactly one @ between a dot-atom and a domain.
func plainAddress(addr string) bool {
	local, domain, ok := strings.Cut(addr, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") {
		return false
	}
	return !strings.ContainsAny(local, "\"\\(),:;<>[] \t") && !strings.ContainsAny(domain, "\"\\(),;<> \t") &&
		!strings.HasPrefix(local, ".") && !strings.HasSuffix(local, ".") && !strings.Contains(local, "..")
}
