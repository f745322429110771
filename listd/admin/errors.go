package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/sealist/sealist/listd/store"
)

// Kind tells whose turn it is after an error.
type Kind int

// The kinds, as the commands' exit statuses have them.
const (
	Refused     Kind = 1 // understood, and the answer is no
	Usage       Kind = 2 // asked in a way that cannot be understood
	Environment Kind = 3 // the database, a directory or a file failed
)

// Error is an error in a person's words.
type Error struct {
	Kind Kind
	What string // what is the matter, where and why; may have several lines
	Hint string // what to do next; may be empty
	Err  error  // the error beneath, or nil
}

// Error returns What.
func (e *Error) Error() string { return e.What }

// Unwrap returns the error beneath.
func (e *Error) Unwrap() error { return e.Err }

func refused(hint, format string, args ...any) *Error {
	return &Error{Kind: Refused, What: fmt.Sprintf(format, args...), Hint: hint}
}

func usage(hint, format string, args ...any) *Error {
	return &Error{Kind: Usage, What: fmt.Sprintf(format, args...), Hint: hint}
}

// storeError puts an error of the database into words. notFound and hint are
// what is said where something is not there.
func (a *Admin) storeError(err error, notFound, hint string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound) && notFound != "":
		return &Error{Kind: Refused, What: notFound, Hint: hint, Err: err}
	}
	return Explain(err)
}

// Explain gives an error that came from below its kind and, where there is
// one, the next step. An *Error stays what it is.
func Explain(err error) *Error {
	var explained *Error
	if errors.As(err, &explained) {
		return explained
	}
	e := &Error{Kind: Environment, What: err.Error(), Err: err}
	switch {
	case errors.Is(err, store.ErrBusy):
		e.Hint = "another process is writing; try again, and look for one that hangs"
	case errors.Is(err, store.ErrFull):
		e.Hint = "free disk space in the data folder; nothing was changed"
	case errors.Is(err, store.ErrReadOnly):
		e.Hint = "run listmaster as root or as the user that runs listd"
	case errors.Is(err, store.ErrSchema):
		e.Hint = "use listd and listmaster of one version, the newest that has worked on this database"
	case errors.Is(err, store.ErrURL):
		e.Hint = "write sqlite:FILE, as sqlite:sealist.db, or postgres://USER@HOST/DATABASE into store.url"
	case errors.Is(err, store.ErrDamaged):
		e.Hint = "see that store.url names the right file; else move it away with its -wal and -shm, and `listmaster restore` a backup"
	case errors.Is(err, store.ErrServerRunning):
		e.Hint = "stop the other listd first; one SQLite file has one server, and of those that share a PostgreSQL database each has a name of its own (node)"
	case errors.Is(err, store.ErrUnreachable):
		e.Hint = "see that PostgreSQL runs and that this machine may connect, as with psql and the URL of store.url"
	case errors.Is(err, syscall.ENOTDIR):
		e.Hint = "store.url names a file whose folder is none"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "the data folder and what is in it belong to the user that runs listd: run this as that user, or give it the folder with chown -R"
	}
	return e
}
