package files

import (
	"fmt"
	"strings"

	"github.com/sealist/sealist/directory"
)

// Suffixes of file names that say what the certificate in them is for.
const (
	forEncryption = "@enc"
	forSigning    = "@sign"
)

// maxName is the longest file name that file systems take.
const maxName = 255

// FileName is the name of an address's file, without a suffix. ok is false for what cannot have one: no address, one with
// a second "@" (its file could be read for one with a suffix), or one whose name would be too long.
func FileName(address string) (name string, ok bool) {
	address = directory.Normalise(address)
	local, domain, ok := directory.Split(address)
	if !ok || strings.Contains(local, "@") || domain == "" {
		return "", false
	}
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String(), b.Len()+len(forSigning) <= maxName
}

func plain(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-+.@", c) >= 0
}

// AddressOf is the inverse of FileName for a file's whole name; signing says that its certificate is for verifying only.
// The address is empty for a name that is none of an address.
func AddressOf(name string) (address string, signing bool) {
	name, signing = strings.CutSuffix(name, forSigning)
	if !signing {
		name = strings.TrimSuffix(name, forEncryption)
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '_' {
			b.WriteByte(name[i])
			continue
		}
		var c byte
		if len(name) < i+3 {
			return "", signing
		}
		if _, err := fmt.Sscanf(name[i+1:i+3], "%02x", &c); err != nil {
			return "", signing
		}
		b.WriteByte(c)
		i += 2
	}
	if base, ok := FileName(b.String()); !ok || base != strings.ToLower(name) {
		return "", signing
	}
	return b.String(), signing
}
