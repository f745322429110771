package admin_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/directory/files"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"

	"crypto/x509"
)

const board = "board@lists.example.org"

// world is a database with everything admin works on.
type world struct {
	*admin.Admin
	t     *testing.T
	store *store.Store
	ca    *smimetest.CA
	pems  string // the folder of PEM files
}

func newWorld(t *testing.T) *world { return newWorldWith(t, []byte("key password")) }

func newWorldWith(t *testing.T, password []byte) *world {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), peer.Database(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{t: t, store: s, ca: smimetest.NewCA("CA"), pems: filepath.Join(dir, "pems")}
	if err := os.Mkdir(w.pems, 0o700); err != nil {
		t.Fatal(err)
	}
	policy := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{w.ca.Certificate}})
	w.Admin = admin.New(admin.Parts{
		Store:    s,
		Keyring:  keyring.Open(t.Context(), s, password, keyring.Options{Iterations: 10}),
		Resolver: resolver.New([]resolver.Source{files.New("files", w.pems)}, policy, resolver.Options{}),
		Trust:    policy,
		Domains:  []string{"lists.example.org"},
		Actor:    "listmaster (user test)",
	})
	return w
}

// list makes a list.
func (w *world) list(address string) admin.ListDetails {
	w.t.Helper()
	l, _, err := w.CreateList(w.t.Context(), admin.NewList{Address: address})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// addresses of the members of a list.
func (w *world) addresses(address, role string) string {
	w.t.Helper()
	members, err := w.Members(w.t.Context(), address, role)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, m := range members {
		all = append(all, m.Address.String())
	}
	return strings.Join(all, " ")
}

// audited returns the actions of the audit log.
func (w *world) audited() string {
	w.t.Helper()
	entries, err := w.AuditEntries(w.t.Context(), admin.AuditFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Actor != "listmaster (user test)" {
			w.t.Errorf("acted: %q", e.Actor)
		}
		all = append(all, e.Action+" "+e.Object)
	}
	return strings.Join(all, "; ")
}

// wantError looks for an error of a kind that says something and what to do.
func wantError(t *testing.T, err error, kind admin.Kind, what string) {
	t.Helper()
	var e *admin.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.What, what) {
		t.Errorf("got %v (%+v), want %q of kind %d", err, e, what, kind)
	}
}

// keep puts a person's certificate into the database.
func (w *world) keep(id *smimetest.Identity) store.Certificate {
	w.t.Helper()
	c := store.Certificate{Address: list.MustParseAddress(id.Address), DER: id.Certificate.Raw, Source: "harvest", MessageID: "<x@example.org>", Seen: time.Now()}
	if _, err := w.store.PutCertificate(context.Background(), c); err != nil {
		w.t.Fatal(err)
	}
	return c
}
