package admin

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/trust"
)

// Inspection is what `message inspect` is asked: file names and words as a
// person gives them.
type Inspection struct {
	CA            []string // files of trust anchors
	Intermediates []string // files of helpers
	CRLs          []string
	Keys          []string // PEM files of private keys
	Certificates  []string // of the keys, in the same order; there may be fewer
	P12           []P12
	At            string // RFC 3339; empty: now
	Rcpt          string
	Revocation    string // off, known, require; empty: known
}

// Inspect opens a message and tells what its layers are and whether its author
// is authenticated. It needs no configuration, database or network. The error
// is about the options; a message that cannot be read is a report that says so.
func Inspect(octets []byte, in Inspection) (smime.Report, error) {
	options, err := in.options()
	if err != nil {
		return smime.Report{}, err
	}
	return smime.Inspect(octets, options), nil
}

// options reads the files.
func (in Inspection) options() (o smime.InspectOptions, err error) {
	if o.CA, err = certificateFiles(in.CA); err != nil {
		return o, err
	}
	if o.Intermediates, err = certificateFiles(in.Intermediates); err != nil {
		return o, err
	}
	for _, name := range in.CRLs {
		octets, err := readFile(name)
		if err != nil {
			return o, err
		}
		lists, err := revocationLists(octets)
		if err != nil {
			return o, &Error{Kind: Environment, What: name + ": " + err.Error(), Hint: "the file must hold certificate revocation lists in PEM or DER form", Err: err}
		}
		o.CRLs = append(o.CRLs, lists...)
	}
	if in.At != "" {
		if o.At, err = time.Parse(time.RFC3339, in.At); err != nil {
			return o, usage("write it as 2026-01-31T12:00:00Z", "--at %q is no time", in.At)
		}
	}
	o.Rcpt = in.Rcpt
	switch in.Revocation {
	case "", "off", "known", "require":
		o.Revocation = in.Revocation
	default:
		return o, usage("write off, known or require", "--revocation %q is not known", in.Revocation)
	}
	return o, in.keys(&o)
}

// revocationLists reads one list in DER or any number in PEM form.
func revocationLists(octets []byte) ([][]byte, error) {
	var lists [][]byte
	for block, rest := pem.Decode(octets); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "CRL") {
			lists = append(lists, block.Bytes)
		}
	}
	if lists == nil {
		lists = [][]byte{octets}
	}
	for _, der := range lists {
		if _, err := trust.ParseCRL(der); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// keys reads the private keys.
func (in Inspection) keys(o *smime.InspectOptions) error {
	if len(in.Certificates) > len(in.Keys) {
		return usage("give each --cert behind its --key", "there are more --cert than --key")
	}
	for i, name := range in.Keys {
		private, err := privateKeyFile(name)
		if err != nil {
			return err
		}
		var cert *x509.Certificate
		if i < len(in.Certificates) {
			certs, err := certificateFiles(in.Certificates[i : i+1])
			if err != nil {
				return err
			}
			cert = certs[0]
		}
		o.Keys = append(o.Keys, struct {
			Certificate *x509.Certificate
			Private     any
		}{cert, private})
	}
	for _, p := range in.P12 {
		bundle, err := keyring.ParsePKCS12(p.Octets, string(p.Password))
		if err != nil {
			return &Error{Kind: Environment, What: p.Name + ": " + err.Error(), Hint: "look at --password or --password-file", Err: err}
		}
		o.Keys = append(o.Keys, struct {
			Certificate *x509.Certificate
			Private     any
		}{bundle.Certificate, bundle.Private})
	}
	return nil
}

// readFile reads a file that a person named.
func readFile(name string) ([]byte, error) {
	octets, err := os.ReadFile(name)
	if err != nil {
		return nil, &Error{Kind: Environment, What: err.Error(), Err: err}
	}
	return octets, nil
}

// certificateFiles reads the certificates of files, PEM or DER.
func certificateFiles(names []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, name := range names {
		octets, err := readFile(name)
		if err != nil {
			return nil, err
		}
		certs, err := trust.ParseCertificates(octets)
		if err != nil {
			return nil, &Error{Kind: Environment, What: name + ": " + err.Error(), Hint: "the file must hold certificates in PEM or DER form", Err: err}
		}
		all = append(all, certs...)
	}
	return all, nil
}

// privateKeyFile reads a private key in PEM or DER form, without a password.
func privateKeyFile(name string) (any, error) {
	octets, err := readFile(name)
	if err != nil {
		return nil, err
	}
	private, err := parsePrivateKey(octets)
	if err != nil {
		return nil, &Error{Kind: Environment, What: fmt.Sprintf("%s: %v", name, err), Err: err,
			Hint: "the file must hold a private key in PEM form without a password; `openssl pkey -in FILE` takes one off"}
	}
	return private, nil
}

// parsePrivateKey tries PKCS#8, PKCS#1 and SEC 1, in PEM or DER form.
func parsePrivateKey(octets []byte) (any, error) {
	for rest := octets; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return parsePrivateDER(octets)
		}
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("the private key is under a password")
			}
			return parsePrivateDER(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is under a password")
		}
	}
}

func parsePrivateDER(der []byte) (any, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("there is no private key in it")
}
