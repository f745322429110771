package admin

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// ListFile is a list as a file: what ExportList writes and ApplyList reads.
type ListFile struct {
	List     string            `yaml:"list"`
	Settings map[string]string `yaml:"settings,omitempty"` // those that are not named stay as they are
	Members  []MemberLine      `yaml:"members"`            // left out: they stay; else these, and nobody else but who is included
}

// MemberLine is one person in one role.
type MemberLine struct {
	Address   string `yaml:"address" json:"address"`
	Role      string `yaml:"role,omitempty" json:"role,omitempty"` // empty: member
	Name      string `yaml:"name,omitempty" json:"name,omitempty"`
	Reception string `yaml:"reception,omitempty" json:"reception,omitempty"` // empty: mail
	Suspended bool   `yaml:"suspended,omitempty" json:"suspended,omitempty"`
	Conceal   bool   `yaml:"conceal,omitempty" json:"conceal,omitempty"`
	Person    string `yaml:"person,omitempty" json:"person,omitempty"` // whose further address this is
}

// ExportList writes a list as a file: every setting, and everybody who was put
// on it by hand. Keys are not in it.
func (a *Admin) ExportList(ctx context.Context, listText string, out io.Writer) error {
	l, err := a.list(ctx, listText)
	if err != nil {
		return err
	}
	members, err := a.Store.Members(ctx, l.ID, store.MemberFilter{})
	if err != nil {
		return Explain(err)
	}
	f := ListFile{List: l.Address.String(), Settings: map[string]string{}, Members: []MemberLine{}}
	for _, s := range list.Settings() {
		f.Settings[s.Name] = s.Get(l)
	}
	for _, m := range members {
		if !m.Included {
			f.Members = append(f.Members, lineOf(m))
		}
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return &Error{Kind: Environment, What: err.Error(), Err: err}
	}
	_, err = out.Write(b.Bytes())
	return err
}

func lineOf(m list.Member) MemberLine {
	line := MemberLine{Address: m.Address.String(), Role: string(m.Role), Name: m.Name, Suspended: m.Suspended, Conceal: m.Conceal, Person: m.Person}
	if m.Reception != list.ReceiveMail {
		line.Reception = string(m.Reception)
	}
	return line
}

// namesOf names the people of lines, as many as an entry of the audit log holds.
func namesOf(lines []MemberLine) string {
	var all []string
	for _, m := range lines[:min(len(lines), namedAtOnce)] {
		all = append(all, m.Address)
	}
	if more := len(lines) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, " ")
}

// maxListFile bounds a file of a list, in octets.
const maxListFile = 64 << 20

// Application is what ApplyList did, or would do.
type Application struct {
	List     list.Address      `json:"list"`
	Made     bool              `json:"made"`     // there was no such list
	Settings map[string]string `json:"settings"` // that change, with what they become
	Added    []MemberLine      `json:"added"`
	Changed  []MemberLine      `json:"changed"`
	Removed  []MemberLine      `json:"removed"`
	DryRun   bool              `json:"dry_run,omitempty"`
}

// Nothing tells that the list is as the file says already.
func (p Application) Nothing() bool {
	return !p.Made && len(p.Settings)+len(p.Added)+len(p.Changed)+len(p.Removed) == 0
}

