package bench

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// used is the processor time of this process so far.
func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the largest resident set of this process so far, in octets; 0 where
// /proc does not tell.
func resident() int64 {
	octets, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(octets)); lines.Scan(); {
		if after, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
			return kb * 1024
		}
	}
	return 0
}

// bare is how long one RSA encryption of a content-encryption key takes, which
// each copy needs and nothing can save.
func bare(certificate *x509.Certificate) (time.Duration, error) {
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return 0, errors.New("the certificate has no RSA key")
	}
	const times = 2000
	cek := make([]byte, 32)
	before := used()
	for range times {
		if _, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, cek, nil); err != nil {
			return 0, err
		}
	}
	return (used() - before) / times, nil
}
