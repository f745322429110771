package admin

import (
	"context"
	"slices"
	"strings"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/smime/trust"
)

// Directory is an LDAP directory that can be tried. *ldap.Directory is one.
type Directory interface {
	Name() string
	Test(ctx context.Context, address string) ldap.Report
}

// DirectoryTest is how asking one directory went.
type DirectoryTest struct {
	ldap.Report
	Verdicts []ExplainedCertificate `json:"verdicts"`        // what would become of each certificate
	Hints    []string               `json:"hints,omitempty"` // what would change that
}

// OK tells whether the directory gave an answer, be it that there is nothing.
func (t DirectoryTest) OK() bool { return t.Error == "" }

// nobody is an address that no directory should have (RFC 2606 section 2).
const nobody = "directory-test@sealist.invalid"

// TestDirectories asks every directory about an address, or only the one of
// that name. With an empty address it asks for one that should not be there:
// that the directory can be reached, lets us bind and has the base is seen all
// the same.
func (a *Admin) TestDirectories(ctx context.Context, name, addressText string) ([]DirectoryTest, error) {
	directories, err := a.directoriesNamed(name)
	if err != nil {
		return nil, err
	}
	wanted := nobody
	if addressText != "" {
		address, err := parseAddress(addressText)
		if err != nil {
			return nil, err
		}
		wanted = address.String()
	}
	tests := make([]DirectoryTest, len(directories))
	for i, d := range directories {
		tests[i] = a.directoryTest(ctx, d.Test(ctx, wanted))
	}
	return tests, nil
}

// directoryTest judges what a directory has.
func (a *Admin) directoryTest(ctx context.Context, r ldap.Report) DirectoryTest {
	t := DirectoryTest{Report: r, Verdicts: []ExplainedCertificate{}}
	if a.Resolver == nil || r.AnsweredBy == "" {
		return t
	}
	t.Verdicts = some(a.Resolver.JudgeAnswer(ctx, r.Address, r.Answer))
	nameless := slices.ContainsFunc(t.Verdicts, func(c ExplainedCertificate) bool { return c.Reason == trust.NoAddress })
	if nameless && r.EntryMayBind {
		t.Hints = append(t.Hints, "address_match: entry would take the certificate that names no address, because it stands in the one entry of this address")
	}
	if nameless && !r.EntryMayBind {
		t.Hints = append(t.Hints, "`listmaster cert pin ADDRESS FILE` ties a certificate that names no address to a person")
	}
	for _, e := range r.Entries {
		if len(e.Certificates) == 0 {
			t.Hints = append(t.Hints, "the entry "+e.DN+" has none of the attributes with certificates (setting attributes), or we may not read them: compare with what `ldapsearch` shows its owner")
		}
	}
	if r.Address != "" && r.Served && len(r.Entries) == 0 {
		t.Hints = append(t.Hints, "if somebody has this address: compare filter, base_dn and scope with his entry, and see whether bind_dn may search by what the filter asks for")
	}
	return t
}

// directoriesNamed returns the directory of that name, or all for no name.
func (a *Admin) directoriesNamed(name string) ([]Directory, error) {
	var names []string
	for _, d := range a.Directories {
		if d.Name() == name {
			return []Directory{d}, nil
		}
		names = append(names, d.Name())
	}
	switch {
	case len(names) == 0:
		return nil, refused("add one to directories in sealist.yaml; `listd config reference` explains its keys", "no directory is configured")
	case name != "":
		return nil, refused("the directories are "+strings.Join(names, ", "), "there is no directory %s", name)
	}
	return a.Directories, nil
}