// ApplyList makes a list what a file says: settings, and who is on it. All of
// it, or nothing; every mistake is told at once. With dryRun it only tells what
// would change.
func (a *Admin) ApplyList(ctx context.Context, file io.Reader, dryRun bool) (Application, []string, error) {
	f, err := readListFile(file)
	if err != nil {
		return Application{}, nil, err
	}
	p := Application{Settings: map[string]string{}, Added: []MemberLine{}, Changed: []MemberLine{}, Removed: []MemberLine{}, DryRun: dryRun}
	l, err := a.fileList(ctx, f, &p)
	if err != nil {
		return p, nil, err
	}
	mistakes := a.applySettings(&l, f.Settings, &p)
	put, remove, more, err := a.applyMembers(ctx, l, f.Members, &p)
	if err != nil {
		return p, nil, err
	}
	if mistakes = append(mistakes, more...); len(mistakes) > 0 {
		return p, nil, usage("mend the file; nothing was changed", "%s", strings.Join(mistakes, "\n"))
	}
	details := ListDetails{List: l, Members: map[list.Role]int{}}
	if l.ID != 0 {
		if details, err = a.details(ctx, l); err != nil {
			return p, nil, err
		}
	}
	for _, m := range p.Added {
		details.Members[list.Role(m.Role)]++
	}
	for _, m := range p.Removed {
		details.Members[list.Role(m.Role)]--
	}
	warnings, err := checkSettings(details)
	if err != nil || dryRun || p.Nothing() {
		return p, warnings, err
	}
	entry := store.AuditEntry{Actor: a.Actor, Action: "list apply", Object: l.Address.String(), Detail: map[string]string{
		"settings": strings.Join(slices.Sorted(maps.Keys(p.Settings)), " "),
		"added":    fmt.Sprint(len(p.Added)), "changed": fmt.Sprint(len(p.Changed)), "removed": fmt.Sprint(len(p.Removed)),
	}}
	for name, lines := range map[string][]MemberLine{"joined": p.Added, "left": p.Removed} {
		if len(lines) > 0 {
			entry.Detail[name] = namesOf(lines)
		}
	}
	if _, err := a.Store.ApplyList(ctx, l, put, remove, entry); err != nil {
		return p, nil, Explain(err)
	}
	return p, warnings, nil
}

func readListFile(file io.Reader) (f ListFile, err error) {
	octets, err := io.ReadAll(io.LimitReader(file, maxListFile+1))
	if err != nil {
		return f, &Error{Kind: Environment, What: "the file cannot be read: " + err.Error(), Err: err}
	}
	if len(octets) > maxListFile {
		return f, usage("use `member import` for so many people", "the file has more than %d octets", maxListFile)
	}
	d := yaml.NewDecoder(bytes.NewReader(octets))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, usage("`listmaster list export LIST` shows how it is written", "the file cannot be understood: %v", err)
	}
	if f.List == "" {
		return f, usage("write list: NAME@DOMAIN first", "the file names no list")
	}
	return f, nil
}

// fileList finds the list of a file, or begins one.
func (a *Admin) fileList(ctx context.Context, f ListFile, p *Application) (list.List, error) {
	address, err := parseListAddress(f.List)
	if err != nil {
		return list.List{}, err
	}
	p.List = address
	l, err := a.Store.List(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		if address, err = a.newListAddress(f.List); err != nil {
			return list.List{}, err
		}
		p.Made = true
		return list.List{Address: address, Send: list.DefaultSend, State: list.Open, Policy: list.DefaultPolicy()}, nil
	}
	if err != nil {
		return list.List{}, Explain(err)
	}
	return a.list(ctx, l.Address.String()) // refuses a robot
}

// applySettings sets what the file names, and returns what it cannot.
func (a *Admin) applySettings(l *list.List, settings map[string]string, p *Application) (mistakes []string) {
	before := *l
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := l.Set(name, settings[name]); err != nil {
			mistakes = append(mistakes, err.Error())
			continue
		}
		if f, ok := scenario.ParseFunction(name); ok {
			if err := a.checkScenario(f, settings[name], l.Address); err != nil {
				mistakes = append(mistakes, err.Error())
			}
		}
	}
	for _, s := range list.Settings() {
		if after := s.Get(*l); after != s.Get(before) {
			p.Settings[s.Name] = after
		}
	}
	return mistakes
}

