//go:build pkcs11

package hsm

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/pkcs11"
)

// Built tells whether this program can use a security module.
const Built = true

// library holds a token while a call runs: PKCS#11 initialises a library once a
// process (section 5.4), and while a server reloads it has two Modules.
var library = make(chan struct{}, 1)

// link is the loaded library and the sessions on its tokens.
type link struct {
	lib      *pkcs11.Ctx
	sessions map[string]*session // by the token's attributes
	refused  map[string][]byte   // PINs that a token did not take: the same again would lock it
}

// session is one on a token, logged in.
type session struct {
	pkcs11.SessionHandle
	lib     *pkcs11.Ctx
	objects map[string]pkcs11.ObjectHandle // by URI
}

// alive tells whether the module still knows the session.
func (s *session) alive() error {
	_, err := s.lib.GetSessionInfo(s.SessionHandle)
	return err
}

// token is the part of a URI that names the token.
func (u URI) token() string {
	return strings.Join([]string{u.attributes["token"], u.attributes["serial"], u.attributes["model"], u.attributes["manufacturer"]}, "\x00")
}

// ready says why a key cannot be asked.
func (m *Module) ready(h handle) error {
	_, err := m.use(h, func(*session, pkcs11.ObjectHandle) ([]byte, error) { return nil, nil })
	return err
}

// use does something with a key. PKCS#11 has no time limits, so it is the caller
// who gives up; the next one finds the library taken until the call returns.
func (m *Module) use(h handle, f func(*session, pkcs11.ObjectHandle) ([]byte, error)) ([]byte, error) {
	if m == nil || m.o.Path == "" {
		return nil, away(ErrNotConfigured)
	}
	end := time.NewTimer(m.o.Patience)
	defer end.Stop()
	select {
	case library <- struct{}{}:
	case <-end.C:
		return nil, away(ErrHangs)
	}
	type answer struct {
		octets []byte
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-library }()
		octets, err := m.perform(h, f)
		answered <- answer{octets, err}
	}()
	select {
	case a := <-answered:
		return a.octets, a.err
	case <-end.C:
		return nil, away(ErrHangs)
	}
}

// perform does it, by who holds library. That the session is alive is seen
// before, and afterwards whatever f says: f's error alone does not tell a wrapped
// key that does not open from a module that went away, and a look only after
// failures would show them to who measures the time.
func (m *Module) perform(h handle, f func(*session, pkcs11.ObjectHandle) ([]byte, error)) ([]byte, error) {
	s, object, err := m.find(h)
	if err != nil {
		return nil, err
	}
	octets, err := f(s, object)
	gone := s.alive()
	if gone == nil && !errors.Is(err, errLost) {
		return octets, err
	}
	m.forget(h.uri)
	if errors.Is(err, errLost) {
		gone = err
	}
	return nil, away(gone)
}

// find returns a session on a key's token, and the key there. A session that was
// lost, or a key that is not found in one that was kept, is looked for once more
// in a new one.
func (m *Module) find(h handle) (*session, pkcs11.ObjectHandle, error) {
	s, kept := m.link.sessions[h.uri.token()]
	if kept && s.alive() == nil {
		if object, err := s.object(h); err == nil {
			return s, object, nil
		}
	}
	m.forget(h.uri)
	s, err := m.open(h.uri)
	if err != nil {
		return nil, 0, away(err)
	}
	object, err := s.object(h)
	if err != nil {
		return nil, 0, away(err)
	}
	return s, object, nil
}

// forget closes the session on a key's token.
func (m *Module) forget(u URI) {
	if s, ok := m.link.sessions[u.token()]; ok {
		_ = s.lib.CloseSession(s.SessionHandle) // it may be gone
		delete(m.link.sessions, u.token())
	}
}

// open opens a session. Libraries look for tokens when they are initialised, and
// some then only: if the token is not there, that is done anew.
func (m *Module) open(u URI) (*session, error) {
	if m.link.lib == nil {
		if m.link.lib = pkcs11.New(m.o.Path); m.link.lib == nil {
			return nil, fmt.Errorf("%s cannot be loaded as a PKCS#11 module", m.o.Path)
		}
		m.link.sessions, m.link.refused = map[string]*session{}, map[string][]byte{}
	}
	if err := m.initialize(); err != nil {
		return nil, err
	}
	s, err := m.openSession(u)
	if err != nil && !errors.Is(err, ErrPIN) {
		_ = m.link.lib.Finalize()
		if err := m.initialize(); err != nil {
			return nil, err
		}
		s, err = m.openSession(u)
	}
	if err != nil {
		return nil, err
	}
	m.link.sessions[u.token()] = s
	return s, nil
}

