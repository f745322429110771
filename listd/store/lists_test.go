package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

func TestLists(t *testing.T) {
	w := newWorld(t)
	l, err := w.List(w.ctx, addr("NEWS@Lists.Example.ORG"))
	w.must(err)
	if l.ID != w.list || l.Send != list.DefaultSend || l.State != list.Open || l.HasKey || !l.Created.Equal(w.clock.now()) {
		t.Fatalf("%+v", l)
	}
	if _, err := w.CreateList(w.ctx, list.List{Address: addr("news@lists.EXAMPLE.org")}); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same address twice: %v", err)
	}
	if _, err := w.CreateList(w.ctx, list.List{Address: addr("news-owner@lists.example.org")}); !errors.Is(err, list.ErrListAddress) {
		t.Errorf("a reserved name: %v", err)
	}
	if _, err := w.CreateList(w.ctx, list.List{Address: addr("agent@lists.example.org"), Agent: "yes"}); err == nil {
		t.Error("an unknown kind of mail list agent was taken")
	}
	if _, err := w.List(w.ctx, addr("other@lists.example.org")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such list: %v", err)
	}
	l.Send, l.State, l.Description, l.Agent, l.AllowExpired = "public", list.Closed, "News", list.CarryLabels, true
	w.must(l.Set("encryption", "required"))
	w.must(l.Set("footer", "one\ntwo"))
	w.must(w.UpdateList(w.ctx, l))
	if again, err := w.ListByID(w.ctx, l.ID); err != nil || !reflect.DeepEqual(again, l) {
		t.Errorf("%+v, %v", again, err)
	}
	if err := w.UpdateList(w.ctx, list.List{ID: 77}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("update of no list: %v", err)
	}
	if all, err := w.Lists(w.ctx); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// A database of the first version keeps its lists, which are no agents, and its members, who were all added by hand.