// applyMembers compares who is to be on the list with who is.
func (a *Admin) applyMembers(ctx context.Context, l list.List, lines []MemberLine, p *Application) (put, remove []list.Member, mistakes []string, err error) {
	if lines == nil {
		return nil, nil, nil, nil
	}
	type who struct {
		key  string
		role list.Role
	}
	there := map[who]list.Member{}
	if l.ID != 0 {
		members, err := a.Store.Members(ctx, l.ID, store.MemberFilter{})
		if err != nil {
			return nil, nil, nil, Explain(err)
		}
		for _, m := range members {
			there[who{m.Address.Key(), m.Role}] = m
		}
	}
	wanted := map[who]bool{}
	for n, line := range lines {
		m, err := memberOf(line)
		if err == nil && m.Address.Same(l.Address) {
			err = errors.New("a list cannot be on itself: its posts would come back to it")
		}
		if err == nil && wanted[who{m.Address.Key(), m.Role}] {
			err = fmt.Errorf("%s stands here twice as %s", m.Address, m.Role)
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Sprintf("members[%d]: %v", n, err))
			continue
		}
		wanted[who{m.Address.Key(), m.Role}] = true
		switch old, ok := there[who{m.Address.Key(), m.Role}]; {
		case !ok:
			p.Added = append(p.Added, lineOf(m))
		case lineOf(old) == lineOf(m) && !old.Included, old.Address.Same(m.Address) && sameTreatment(old, m) && !old.Included:
			continue
		default:
			p.Changed = append(p.Changed, lineOf(m))
		}
		put = append(put, m)
	}
	for key, m := range there {
		if !wanted[key] && !m.Included {
			remove = append(remove, m)
			p.Removed = append(p.Removed, lineOf(m))
		}
	}
	slices.SortFunc(p.Removed, func(a, b MemberLine) int { return strings.Compare(a.Address+a.Role, b.Address+b.Role) })
	return put, remove, mistakes, nil
}

func sameTreatment(a, b list.Member) bool {
	return a.Name == b.Name && a.Reception == b.Reception && a.Suspended == b.Suspended && a.Conceal == b.Conceal && a.Person == b.Person
}

// memberOf reads one line of a file.
func memberOf(line MemberLine) (list.Member, error) {
	m := list.Member{Name: line.Name, Suspended: line.Suspended, Conceal: line.Conceal}
	var err error
	if line.Person != "" {
		who, err := list.ParseAddress(line.Person)
		if err != nil {
			return m, err
		}
		m.Person = who.Key()
	}
	if m.Address, err = list.ParseAddress(line.Address); err != nil {
		return m, err
	}
	if m.Role, err = list.ParseRole(line.Role); err != nil {
		return m, err
	}
	if m.Reception, err = list.ParseReception(line.Reception); err != nil {
		return m, err
	}
	if err := singleLine("name", m.Name); err != nil {
		return m, err
	}
	return m, nil
}

// RemoveList takes a closed list away with everything that is kept for it. Its
// audit entries stay.
func (a *Admin) RemoveList(ctx context.Context, listText string) error {
	l, err := a.list(ctx, listText)
	if err != nil {
		return err
	}
	if l.State != list.Closed {
		return refused("`listmaster list close "+l.Address.String()+"` first, and see that nothing is on its way", "%s is open", l.Address)
	}
	if err := a.Store.RemoveList(ctx, l.ID, store.AuditEntry{Actor: a.Actor, Action: "list rm", Object: l.Address.String()}); err != nil {
		return Explain(err)
	}
	return nil
}

// ExportMembers writes the people of a list as CSV (RFC 4180) with a heading.
// ImportMembers reads all of it.
func (a *Admin) ExportMembers(ctx context.Context, listText, role string, out io.Writer) error {
	members, err := a.Members(ctx, listText, role)
	if err != nil {
		return err
	}
	w := csv.NewWriter(out)
	w.Write(exportedColumns)
	for _, m := range members {
		w.Write([]string{m.Address.String(), m.Name, string(m.Role), m.Reception.String(), yesNo(m.Suspended), yesNo(m.Conceal), m.Person})
	}
	w.Flush()
	return w.Error()
}

// exportedColumns are the heading of a file that ExportMembers wrote.
var exportedColumns = []string{"address", "name", "role", "reception", "suspended", "conceal", "person"}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
