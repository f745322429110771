package hsm

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/smime/cms"
)

// Why a key cannot be used. All but ErrOther, ErrForbidden and ErrURI come with
// cms.ErrKeyAway.
var (
	ErrNotBuilt      = errors.New("this program was built without PKCS#11 (go build -tags pkcs11)")
	ErrNotConfigured = errors.New("no module is configured (pkcs11)")
	ErrNoToken       = errors.New("the token is not there")
	ErrPIN           = errors.New("the token does not take the PIN")
	ErrNoObject      = errors.New("the token has no such private key")
	ErrTwoObjects    = errors.New("the token has more than one such private key")
	ErrOther         = errors.New("the key in the security module is not the certificate's")
	ErrHangs         = errors.New("the security module does not answer")
	ErrForbidden     = errors.New("the security module does not let the key do this")
)

// Module is a PKCS#11 library, and the tokens that are reached through it. It
// opens them on first use, and anew when they were lost. It is safe for
// concurrent use; one operation runs at a time.
type Module struct {
	o    Options
	link link // of the build
}

// Options of Open.
type Options struct {
	Path string                 // of the library; empty: there is none
	PIN  func() ([]byte, error) // reads the user's PIN, each time it logs in; nil: tokens are used without
	// Patience is how long an operation may take, and how long it may wait for the one before. 0: 30 s.
	Patience time.Duration
}

// Open makes a module. It loads nothing yet, so it never fails.
func Open(o Options) *Module {
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	return &Module{o: o}
}

// away says that a key could not be asked.
func away(err error) error {
	if errors.Is(err, cms.ErrKeyAway) {
		return err
	}
	return fmt.Errorf("%w: %w", cms.ErrKeyAway, err)
}
