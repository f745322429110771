package bounce

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// SecretOctets is the length of the secret that return addresses are made with.
const SecretOctets = 32

// Prefix begins the local part of every return address. No list's name begins
// so (list.CheckListAddress).
const Prefix = list.ReturnPrefix

// A return address is the Prefix and 40 letters and digits: the member's numbers,
// in 12 octets that only the secret uncovers, and 13 octets of HMAC-SHA256 over
// them. In base32 (RFC 4648 section 6) these 25 octets leave no bits over, so
// that each address is written in one way, letter case aside. With the prefix it
// has 47 octets of the 64 that a local part may have (RFC 5321 section 4.5.3.1.1).
const (
	listOctets   = 5
	memberOctets = 7
	idOctets     = listOctets + memberOctets
	macOctets    = 13
)

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Member names a subscription: leaving and coming back makes another one.
type Member struct {
	List   list.ID
	Number int64 // of the member's row, never reused
}

// Returns makes and reads what names a subscription to the outside: return
// addresses, and the tokens of one-click unsubscription. Neither serves as the
// other (invariant 12). It is safe for concurrent use.
type Returns struct{ address, unsubscribe numbers }

// numbers hides a member's numbers for one purpose, and uncovers them.
type numbers struct{ mac, mask []byte }

func newNumbers(secret []byte, purpose string) numbers {
	return numbers{mac: sum(secret, []byte(purpose+": mac")), mask: sum(secret, []byte(purpose+": mask"))}
}

// NewReturns takes a secret of SecretOctets.
func NewReturns(secret []byte) (*Returns, error) {
	if len(secret) != SecretOctets {
		return nil, fmt.Errorf("the secret of return addresses has %d octets, not %d", len(secret), SecretOctets)
	}
	return &Returns{address: newNumbers(secret, "return address"), unsubscribe: newNumbers(secret, "one-click unsubscription")}, nil
}

func sum(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// Address returns the address to which bounces of a member's copies go: the same
// for him always. The zero Address if there is none, because the domain is too
// long or a number too large.
func (r *Returns) Address(m Member, domain string) list.Address {
	if r == nil {
		return list.Address{}
	}
	text := r.address.hide(m)
	if text == "" {
		return list.Address{}
	}
	a, err := list.ParseAddress(Prefix + text + "@" + domain)
	if err != nil {
		return list.Address{}
	}
	return a
}

// Unsubscription returns the token with which a member leaves in one step (RFC
// 8058): the same for him always; empty if there is none.
func (r *Returns) Unsubscription(m Member) string {
	if r == nil {
		return ""
	}
	return r.unsubscribe.hide(m)
}

// Unsubscribes returns whose token that is, and whether it is one.
func (r *Returns) Unsubscribes(token string) (Member, bool) {
	if r == nil {
		return Member{}, false
	}
	return r.unsubscribe.uncover(token)
}

// hide writes a member's numbers as 40 letters and digits; empty if one is too
// large.
func (n numbers) hide(m Member) string {
	if m.List < 0 || m.List >= 1<<(8*listOctets) || m.Number <= 0 || m.Number >= 1<<(8*memberOctets) {
		return ""
	}
	var octets [idOctets + macOctets]byte
	var eight [8]byte
	binary.BigEndian.PutUint64(eight[:], uint64(m.List))
	copy(octets[:listOctets], eight[8-listOctets:])
	binary.BigEndian.PutUint64(eight[:], uint64(m.Number))
	copy(octets[listOctets:idOctets], eight[8-memberOctets:])
	tag := sum(n.mac, octets[:idOctets])[:macOctets]
	copy(octets[idOctets:], tag)
	n.cover(octets[:idOctets], tag)
	return strings.ToLower(encoding.EncodeToString(octets[:]))
}

// cover hides the numbers, and uncovers them: a key stream that the HMAC over
// them chooses, so that equal addresses come of equal numbers only.
func (n numbers) cover(id, tag []byte) { subtle.XORBytes(id, id, sum(n.mask, tag)[:len(id)]) }

// IsReturn tells whether an address has the form of return addresses; whether it
// is one only Member knows.
func IsReturn(a list.Address) bool {
	return !a.IsZero() && len(a.Local()) >= len(Prefix) && strings.EqualFold(a.Local()[:len(Prefix)], Prefix)
}

// Member returns whose return address this is, and whether it was made with our
// secret. Mail systems may have changed its letter case.
func (r *Returns) Member(a list.Address) (Member, bool) {
	if r == nil || !IsReturn(a) {
		return Member{}, false
	}
	return r.address.uncover(a.Local()[len(Prefix):])
}

// uncover is the inverse of hide, letter case aside; false if the text was not
// made with our secret for this purpose.
func (n numbers) uncover(text string) (Member, bool) {
	text = strings.ToUpper(text)
	if len(text) != encoding.EncodedLen(idOctets+macOctets) {
		return Member{}, false
	}
	octets, err := encoding.DecodeString(text)
	if err != nil {
		return Member{}, false
	}
	id, tag := octets[:idOctets], octets[idOctets:]
	n.cover(id, tag)
	if !hmac.Equal(tag, sum(n.mac, id)[:macOctets]) {
		return Member{}, false
	}
	var eight [8]byte
	copy(eight[8-listOctets:], id[:listOctets])
	m := Member{List: list.ID(binary.BigEndian.Uint64(eight[:]))}
	eight = [8]byte{}
	copy(eight[8-memberOctets:], id[listOctets:])
	m.Number = int64(binary.BigEndian.Uint64(eight[:]))
	return m, true
}
