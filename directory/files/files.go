package files

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/cms"
)

// maxFileOctets bounds one file; one certificate has 2 to 4 KB in PEM.
const maxFileOctets = 1 << 20

// Files is a folder of PEM files. It is safe for concurrent use.
type Files struct {
	name string
	dir  string
}

// New makes the source of that name on a folder. It does not look at the folder, which must be there at the first lookup:
// a folder that is missing is an outage.
func New(name, dir string) *Files { return &Files{name: name, dir: dir} }

// Unwatched says that nobody tells when a file changes: nothing that rests on the folder is remembered.
func (f *Files) Unwatched() {}

// Name returns the name of the source.
func (f *Files) Name() string { return f.name }

// Lookup reads the files of each address. Names that lead out of the folder, as a symbolic link may, are refused.
func (f *Files) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return directory.Fail(addresses, fmt.Errorf("opening the folder of certificates: %w", err))
	}
	defer root.Close()
	answers := make([]directory.Answer, len(addresses))
	for i, address := range addresses {
		if err := ctx.Err(); err != nil {
			answers[i] = directory.Answer{Address: address, Err: err}
			continue
		}
		answers[i] = f.lookup(root, address)
	}
	return answers
}

func (f *Files) lookup(root *os.Root, address string) directory.Answer {
	start := time.Now()
	a := directory.Answer{Address: address, Server: f.dir}
	defer func() { a.Took = time.Since(start) }()
	base, ok := FileName(address)
	if !ok {
		a.Err = directory.ErrNotFound
		return a
	}
	for _, suffix := range []string{forEncryption, "", forSigning} {
		f.read(root, base+suffix, suffix == forSigning, &a)
	}
	if a.Err == nil && len(a.Candidates)+len(a.Unreadable) == 0 {
		a.Err = directory.ErrNotFound
	}
	return a
}

// read adds what one file holds to an answer.
func (f *Files) read(root *os.Root, name string, signing bool, a *directory.Answer) {
	origin := directory.Origin{Source: f.name, Entry: name}
	octets, err := readFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	unreadable := func(reason, detail string) {
		a.Unreadable = append(a.Unreadable, directory.Unreadable{Origin: origin, Reason: reason, Detail: detail})
	}
	switch {
	case errors.Is(err, errTooLarge):
		unreadable("too_large", err.Error())
		return
	case errors.Is(err, errNoFile):
		unreadable("malformed", err.Error())
		return
	case err != nil:
		unreadable("malformed", "the file cannot be read: "+err.Error())
		a.Err = fmt.Errorf("reading %s: %w", name, err)
		return
	}
	found, err := Parse(octets)
	if err != nil {
		unreadable("malformed", err.Error())
	}
	a.Helpers = append(a.Helpers, found.Helpers...)
	for _, der := range found.Certificates {
		if signing {
			a.Unreadable = append(a.Unreadable, directory.Unreadable{Origin: origin, Certificate: der, Reason: "wrong_usage",
				Detail: "the file's name ends in " + forSigning + ": it is kept for verifying only"})
			continue
		}
		a.Candidates = append(a.Candidates, directory.Candidate{Certificate: der, Origin: origin})
	}
}

// Parse reads the certificates of a file: DER, PEM or p7c, as directory.ReadContents does.
func Parse(octets []byte) (directory.Contents, error) { return directory.ReadContents(octets, open) }

func open(signedData []byte) ([]*x509.Certificate, int, error) {
	return cms.CertificatesOnly(signedData, cms.NewBudget(cms.Limits{}))
}

var (
	errNoFile   = errors.New("it is not a plain file of the folder")
	errTooLarge = fmt.Errorf("the file has more than %d octets", maxFileOctets)
)

// readFile reads a file of the folder. A pipe would block whoever opens it, hence O_NONBLOCK. A link out of the folder is
// errNoFile.
func readFile(root *os.Root, name string) ([]byte, error) {
	if info, err := root.Lstat(name); err != nil {
		return nil, err
	} else if info.Mode()&fs.ModeSymlink != 0 {
		if _, err := root.Stat(name); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoFile, withoutNotExist(err))
		}
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errNoFile
	}
	octets, err := io.ReadAll(io.LimitReader(file, maxFileOctets+1))
	if err == nil && len(octets) > maxFileOctets {
		err = errTooLarge
	}
	return octets, err
}

// withoutNotExist makes an error of a dangling link one that is not taken for an absent file.
func withoutNotExist(err error) error { return errors.New(err.Error()) }
