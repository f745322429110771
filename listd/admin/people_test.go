package admin_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
)

// people shows who is on a list, with all that is said of each.
func (w *world) people(address string) string {
	w.t.Helper()
	members, err := w.Members(w.t.Context(), address, "")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, m := range members {
		all = append(all, fmt.Sprintf("%s %s %q %s suspended=%t conceal=%t %s", m.Address, m.Role, m.Name, m.Reception, m.Suspended, m.Conceal, m.Person))
	}
	return strings.Join(all, "\n")
}

// odd are members whose names and addresses a file could be misread by.
var odd = []list.Member{
	{Address: list.MustParseAddress("a@example.org")},
	{Address: list.MustParseAddress("a@example.org"), Role: list.RoleOwner, Name: "Ann"},
	{Address: list.MustParseAddress("#b@example.org"), Name: `Lee, "Bo"; x`, Reception: list.ReceiveNotice, Suspended: true},
	{Address: list.MustParseAddress("c@example.org"), Name: "Cy @ Home <c@example.org>", Reception: list.ReceiveNoMail, Conceal: true},
	{Address: list.MustParseAddress("a@home.example"), Person: "a@example.org", Reception: list.ReceiveDigest},
	{Address: list.MustParseAddress("jürgen@bücher.example"), Role: list.RoleEditor, Name: "=SUM(A1)", Reception: list.ReceiveNotMe},
}

// TestMembersGoOutAndIn: what `member export` writes `member import` reads, and a list's file brings the same people back.
func TestMembersGoOutAndIn(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	l := w.list(board)
	if _, err := w.store.AddMembers(ctx, l.ID, odd); err != nil {
		t.Fatal(err)
	}
	before := w.people(board)

	var csv, file bytes.Buffer
	if err := w.ExportMembers(ctx, board, "", &csv); err != nil {
		t.Fatal(err)
	}
	w.list("other@lists.example.org")
	c, err := w.ImportMembers(ctx, "other@lists.example.org", "", strings.NewReader(csv.String()))
	if err != nil || c.Changed != len(odd) || c.Role != "" {
		t.Errorf("%+v, %v", c, err)
	}
	if got := w.people("other@lists.example.org"); got != before {
		t.Errorf("by CSV\n%s\nbecame\n%s", before, got)
	}

	if err := w.ExportList(ctx, board, &file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.ApplyList(ctx, strings.NewReader(strings.Replace(file.String(), "person: a@example.org", "person: nobody", 1)), false); err == nil || !strings.Contains(err.Error(), "no @") {
		t.Errorf("a further address of no address: %v", err)
	}
	moved := strings.Replace(file.String(), board, "third@lists.example.org", 1)
	if _, _, err := w.ApplyList(ctx, strings.NewReader(moved), false); err != nil {
		t.Fatal(err)
	}
	if got := w.people("third@lists.example.org"); got != before {
		t.Errorf("by file\n%s\nbecame\n%s", before, got)
	}
	if p, _, err := w.ApplyList(ctx, strings.NewReader(moved), false); err != nil || !p.Nothing() {
		t.Errorf("the same file again: %+v, %v", p, err)
	}
}

// TestImportOfColumnsIsAllOrNothing names every line that is wrong.
func TestImportOfColumnsIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.list(board)
	_, err := w.ImportMembers(t.Context(), board, "", strings.NewReader("address,role,reception,suspended\na@example.org,,,\nb@example.org,boss,mail,no\nc@example.org,member,never,no\nd@example.org,member,mail,perhaps\nnobody,member,mail,no\n"))
	for _, what := range []string{"line 3: ", "line 4: ", "line 5: suspended: write yes or no", "line 6: "} {
		wantError(t, err, admin.Usage, what)
	}
	if got := w.people(board); got != "" || strings.Contains(err.Error(), "line 2") {
		t.Errorf("%s, %v", got, err)
	}
	c, err := w.ImportMembers(t.Context(), board, "editor", strings.NewReader("Reception;Role;Address\n;;a@example.org\n"))
	if err != nil || c.Role != list.RoleEditor || w.people(board) != `a@example.org editor "" mail suspended=false conceal=false ` {
		t.Errorf("%+v, %v: %s", c, err, w.people(board))
	}
}
