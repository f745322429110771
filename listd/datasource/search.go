package datasource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealist/sealist/directory/ldap"
)

// ErrSearchFile is what errors wrap that lie in a search file: it must be
// changed. Every other error of a search is an outage. No error shows what is
// in a file but the names of its settings.
var ErrSearchFile = errors.New("the search file cannot be used")

// searchPatience is how long one search may take.
const searchPatience = 20 * time.Second

// SearchFile is a file of the search condition: addresses (.txt), a question to
// a directory (.ldap) or to a database (.sql).
type SearchFile struct {
	Name   string // for errors: its path below the data folder
	Octets []byte
}

// SearchFor is what is looked for.
type SearchFor struct {
	Value     string            // in text files
	Variables map[string]string // in filters and statements, by name: "sender" stands there as [sender]
}

// Searcher answers search conditions. It keeps no connection and no answer.
type Searcher struct {
	directories map[string]*ldap.Directory
}

// NewSearcher makes a Searcher. LDAP files may name one of the directories in
// the place of servers of their own.
func NewSearcher(directories []*ldap.Directory) *Searcher {
	s := &Searcher{map[string]*ldap.Directory{}}
	for _, d := range directories {
		s.directories[d.Name()] = d
	}
	return s
}

// Search tells whether one of the files finds something. What kind they are
// their names say.
func (s *Searcher) Search(ctx context.Context, files []SearchFile, what SearchFor) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, searchPatience, errors.New("it takes too long"))
	defer cancel()
	for _, f := range files {
		ask := s.inDirectory
		switch {
		case strings.HasSuffix(f.Name, ".txt"):
			ask = inText
		case strings.HasSuffix(f.Name, ".sql"):
			ask = inDatabase
		case !strings.HasSuffix(f.Name, ".ldap"):
			return false, fmt.Errorf("%s: %w: it ends with none of .txt, .ldap, .sql", f.Name, ErrSearchFile)
		}
		if found, err := ask(ctx, f, what); found || err != nil {
			if err != nil {
				err = fmt.Errorf("search file %s: %w", f.Name, err)
			}
			return found, err
		}
	}
	return false, nil
}

// inText looks for a value among the lines of a file, letter case aside. In a
// line "*" stands for anything; lines that begin with "#" or ";" are comments.
func inText(_ context.Context, f SearchFile, what SearchFor) (bool, error) {
	value := strings.ToLower(what.Value)
	for line := range strings.Lines(string(f.Octets)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if matchesStars(strings.ToLower(line), value) {
			return true, nil
		}
	}
	return false, nil
}

// matchesStars matches the whole of s with a pattern in which "*" stands for
// any text. Its time is linear in len(s) for each star.
func matchesStars(pattern, s string) bool {
	pieces := strings.Split(pattern, "*")
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(pieces) == 1 {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, last); !ok {
		return false
	}
	for _, p := range pieces[1 : len(pieces)-1] {
		_, after, found := strings.Cut(s, p)
		if !found {
			return false
		}
		s = after
	}
	return true
}