func TestDatabaseOfTheFirstVersion(t *testing.T) {
	first, err := os.ReadFile("migrations/sqlite/00001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sealist.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), string(first)+`
		CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL,
			tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1);
		INSERT INTO list VALUES (1, 'news@lists.example.org', 'news@lists.example.org', '', 'public', 'open', 1);
		INSERT INTO member VALUES (1, 1, 'Anna@example.org', 'anna@example.org', 'member', '', 0, 1);`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if l, err := s.ListByID(t.Context(), 1); err != nil || l.Agent != list.NoAgent || l.Address != addr("news@lists.example.org") {
		t.Errorf("%+v, %v", l, err)
	}
	if members, err := s.Members(t.Context(), 1, store.MemberFilter{}); err != nil || len(members) != 1 || members[0].Included {
		t.Errorf("%+v, %v", members, err)
	}
}

func TestMembers(t *testing.T) {
	w := newWorld(t)
	anna := list.Member{Address: addr("Anna@example.org"), Name: "Anna"}
	annaOwns := list.Member{Address: addr("anna@example.org"), Role: list.RoleOwner}
	added, err := w.AddMembers(w.ctx, w.list, []list.Member{anna, anna, annaOwns, {Address: addr("ben@example.org"), Suspended: true}})
	if added != 3 || err != nil {
		t.Fatalf("added %d, %v; want Anna in two roles and Ben", added, err)
	}
	if added, err := w.AddMembers(w.ctx, w.list, []list.Member{{Address: addr("ANNA@example.org")}}); added != 0 || err != nil {
		t.Fatalf("Anna again: %d, %v", added, err)
	}
	if _, err := w.AddMembers(w.ctx, 77, []list.Member{anna}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("members of no list: %v", err)
	}

	got, err := w.MemberOf(w.ctx, w.list, []list.Address{addr("anna@EXAMPLE.org"), addr("ben@example.org"), addr("eve@example.org")})
	w.must(err)
	if len(got) != 2 || len(got["anna@example.org"]) != 2 || !got["ben@example.org"][0].Suspended {
		t.Errorf("standings: %+v", got)
	}

	// Pages meet every row once, though Anna stands on both sides of the border.
	var seen []list.Member
	var after list.Member
	for {
		page, err := w.Members(w.ctx, w.list, store.MemberFilter{After: after, Limit: 1})
		w.must(err)
		if len(page) == 0 {
			break
		}
		seen, after = append(seen, page...), page[0]
	}
	if len(seen) != 3 || seen[0].Address != anna.Address || seen[0].Name != "Anna" || seen[0].Role != list.RoleMember || seen[1].Role != list.RoleOwner {
		t.Errorf("pages: %+v", seen)
	}
	ben := seen[2]
	ben.Suspended, ben.Reception = false, list.ReceiveNotMe
	if n, err := w.ChangeMembers(w.ctx, w.list, list.RoleMember, []list.Address{ben.Address, addr("eve@example.org")},
		store.MemberChange{Suspended: &ben.Suspended, Reception: &ben.Reception}); n != 1 || err != nil {
		t.Errorf("changed %d, %v", n, err)
	}
	if page, err := w.Members(w.ctx, w.list, store.MemberFilter{Role: list.RoleMember}); err != nil || len(page) != 2 || page[1] != ben {
		t.Errorf("%+v, %v", page, err)
	}
	if n, err := w.RemoveMembers(w.ctx, w.list, list.RoleMember, []list.Address{addr("anna@example.org"), addr("eve@example.org")}); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if counts, err := w.CountMembers(w.ctx, w.list); err != nil || counts[list.RoleMember] != 1 || counts[list.RoleOwner] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	for role, want := range map[list.Role]int{list.RoleMember: 1, list.RoleOwner: 1, list.RoleEditor: 0} {
		if n, err := w.CountRole(w.ctx, w.list, role); n != want || err != nil {
			t.Errorf("%d with the role %s, %v", n, role, err)
		}
	}
}

// A server learns of every change that listmaster makes.
func TestChangeCounter(t *testing.T) {
	w := newWorld(t)
	anna := []list.Member{{List: w.list, Address: addr("anna@example.org"), Role: list.RoleMember}}
	l, err := w.ListByID(w.ctx, w.list)
	w.must(err)
	for _, step := range []struct {
		name  string
		moves bool
		do    func() error
	}{
		{"create list", true, func() error { _, err := w.CreateList(w.ctx, list.List{Address: addr("b@x.org")}); return err }},
		{"update list", true, func() error { return w.UpdateList(w.ctx, l) }},
		{"add members", true, func() error { _, err := w.AddMembers(w.ctx, w.list, anna); return err }},
		{"add them again", false, func() error { _, err := w.AddMembers(w.ctx, w.list, anna); return err }},
		{"change members", true, func() error {
			_, err := w.ChangeMembers(w.ctx, w.list, list.RoleMember, []list.Address{anna[0].Address}, store.MemberChange{Name: &anna[0].Name})
			return err
		}},
		{"remove members", true, func() error {
			_, err := w.RemoveMembers(w.ctx, w.list, list.RoleMember, []list.Address{anna[0].Address})
			return err
		}},
		{"remove them again", false, func() error {
			_, err := w.RemoveMembers(w.ctx, w.list, list.RoleMember, []list.Address{anna[0].Address})
			return err
		}},
		{"put key", true, func() error {
			_, err := w.PutKey(w.ctx, store.KeyRow{List: w.list, Fingerprint: "f", PublicKey: "p", Certificate: []byte("c"), PKCS8: []byte("k")})
			return err
		}},
		{"put certificate", true, func() error { _, err := w.PutCertificate(w.ctx, certificate("anna@example.org", "1")); return err }},
		{"put it again", false, func() error { _, err := w.PutCertificate(w.ctx, certificate("anna@example.org", "1")); return err }},
		{"accept a post", false, func() error { w.accept("x"); return nil }},
	} {
		before, err := w.Changes(w.ctx)
		w.must(err)
		w.must(step.do())
		after, err := w.Changes(w.ctx)
		w.must(err)
		if (after.All > before.All) != step.moves {
			t.Errorf("%s: counters went from %+v to %+v", step.name, before, after)
		}
	}
}

func certificate(address, der string) store.Certificate {
	return store.Certificate{Address: addr(address), DER: []byte(der), Source: "harvest"}
}

func TestKeysAndSecrets(t *testing.T) {
	w := newWorld(t)
	other, err := w.CreateList(w.ctx, list.List{Address: addr("other@x.org")})
	w.must(err)
	key := store.KeyRow{List: w.list, Fingerprint: "f1", PublicKey: "p1", Certificate: []byte("c"), PKCS8: []byte("k"), State: "active"}
	_, err = w.PutKey(w.ctx, key)
	w.must(err)
	if _, err := w.PutKey(w.ctx, key); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same certificate twice: %v", err)
	}
	key.List, key.Fingerprint = other, "f2"
	if _, err := w.PutKey(w.ctx, key); !errors.Is(err, store.ErrKeyTaken) {
		t.Errorf("another list's key pair (invariant 10): %v", err)
	}
	key.List = w.list
	w.clock.add(1)
	_, err = w.PutKey(w.ctx, key) // the same pair with a renewed certificate
	w.must(err)
	rows, err := w.Keys(w.ctx, w.list)
	if err != nil || len(rows) != 2 || rows[0].Fingerprint != "f2" || string(rows[1].PKCS8) != "k" {
		t.Errorf("%+v, %v", rows, err)
	}
	if rows, err := w.Keys(w.ctx, 0); err != nil || len(rows) != 0 {
		t.Errorf("keys of no list: %+v, %v", rows, err)
	}
	if l, err := w.ListByID(w.ctx, w.list); err != nil || !l.HasKey {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := w.PutKey(w.ctx, store.KeyRow{List: 77, Fingerprint: "f3", PublicKey: "p3", Certificate: []byte("c"), PKCS8: []byte("k")}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key of no list: %v", err)
	}

	if _, err := w.Secret(w.ctx, "hmac"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	w.must(w.PutSecretOnce(w.ctx, "hmac", []byte("first")))
	if err := w.PutSecretOnce(w.ctx, "hmac", []byte("second")); !errors.Is(err, store.ErrExists) {
		t.Error(err)
	}
	if value, err := w.Secret(w.ctx, "hmac"); err != nil || string(value) != "first" {
		t.Errorf("%q, %v", value, err)
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	c := certificate("Anna@example.org", "der")
	c.MessageID, c.Seen = "<2@x>", w.clock.now()
	if added, err := w.PutCertificate(w.ctx, c); !added || err != nil {
		t.Fatal(added, err)
	}
	// Older mail changes nothing, newer mail what it says.
	older := c
	older.MessageID, older.Seen = "<1@x>", c.Seen.Add(-1e9)
	if added, err := w.PutCertificate(w.ctx, older); added || err != nil {
		t.Fatal(added, err)
	}
	if all, err := w.Certificates(w.ctx, store.CertificateFilter{}); err != nil || len(all) != 1 || all[0].MessageID != "<2@x>" {
		t.Errorf("older mail displaced newer: %+v, %v", all, err)
	}
	newer := c
	newer.Address, newer.MessageID, newer.Seen = addr("anna@example.org"), "<3@x>", c.Seen.Add(1e9)
	if added, err := w.PutCertificate(w.ctx, newer); added || err != nil {
		t.Fatal(added, err)
	}
	all, err := w.Certificates(w.ctx, store.CertificateFilter{Addresses: []list.Address{addr("ANNA@example.org")}, Source: "harvest"})
	w.must(err)
	if len(all) != 1 || all[0].MessageID != "<3@x>" || !all[0].Seen.Equal(newer.Seen) || all[0].Address != c.Address || len(all[0].Fingerprint) != 64 {
		t.Errorf("%+v", all)
	}
	if _, err := w.PutCertificate(w.ctx, store.Certificate{Address: addr("x@y.z")}); err == nil {
		t.Error("a certificate without octets was taken")
	}
}

func TestAuditAndNodes(t *testing.T) {
	w := newWorld(t)
	w.must(w.Audit(w.ctx, store.AuditEntry{Actor: "listmaster (user root)", Action: "member.add", List: w.list, Object: "anna@example.org", Detail: map[string]string{"role": "owner"}}))
	entries, err := w.AuditEntries(w.ctx, store.AuditFilter{List: w.list})
	if err != nil || len(entries) != 1 || entries[0].Detail["role"] != "owner" || !entries[0].At.Equal(w.clock.now()) {
		t.Errorf("%+v, %v", entries, err)
	}
	w.must(w.Beat(w.ctx, store.NodeRow{Name: "n1", PID: 1, Status: []byte(`{"a":1}`)}))
	w.clock.add(5e9)
	w.must(w.Beat(w.ctx, store.NodeRow{Name: "n1", PID: 2}))
	nodes, err := w.Nodes(w.ctx)
	if err != nil || len(nodes) != 1 || nodes[0].PID != 2 || !nodes[0].Beat.Equal(w.clock.now()) || nodes[0].Status != nil {
		t.Errorf("%+v, %v", nodes, err)
	}
}

// A domain has one robot, which is no list.
func TestRobots(t *testing.T) {
	w := newWorld(t)
	before, err := w.Lists(w.ctx)
	w.must(err)
	first, err := w.EnsureRobot(w.ctx, addr("sealist@lists.example.org"))
	w.must(err)
	again, err := w.EnsureRobot(w.ctx, addr("sympa@LISTS.example.org"))
	w.must(err)
	if !first.Robot || again.ID != first.ID || again.Address.Local() != "sympa" {
		t.Errorf("%+v, then %+v", first, again)
	}
	if all, err := w.Lists(w.ctx); err != nil || len(all) != len(before) {
		t.Errorf("%d lists, %v", len(all), err)
	}
	if _, err := w.List(w.ctx, addr("sealist@lists.example.org")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("its old address: %v", err)
	}
	if _, err := w.EnsureRobot(w.ctx, addr("news@lists.example.org")); err != nil && !errors.Is(err, store.ErrExists) {
		t.Errorf("%v", err)
	}
}
