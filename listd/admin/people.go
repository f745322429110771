package admin

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// maxImportBytes bounds a file of members: a million addresses fit in.
const maxImportBytes = 64 << 20

// readPeople reads a file of addresses: one a line, or CSV. It reports what is
// no line of such a file; whether the addresses are any is judged later.
func readPeople(file io.Reader) ([]person, error) {
	octets, err := io.ReadAll(io.LimitReader(file, maxImportBytes+1))
	if err != nil {
		return nil, &Error{Kind: Environment, What: "the file cannot be read: " + err.Error(), Err: err}
	}
	if len(octets) > maxImportBytes {
		return nil, usage("split it", "the file has more than %d octets", maxImportBytes)
	}
	octets = bytes.TrimPrefix(octets, []byte("\ufeff")) // QUIRK: Excel begins its CSV with a byte order mark
	var people []person
	lines := bufio.NewScanner(bytes.NewReader(octets))
	lines.Buffer(nil, maxImportBytes+1)
	var named columns
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' && named == nil {
			continue
		}
		if named == nil && len(people) == 0 {
			if named = readHeading(text); named != nil {
				continue
			}
		}
		p := readPerson(text)
		if named != nil {
			p = named.person(text)
		}
		if len(people) == 0 && !strings.Contains(p.text, "@") && looksLikeHeading(text) {
			continue
		}
		p.line = number
		people = append(people, p)
	}
	if err := lines.Err(); err != nil {
		return nil, &Error{Kind: Environment, What: "the file cannot be read: " + err.Error(), Err: err}
	}
	return people, nil
}

// columns are the places of the named fields in a file that says so in its
// heading, as `member export` does.
type columns map[string]int

// readHeading reads a heading that has the columns address, role and reception;
// nil if a line is none. Other columns may be left out.
func readHeading(text string) columns {
	fields, err := splitFields(text)
	if err != nil {
		return nil
	}
	named := columns{}
	for i, f := range fields {
		if f = strings.ToLower(strings.TrimSpace(f)); slices.Contains(exportedColumns, f) {
			named[f] = i
		}
	}
	for _, name := range []string{"address", "role", "reception"} {
		if _, ok := named[name]; !ok {
			return nil
		}
	}
	return named
}

// person reads one line under the heading.
func (c columns) person(text string) person {
	fields, err := splitFields(text)
	if err != nil {
		return person{text: text, wrong: "the line cannot be taken apart"}
	}
	field := func(name string) string {
		if i, ok := c[name]; ok && i < len(fields) {
			return strings.TrimSpace(fields[i])
		}
		return ""
	}
	p := person{text: field("address"), name: plainName(field("name"))}
	if role := field("role"); role != "" {
		if p.role, err = list.ParseRole(role); err != nil {
			p.wrong = err.Error()
		}
	}
	if p.reception, err = list.ParseReception(field("reception")); err != nil {
		p.wrong = err.Error()
	}
	if of := field("person"); of != "" {
		who, err := list.ParseAddress(of)
		if err != nil {
			p.wrong = err.Error()
		}
		p.of = who
	}
	for name, to := range map[string]*bool{"suspended": &p.suspended, "conceal": &p.conceal} {
		switch strings.ToLower(field(name)) {
		case "yes":
			*to = true
		case "no", "":
		default:
			p.wrong = fmt.Sprintf("%s: write yes or no", name)
		}
	}
	return p
}

// looksLikeHeading tells whether the first line of a file names its columns.
func looksLikeHeading(text string) bool {
	lower := strings.ToLower(text)
	for _, word := range []string{"mail", "address", "adresse", "correo"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// readPerson takes one line apart: an address; "Name <address>"; or fields with
// commas, semicolons or tabs between, of which the one with an @ is the address
// and the first other one that is not empty the name. A line with two addresses
// is none: which of them is meant is not for us to say.
func readPerson(text string) person {
	if !strings.ContainsAny(text, ",;\t\"<") {
		return person{text: text}
	}
	if parsed, err := mail.ParseAddress(text); err == nil {
		return person{text: parsed.Address, name: plainName(parsed.Name)}
	}
	fields, err := splitFields(text)
	if err != nil {
		return person{text: text}
	}
	p := person{}
	for _, f := range fields {
		f = strings.TrimSpace(f)
		switch {
		case p.text == "" && strings.Contains(f, "@"):
			p.text = f
		case strings.Contains(f, "@") && !strings.EqualFold(f, p.text):
			return person{text: text}
		case p.name == "" && !strings.Contains(f, "@"):
			p.name = plainName(f)
		}
	}
	if p.text == "" {
		p.text = text
	}
	return p
}

// splitFields reads one line of CSV by the delimiter that stands first in it,
// outside of quotes.
func splitFields(text string) ([]string, error) {
	delimiter, quoted := ',', false
	for _, r := range text {
		if r == '"' {
			quoted = !quoted
		}
		if !quoted && strings.ContainsRune(",;\t", r) {
			delimiter = r
			break
		}
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.LazyQuotes, r.TrimLeadingSpace = delimiter, true, true
	fields, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading fields: %w", err)
	}
	return fields, nil
}

// maxNameOctets bounds the name of a member.
const maxNameOctets = 200

// plainName keeps a name if it is one: a line of text that a header field can
// hold.
func plainName(s string) string {
	if len(s) > maxNameOctets || singleLine("name", s) != nil {
		return ""
	}
	return s
}
