package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
)

// DirectoryTest is how asking one directory went.
type DirectoryTest struct {
	Directory    string   `json:"directory"`
	OK           bool     `json:"ok"`      // it answered, be it that there is nothing
	Outcome      string   `json:"outcome"` // found, not_found, not_served, outage
	Server       string   `json:"server,omitempty"`
	Filter       string   `json:"filter,omitempty"`
	Milliseconds float64  `json:"milliseconds"`
	Referrals    []string `json:"referrals,omitempty"`
	Found        []string `json:"found,omitempty"`      // where each certificate was found
	Unreadable   []string `json:"unreadable,omitempty"` // what could not be read, and why
	Error        string   `json:"error,omitempty"`
}

// TestDirectories asks every directory about an address, or only the one of
// that name. With an empty address it asks for one that should not be there:
// that the directory can be reached, lets us bind and has the base is seen all
// the same.
func (a *Admin) TestDirectories(ctx context.Context, name, addressText string) ([]DirectoryTest, error) {
	sources := a.Directories
	if name != "" {
		sources = nil
		for _, s := range a.Directories {
			if s.Name() == name {
				sources = []resolver.Source{s}
			}
		}
	}
	if len(sources) == 0 {
		var names []string
		for _, s := range a.Directories {
			names = append(names, s.Name())
		}
		if len(names) == 0 {
			return nil, refused("add one to directories in sealist.yaml; `listd config reference` explains its keys", "no directory is configured")
		}
		return nil, refused("the directories are "+strings.Join(names, ", "), "there is no directory %s", name)
	}
	if addressText != "" {
		address, err := parseAddress(addressText)
		if err != nil {
			return nil, err
		}
		addressText = address.String()
	}
	tests := make([]DirectoryTest, len(sources))
	for i, s := range sources {
		tests[i] = testDirectory(ctx, s, addressText)
	}
	return tests, nil
}

// nobody is an address that no directory should have (RFC 2606 section 2).
const nobody = "directory-test@sealist.invalid"

func testDirectory(ctx context.Context, s resolver.Source, address string) DirectoryTest {
	if address == "" {
		address = nobody
	}
	answer := s.Lookup(ctx, []string{address})[0]
	t := DirectoryTest{
		Directory: s.Name(), OK: answer.Outage() == nil, Outcome: "found",
		Server: answer.Server, Filter: answer.Filter, Referrals: answer.Referrals,
		Milliseconds: float64(answer.Took.Round(time.Microsecond)) / float64(time.Millisecond),
	}
	switch {
	case errors.Is(answer.Err, directory.ErrNotFound):
		t.Outcome = "not_found"
	case errors.Is(answer.Err, directory.ErrNotSource):
		t.Outcome = "not_served"
	case answer.Err != nil:
		t.Outcome, t.Error = "outage", answer.Err.Error()
	}
	for _, c := range answer.Candidates {
		t.Found = append(t.Found, c.Origin.String())
	}
	for _, u := range answer.Unreadable {
		t.Unreadable = append(t.Unreadable, u.Origin.String()+": "+u.Reason+" "+u.Detail)
	}
	return t
}

// Nodes returns what the running servers last wrote about themselves.
func (a *Admin) Nodes(ctx context.Context) ([]store.NodeRow, error) {
	nodes, err := a.Store.Nodes(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	return nodes, nil
}
