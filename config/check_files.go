package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// tlsPair checks that certificate and key can be read and belong together.
func (k *checker) tlsPair(section string, p TLSPair) {
	switch {
	case p.Cert == "" && p.Key == "":
	case p.Key == "":
		k.mistake(section+".cert", "is a certificate without its key", "set "+section+".key")
	case p.Cert == "":
		k.mistake(section+".key", "is a key without its certificate", "set "+section+".cert")
	default:
		before := len(k.mistakes)
		k.readable(section+".cert", p.Cert)
		k.readable(section+".key", p.Key)
		if len(k.mistakes) > before {
			return
		}
		if _, err := tls.LoadX509KeyPair(p.Cert, p.Key); err != nil {
			k.mistake(section, "certificate and key cannot be used: "+strings.TrimPrefix(err.Error(), "tls: "), "both must be PEM, the key without a password, and of one pair")
		}
	}
}

// readable checks that a file can be opened.
func (k *checker) readable(key, path string) {
	f, err := os.Open(path)
	if err != nil {
		k.mistake(key, pathError(err), "name a file that the user who runs listd may read")
		return
	}
	f.Close()
}

// trust checks that the files of anchors and helpers hold certificates.
func (k *checker) trust(t Trust) {
	if t.CAFile != "" {
		k.certificates("trust.cafile", t.CAFile, false)
	}
	if t.CAPath != "" {
		k.certificates("trust.capath", t.CAPath, true)
	}
	for i, a := range t.Anchors {
		section := fmt.Sprintf("trust.anchors[%d]", i)
		if a.CAFile == "" {
			k.mistake(section+".cafile", "is missing", "name the PEM file with the partner's authority")
		} else {
			k.certificates(section+".cafile", a.CAFile, false)
		}
		if len(a.Domains) == 0 {
			k.mistake(section+".domains", "is empty, so these anchors speak for nobody", "name the domains of the partner's addresses, or use trust.cafile for an authority that speaks for every domain")
		}
		k.domains(section+".domains", a.Domains)
	}
	if t.Intermediates != "" {
		info, err := os.Stat(t.Intermediates)
		k.certificates("trust.intermediates", t.Intermediates, err == nil && info.IsDir())
	}
	if t.CAFile == "" && t.CAPath == "" && len(t.Anchors) == 0 {
		k.warn("trust", "nobody is trusted: no signature counts, and nobody's certificate is encrypted to", "set trust.cafile to the file with your authority's certificate")
	}
	k.revocation(t.Revocation)
}

// certificates checks a file, or a folder of files, of certificates.
func (k *checker) certificates(key, path string, folder bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		k.mistake(key, pathError(err), "name a file that the user who runs listd may read")
		return
	case info.IsDir() && !folder:
		k.mistake(key, path+" is a folder", "name the PEM file in it")
		return
	case !info.IsDir() && folder:
		k.mistake(key, path+" is no folder", "name the folder of PEM files, or use cafile for one file")
		return
	}
	files, err := CertificateFiles(path)
	if err != nil {
		k.mistake(key, pathError(err), "the user who runs listd must be able to read the folder")
		return
	}
	total, authorities := 0, 0
	for _, file := range files {
		certs, err := readCertificates(file)
		if err != nil {
			k.mistake(key, err.Error(), "take it out, or fetch it anew in PEM form")
			return
		}
		total += len(certs)
		for _, c := range certs {
			if c.IsCA || !c.BasicConstraintsValid { // old roots have no basicConstraints
				authorities++
			}
		}
	}
	switch {
	case total == 0:
		k.mistake(key, path+" holds no certificate", "the certificates must be in PEM form: -----BEGIN CERTIFICATE-----")
	case authorities == 0 && strings.HasPrefix(key, "trust."): // a server's own certificate may vouch for that server
		k.warn(key, path+" holds no certificate of an authority, so nobody else's certificate is trusted by it", "name the file with the authority that issues your people's certificates")
	}
}

// CertificateFiles lists the files of a cafile (itself) or a capath (every
// file in the folder but hidden ones, in the order of their names, those in
// folders below not). An empty path gives none.
func CertificateFiles(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		// c_rehash puts symbolic links beside the files: follow them.
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	return files, nil
}

// readCertificates reads the certificates of a PEM file, or the one of a DER
// file. A file without any is no error; a certificate that cannot be read is.
func readCertificates(path string) ([]*x509.Certificate, error) {
	octets, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.New(pathError(err))
	}
	var certs []*x509.Certificate
	rest := octets
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in %s cannot be read: %s", len(certs)+1, path, strings.TrimPrefix(err.Error(), "x509: "))
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 && bytes.HasPrefix(octets, []byte{0x30}) {
		if cert, err := x509.ParseCertificate(octets); err == nil {
			return []*x509.Certificate{cert}, nil
		}
	}
	return certs, nil
}

// keyPassword checks who may read the file with the key password.
func (k *checker) keyPassword(c *Config) {
	path := c.keyPasswordPath()
	if c.KeyPasswordFile != "" {
		if _, err := ReadSecretFile(c.KeyPasswordFile); err != nil {
			k.mistake("key_password_file", pathError(err), "the file must hold the password and be readable by the user that runs listd; `listd config init` makes one")
			return
		}
	}
	if info, err := os.Stat(path); path != "" && err == nil && tooOpen(info) {
		k.mistake("key_password_file", fmt.Sprintf("%s can be read by others (mode %04o)", path, info.Mode().Perm()), "chmod 600 "+path)
	}
	if _, err := c.KeyPassword(); errors.Is(err, ErrNoSecret) {
		k.warn("key_password_file", "there is no key password: lists that have a key stay locked", "`listd config init` makes one; or set SEALIST_KEY_PASSWORD")
	}
}

// pkcs11 checks the files of a security module.
func (k *checker) pkcs11(p PKCS11) {
	switch {
	case p.Module == "" && p.PINFile != "":
		k.mistake("pkcs11.pin_file", "there is a PIN and no module", "name the library of the security module as pkcs11.module")
	case p.Module != "" && !filepath.IsAbs(p.Module):
		k.mistake("pkcs11.module", "it is no absolute path", "write the whole path of the library, as /usr/lib/softhsm/libsofthsm2.so")
	case p.Module != "":
		if _, err := os.Stat(p.Module); err != nil {
			k.mistake("pkcs11.module", pathError(err), "the file must be the PKCS#11 library that came with the security module")
		}
	}
	if p.PINFile == "" {
		return
	}
	if _, err := ReadSecretFile(p.PINFile); err != nil {
		k.mistake("pkcs11.pin_file", pathError(err), "the file must hold the PIN and be readable by the user that runs listd")
	} else if info, err := os.Stat(p.PINFile); err == nil && tooOpen(info) {
		k.mistake("pkcs11.pin_file", fmt.Sprintf("%s can be read by others (mode %04o)", p.PINFile, info.Mode().Perm()), "chmod 600 "+p.PINFile)
	}
}

// tooOpen tells whether a file may be read by more than its owner; a group may
// where the owner is root (0640), nobody else ever.
func tooOpen(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	owner, known := info.Sys().(*syscall.Stat_t)
	if known && owner.Uid == 0 {
		return mode&0o037 != 0
	}
	return mode&0o077 != 0
}

// pathError writes what is the matter with a file in a person's words.
func pathError(err error) string {
	var p *fs.PathError
	if !errors.As(err, &p) {
		return err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.Path + " does not exist"
	case errors.Is(err, fs.ErrPermission):
		return p.Path + " may not be read"
	default:
		return p.Path + ": " + p.Err.Error()
	}
}
