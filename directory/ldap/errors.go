package ldap

import (
	"errors"
	"fmt"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// ErrTruncated says that an answer is not complete: a size limit cut it. What it holds says nothing about what it does
// not.
var ErrTruncated = errors.New("the answer is cut by a size limit")

// Stage is the step at which a server failed.
type Stage string

// The stages, in their order.
const (
	StageDiscover Stage = "DNS"
	StageConnect  Stage = "connect"
	StageTLS      Stage = "TLS"
	StageStartTLS Stage = "StartTLS"
	StageBind     Stage = "bind"
	StageSearch   Stage = "search"
)

// Error is what went wrong with one server. All of them are outages: none says that an entry is absent.
type Error struct {
	Server string
	Stage  Stage
	Code   int // result code of RFC 4511 section 4.1.9 that the server answered; -1 if it gave none
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Server, e.Stage, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Errors are what went wrong with each server that was asked.
type Errors []*Error

func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the errors, for errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// divisible says that the last server asked answered so.
func (e Errors) divisible() bool { return len(e) > 0 && e[len(e)-1].divisible() }

func newError(t target, stage Stage, err error) *Error {
	return &Error{Server: t.url, Stage: stage, Code: resultCode(err), Err: err}
}

// resultCode is the code a server answered, or -1 for what go-ldap reports under numbers of its own, and for all else.
func resultCode(err error) int {
	var e *ldap.Error
	if errors.As(err, &e) && e.ResultCode < ldap.ErrorNetwork {
		return int(e.ResultCode)
	}
	return -1
}

// down says that the server, or the way to it, is out of order, so that it is not asked again at once.
func (e *Error) down() bool {
	if e.Stage != StageSearch || e.Code < 0 {
		return true
	}
	switch uint16(e.Code) {
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return true
	}
	return false
}

// conclusive says that the server has judged the question, and another one with the same data would say the same.
func (e *Error) conclusive() bool {
	if e.Stage != StageSearch {
		return false
	}
	switch e.Code {
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return true
	}
	return false
}

// divisible says that the server answered, and that asking for fewer addresses at a time may help.
func (e *Error) divisible() bool {
	if e.conclusive() {
		return true
	}
	switch e.Code {
	case ldap.LDAPResultProtocolError, ldap.LDAPResultInappropriateMatching, ldap.LDAPResultInvalidAttributeSyntax,
		ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultResultsTooLarge, ldap.LDAPResultOther, ldap.LDAPResultFilterError:
		return e.Stage == StageSearch
	}
	return false
}