func (m *Module) initialize() error {
	if err := m.link.lib.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return fmt.Errorf("initialising %s: %w", m.o.Path, err)
	}
	return nil
}

func (m *Module) openSession(u URI) (*session, error) {
	slot, info, err := m.slot(u)
	if err != nil {
		return nil, err
	}
	sh, err := m.link.lib.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, fmt.Errorf("opening a session on the token: %w", err)
	}
	if m.o.PIN != nil && info.Flags&pkcs11.CKF_LOGIN_REQUIRED != 0 {
		if err := m.login(sh, u.token()); err != nil {
			_ = m.link.lib.CloseSession(sh)
			return nil, err
		}
	}
	return &session{sh, m.link.lib, map[string]pkcs11.ObjectHandle{}}, nil
}

// login gives the token its PIN, but none that it did not take: most tokens lock
// themselves after a few wrong ones.
func (m *Module) login(sh pkcs11.SessionHandle, token string) error {
	pin, err := m.o.PIN()
	if err != nil {
		return fmt.Errorf("reading the PIN: %w", err)
	}
	if refused, ok := m.link.refused[token]; ok && bytes.Equal(refused, pin) {
		return fmt.Errorf("%w; it is not tried again before its file changes", ErrPIN)
	}
	err = m.link.lib.Login(sh, pkcs11.CKU_USER, string(pin))
	switch {
	case err == nil, is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN):
		delete(m.link.refused, token)
		return nil
	case is(err, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED):
		m.link.refused[token] = pin
		return fmt.Errorf("%w: %w", ErrPIN, err)
	}
	return fmt.Errorf("logging in: %w", err)
}

// slot finds the one token that a URI names.
func (m *Module) slot(u URI) (uint, pkcs11.TokenInfo, error) {
	slots, err := m.link.lib.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("looking for tokens: %w", err)
	}
	var found []uint
	var its pkcs11.TokenInfo
	for _, slot := range slots {
		if info, err := m.link.lib.GetTokenInfo(slot); err == nil && u.names(info) {
			found, its = append(found, slot), info
		}
	}
	switch len(found) {
	case 0:
		return 0, its, ErrNoToken
	case 1:
		return found[0], its, nil
	}
	return 0, its, fmt.Errorf("%w: %d have what %s says; add serial=", ErrNoToken, len(found), u)
}

func (u URI) names(info pkcs11.TokenInfo) bool {
	for name, value := range map[string]string{"token": info.Label, "serial": info.SerialNumber, "model": info.Model, "manufacturer": info.ManufacturerID} {
		if want := u.attributes[name]; want != "" && want != strings.TrimRight(value, " \x00") {
			return false
		}
	}
	return true
}

// object finds the private key. One whose modulus is another's is ErrOther.
func (s *session) object(h handle) (pkcs11.ObjectHandle, error) {
	if o, ok := s.objects[h.uri.text]; ok {
		return o, nil
	}
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}
	if label := h.uri.attributes["object"]; label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	if id := h.uri.attributes["id"]; id != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, []byte(id)))
	}
	if err := s.lib.FindObjectsInit(s.SessionHandle, template); err != nil {
		return 0, fmt.Errorf("looking for the key: %w", err)
	}
	found, _, err := s.lib.FindObjects(s.SessionHandle, 2)
	if final := s.lib.FindObjectsFinal(s.SessionHandle); err == nil {
		err = final
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("looking for the key: %w", err)
	case len(found) == 0:
		return 0, ErrNoObject
	case len(found) > 1:
		return 0, ErrTwoObjects
	}
	if public, ok := h.public.(*rsa.PublicKey); ok {
		attributes, err := s.lib.GetAttributeValue(s.SessionHandle, found[0], []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil)})
		if err == nil && len(attributes) == 1 && !bytes.Equal(bytes.TrimLeft(attributes[0].Value, "\x00"), public.N.Bytes()) {
			return 0, ErrOther
		}
	}
	s.objects[h.uri.text] = found[0]
	return found[0], nil
}

// is tells whether an error is one of some return values of the module.
func is(err error, values ...uint) bool {
	var e pkcs11.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, v := range values {
		if uint(e) == v {
			return true
		}
	}
	return false
}

// Close closes the sessions. The library stays: another Module may use it.
func (m *Module) Close() error {
	if m == nil {
		return nil
	}
	select {
	case library <- struct{}{}:
		defer func() { <-library }()
	case <-time.After(m.o.Patience):
		return ErrHangs
	}
	for token, s := range m.link.sessions {
		_ = s.lib.CloseSession(s.SessionHandle)
		delete(m.link.sessions, token)
	}
	return nil
}
