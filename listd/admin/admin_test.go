package admin_test

import (
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func TestCreateList(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	l, warnings, err := w.CreateList(ctx, admin.NewList{Address: board, Description: "The board"})
	if err != nil || len(warnings) != 0 {
		t.Fatal(warnings, err)
	}
	if l.Address.String() != board || l.Send != "private_smime" || l.State != list.Open || len(l.Keys) != 0 || l.Description != "The board" {
		t.Errorf("%+v", l)
	}
	for _, c := range []struct {
		list admin.NewList
		kind admin.Kind
		what string
	}{
		{admin.NewList{Address: board}, admin.Refused, "already a list"},
		{admin.NewList{Address: "BOARD@lists.example.org"}, admin.Usage, "lower-case"},
		{admin.NewList{Address: "board"}, admin.Usage, "no @"},
		{admin.NewList{Address: "board-owner@lists.example.org"}, admin.Usage, "function of another list"},
		{admin.NewList{Address: "board@other.example"}, admin.Refused, "not a domain of this server"},
		{admin.NewList{Address: "b@lists.example.org", Send: "nobody"}, admin.Usage, "no scenario send.nobody"},
		{admin.NewList{Address: "b@lists.example.org", Description: "a\r\nBcc: x@y.example"}, admin.Usage, "control character"},
		{admin.NewList{Address: "b@lists.example.org", Key: &admin.KeyImport{P12: admin.P12{Name: "x.p12", Octets: []byte("no")}}}, admin.Refused, "x.p12"},
	} {
		_, _, err := w.CreateList(ctx, c.list)
		wantError(t, err, c.kind, c.what)
	}
	all, err := w.Lists(ctx)
	if err != nil || len(all) != 1 {
		t.Errorf("%d lists, %v", len(all), err)
	}
	if got := w.audited(); got != "list create "+board {
		t.Errorf("audited: %s", got)
	}
	_, err = w.ShowList(ctx, "gone@lists.example.org")
	wantError(t, err, admin.Refused, "there is no list gone@lists.example.org")
}

func TestListWithKey(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	id := w.ca.Sub("Lists").Issue(board)
	for name, octets := range map[string][]byte{"new@lists.example.org": id.PKCS12("pw"), "old@lists.example.org": w.ca.Issue("old@lists.example.org").PKCS12Legacy("pw")} {
		_, _, err := w.CreateList(ctx, admin.NewList{Address: name, Key: &admin.KeyImport{P12: admin.P12{Name: "x.p12", Octets: octets, Password: []byte("wrong")}}})
		wantError(t, err, admin.Refused, "x.p12")
		if lists, _ := w.Lists(ctx); len(lists) != 0 {
			t.Fatalf("a list was made for %s all the same", name)
		}
	}

	key := &admin.KeyImport{P12: admin.P12{Name: "x.p12", Octets: id.PKCS12("pw"), Password: []byte("pw")}}
	l, warnings, err := w.CreateList(ctx, admin.NewList{Address: board, Key: key})
	if err != nil || len(warnings) != 0 {
		t.Fatal(warnings, err)
	}
	if len(l.Keys) != 1 || l.Keys[0].Fingerprint != trust.Fingerprint(id.Certificate) || l.Keys[0].Chain == 0 || l.Keys[0].Key != "RSA 2048" || !l.HasKey {
		t.Errorf("%+v", l)
	}

	// One key belongs to one list (invariant 10), and nothing is made halfway.
	both := w.ca.Renew(id, smimetest.Addresses(board, "other@lists.example.org"))
	_, _, err = w.CreateList(ctx, admin.NewList{Address: "other@lists.example.org", Key: &admin.KeyImport{P12: admin.P12{Name: "x.p12", Octets: both.PKCS12("")}}})
	wantError(t, err, admin.Refused, "another list's already ("+board+")")
	if lists, _ := w.Lists(ctx); len(lists) != 1 {
		t.Errorf("%d lists", len(lists))
	}
	_, _, err = w.ImportKey(ctx, board, *key)
	wantError(t, err, admin.Refused, "has this key already")

	for what, id := range map[string]*smimetest.Identity{
		"does not name":  w.ca.Issue("somebody@example.org"),
		"cannot be used": w.ca.Issue(board, smimetest.KeyUsage(x509.KeyUsageCertSign)),
	} {
		_, _, err := w.ImportKey(ctx, board, admin.KeyImport{P12: admin.P12{Name: "odd.p12", Octets: id.PKCS12("")}})
		wantError(t, err, admin.Refused, what)
	}
	// What people will stumble over is said, and no hindrance.
	foreign := smimetest.NewCA("Foreign").Issue(board)
	k, warnings, err := w.ImportKey(ctx, board, admin.KeyImport{P12: admin.P12{Name: "foreign.p12", Octets: foreign.PKCS12("")}})
	if err != nil || k.Fingerprint != trust.Fingerprint(foreign.Certificate) {
		t.Fatal(k, err)
	}
	if said := strings.Join(warnings, "; "); !strings.Contains(said, "unknown_ca") {
		t.Errorf("warnings: %s", said)
	}
	keys, err := w.Keys(ctx, "")
	if err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// Neither the password nor the file shows.
func TestP12IsNeverShown(t *testing.T) {
	p := admin.P12{Name: "x.p12", Octets: []byte("hunter2"), Password: []byte("hunter2")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, value := range []any{p, &p, []admin.P12{p}, admin.NewList{Key: &admin.KeyImport{P12: p}}, admin.Inspection{P12: []admin.P12{p}}} {
			if shown := fmt.Sprintf(verb, value); strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e") || strings.Contains(shown, "104 117") {
				t.Errorf("%s: %s", verb, shown)
			}
		}
	}
}

func TestKeyWithoutKeyPassword(t *testing.T) {
	w := newWorldWith(t, nil)
	_, _, err := w.CreateList(t.Context(), admin.NewList{Address: board, Key: &admin.KeyImport{P12: admin.P12{Name: "x.p12", Octets: w.ca.Issue(board).PKCS12("pw"), Password: []byte("pw")}}})
	wantError(t, err, admin.Environment, "no key can be kept")
	if lists, _ := w.Lists(t.Context()); len(lists) != 0 {
		t.Error("the list was made all the same")
	}
}

func TestMembers(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	change, err := w.AddMembers(ctx, board, "", []string{"bob@example.org", "Alice@Example.org", "alice@example.org"})
	if err != nil || change.Given != 2 || change.Changed != 2 || change.Role != "member" {
		t.Fatalf("%+v %v", change, err)
	}
	change, err = w.AddMembers(ctx, board, "member", []string{"ALICE@example.org", "carol@example.org"})
	if err != nil || change.Given != 2 || change.Changed != 1 {
		t.Fatalf("%+v %v", change, err)
	}
	if _, err := w.AddMembers(ctx, board, "owner", []string{"alice@example.org"}); err != nil {
		t.Fatal(err)
	}
	if got := w.addresses(board, ""); got != "Alice@example.org alice@example.org bob@example.org carol@example.org" {
		t.Errorf("members: %s", got)
	}

	// All of them or none, with everything that is wrong.
	_, err = w.AddMembers(ctx, board, "", []string{"dave@example.org", "x", "y@", "a@b\r\nRCPT TO:<z@z>"})
	wantError(t, err, admin.Usage, "\"x\" is not an e-mail address: no @\n\"y@\"")
	_, err = w.AddMembers(ctx, board, "", []string{"dave@example.org", board})
	wantError(t, err, admin.Refused, "cannot be a member of itself")
	_, err = w.RemoveMembers(ctx, board, "", []string{"bob@example.org", "dave@example.org"})
	wantError(t, err, admin.Refused, "dave@example.org is no member of "+board)
	_, err = w.RemoveMembers(ctx, board, "owner", []string{"bob@example.org"})
	wantError(t, err, admin.Refused, "is no owner of")
	_, err = w.RemoveMembers(ctx, board, "", []string{"bob"})
	wantError(t, err, admin.Usage, "no @")
	_, err = w.AddMembers(ctx, board, "king", []string{"dave@example.org"})
	wantError(t, err, admin.Usage, "king")
	_, err = w.AddMembers(ctx, "gone@lists.example.org", "", []string{"dave@example.org"})
	wantError(t, err, admin.Refused, "there is no list")
	if got := w.addresses(board, "member"); got != "Alice@example.org bob@example.org carol@example.org" {
		t.Errorf("members: %s", got)
	}

	change, err = w.RemoveMembers(ctx, board, "", []string{"BOB@example.org", "alice@EXAMPLE.org"})
	if err != nil || change.Changed != 2 {
		t.Fatalf("%+v %v", change, err)
	}
	if got := w.addresses(board, ""); got != "alice@example.org carol@example.org" {
		t.Errorf("members: %s", got)
	}
	if got := w.audited(); !strings.Contains(got, "member add 2 addresses; member add 2 addresses; member add alice@example.org; member del BOB@example.org; member del alice@example.org") {
		t.Errorf("audited: %s", got)
	}
}

func TestImportMembers(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"lines":           {"b@example.org\n\n# c\n  a@example.org  \r\na@example.org\n", "a@example.org() b@example.org()"},
		"no line end":     {"a@example.org", "a@example.org()"},
		"byte order mark": {"\ufeffa@example.org\n", "a@example.org()"},
		"heading":         {"E-Mail\na@example.org\n", "a@example.org()"},
		"comma":           {"email,name\na@example.org,Ann Lee\nb@example.org,\n", "a@example.org(Ann Lee) b@example.org()"},
		"semicolon":       {"Name;Adresse;Abteilung\n\"Lee, Ann\";a@example.org;IT\n", "a@example.org(Lee, Ann)"},
		"tab":             {"Ann\ta@example.org\n", "a@example.org(Ann)"},
		"display name":    {"Ann Lee <a@example.org>\n\"Lee, Bo\" <b@example.org>\n", "a@example.org(Ann Lee) b@example.org(Lee, Bo)"},
		"address twice":   {"a@example.org,Ann,A@example.org\n", "a@example.org(Ann)"},
		"trailing comma":  {"a@example.org,\nb@example.org;\n", "a@example.org() b@example.org()"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.list(board)
			if _, err := w.ImportMembers(t.Context(), board, "", strings.NewReader(c.file)); err != nil {
				t.Fatal(err)
			}
			members, err := w.Members(t.Context(), board, "")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range members {
				got = append(got, m.Address.String()+"("+m.Name+")")
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestImportIsAllOrNothing(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	_, err := w.ImportMembers(ctx, board, "", strings.NewReader("email\na@example.org\nnobody\n\nb@example.org,Bo\n\"x@y\"@example.org\nName,without\nc@example.org, d@example.org\n"))
	wantError(t, err, admin.Usage, "line 3: ")
	wantError(t, err, admin.Usage, "line 6: ")
	wantError(t, err, admin.Usage, "line 7: ")
	wantError(t, err, admin.Usage, "line 8: ")
	if got := w.addresses(board, ""); got != "" {
		t.Errorf("added: %s", got)
	}
	if strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "line 5") {
		t.Errorf("a good line is reported: %v", err)
	}
	_, err = w.ImportMembers(ctx, board, "", strings.NewReader("# nobody\n"))
	wantError(t, err, admin.Usage, "no address")
	_, err = w.ImportMembers(ctx, board, "", strings.NewReader(strings.Repeat("x", 65<<20)))
	wantError(t, err, admin.Usage, "octets")
}

func TestCertificates(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	alice, bob := w.ca.Issue("alice@example.org"), smimetest.SelfSigned("bob@example.org", smimetest.ECP256)
	w.keep(alice)
	w.keep(bob)
	all, err := w.Certificates(ctx, admin.CertificateQuery{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	one, err := w.Certificates(ctx, admin.CertificateQuery{Address: "ALICE@example.org", Source: "harvest"})
	if err != nil || len(one) != 1 || !one[0].Verdicts[0].OK || one[0].Key != "RSA 2048" {
		t.Fatalf("%+v %v", one, err)
	}
	fingerprint := trust.Fingerprint(bob.Certificate)
	for _, text := range []string{fingerprint, strings.ToUpper(fingerprint[:8]), fingerprint[:2] + ":" + fingerprint[2:16], "bob@example.org"} {
		found, err := w.ShowCertificate(ctx, text)
		if err != nil || len(found) != 1 || found[0].Fingerprint != fingerprint || found[0].Key != "EC P-256" {
			t.Fatalf("%s: %+v %v", text, found, err)
		}
		if v := found[0].Verdicts[0]; v.OK || v.Use != "encryption" || v.Reason != trust.UnknownCA {
			t.Errorf("%+v", v)
		}
	}
	_, err = w.ShowCertificate(ctx, fingerprint[:6])
	wantError(t, err, admin.Refused, "no certificate with the fingerprint")
	_, err = w.ShowCertificate(ctx, "carol@example.org")
	wantError(t, err, admin.Refused, "no certificate for carol@example.org")
	_, err = w.ShowCertificate(ctx, "carol")
	wantError(t, err, admin.Usage, "no @")
	_, err = w.Certificates(ctx, admin.CertificateQuery{Source: "ldap"})
	wantError(t, err, admin.Usage, "ldap")
}

func TestExplain(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	for id, file := range map[*smimetest.Identity]string{
		w.ca.Issue("alice@example.org"):                     "alice@example.org",
		smimetest.SelfSigned("bob@example.org"):             "bob@example.org@enc",
		w.ca.Issue("dora@example.org", smimetest.ECP256):    "dora@example.org",
		w.ca.Issue("erik@example.org", smimetest.SignOnly):  "erik@example.org@enc",
		w.ca.Issue("nobody@example.org", smimetest.Ed25519): "nobody@example.org@sign",
	} {
		if err := os.WriteFile(filepath.Join(w.pems, file), id.CertificatePEM(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for address, want := range map[string]bool{"alice@example.org": true, "Alice@Example.org": true, "bob@example.org": false, "carol@example.org": false} {
		e, err := w.Explain(ctx, address, false)
		if err != nil || e.Sealable() != want {
			t.Errorf("%s: %+v %v", address, e, err)
		}
	}
	_, err := w.Explain(ctx, "alice", false)
	wantError(t, err, admin.Usage, "no @")

	if _, err := w.AddMembers(ctx, board, "", []string{"alice@example.org", "bob@example.org", "carol@example.org", "dora@example.org", "erik@example.org"}); err != nil {
		t.Fatal(err)
	}
	reach, err := w.ExplainList(ctx, board, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range reach.Members {
		got = append(got, m.Address.Local()+" "+m.Verdict+" "+strings.Join(m.Refused, ","))
		if m.Sealable() != (len(m.Certificates) == 1 && !m.Expires.IsZero() && m.Source == "files") {
			t.Errorf("%+v", m)
		}
	}
	if want := "alice usable ; bob none unknown_ca; carol none ; dora usable ; erik none wrong_usage"; strings.Join(got, "; ") != want {
		t.Errorf("got %q\nwant %q", strings.Join(got, "; "), want)
	}
}

func TestQueue(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	l := w.list(board)
	if _, err := w.AddMembers(ctx, board, "", []string{"alice@example.org"}); err != nil {
		t.Fatal(err)
	}
	ids, err := w.store.Accept(ctx, store.Incoming{ReversePath: "bob@example.org", Octets: []byte("Subject: x\r\n\r\nx\r\n"), Targets: []store.Target{{List: l.ID, Kind: store.KindPost, ForwardPath: l.Address}}})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := w.Queue(ctx, admin.QueueFilter{})
	if err != nil || len(queue) != 1 || queue[0].ID != ids[0] || queue[0].ListAddress != l.Address {
		t.Fatalf("%+v %v", queue, err)
	}
	if l, err := w.ShowList(ctx, board); err != nil || l.Waiting["accepted"] != 1 {
		t.Errorf("%+v %v", l, err)
	}
	if err := w.store.Decide(ctx, store.Decided{Item: ids[0], State: store.ItemDistributing, Method: "smime"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.store.Expand(ctx, ids[0], 10); err != nil {
		t.Fatal(err)
	}
	d, err := w.QueueItem(ctx, ids[0], "")
	if err != nil || len(d.Deliveries) != 1 || d.States[store.DeliveryQueued] != 1 || d.State != store.ItemDistributing {
		t.Fatalf("%+v %v", d, err)
	}
	if d, err = w.QueueItem(ctx, ids[0], "relayed"); err != nil || len(d.Deliveries) != 0 {
		t.Errorf("%+v %v", d, err)
	}
	if queue, err = w.Queue(ctx, admin.QueueFilter{}); err != nil || len(queue) != 1 || queue[0].States[store.DeliveryQueued] != 1 {
		t.Errorf("%+v %v", queue, err)
	}
	if queue, err = w.Queue(ctx, admin.QueueFilter{State: "done", List: board}); err != nil || len(queue) != 0 {
		t.Errorf("%+v %v", queue, err)
	}
	_, err = w.Queue(ctx, admin.QueueFilter{State: "gone"})
	wantError(t, err, admin.Usage, "gone")
	_, err = w.Queue(ctx, admin.QueueFilter{Limit: -1})
	wantError(t, err, admin.Usage, "-1")
	_, err = w.QueueItem(ctx, ids[0], "gone")
	wantError(t, err, admin.Usage, "gone")
	_, err = w.QueueItem(ctx, "none", "")
	wantError(t, err, admin.Refused, "there is no post none")
}

func TestDataFolderOfSomebodyElse(t *testing.T) {
	e := admin.Explain(fmt.Errorf("store: open sealist.db: %w", &fs.PathError{Op: "open", Path: "sealist.db.opening", Err: syscall.EACCES}))
	if e.Kind != admin.Environment || !strings.Contains(e.Hint, "chown") {
		t.Errorf("%+v", e)
	}
}
