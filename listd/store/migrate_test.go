package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

// A database of each version that there was comes up to date, and does what a new one does.
func TestEveryVersionComesUpToDate(t *testing.T) {
	versions, err := store.Versions(peer.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	var fresh []string
	for _, version := range slices.Backward(versions) { // the newest first: that is what the others must become
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			w := &world{t: t, ctx: t.Context(), clock: newClock(), url: peer.Database(t)}
			w.must(store.OpenAt(w.ctx, w.url, version))
			w.open()
			defer w.Close()
			columns, err := w.Columns(w.ctx)
			w.must(err)
			if fresh == nil {
				fresh = columns
			}
			if !slices.Equal(columns, fresh) {
				t.Errorf("%q, a new one has %q", columns, fresh)
			}
			l, item := w.posted("news", 3)
			if got := w.claim(10); got[l] != 3 {
				t.Errorf("%v", got)
			}
			w.item(item)
		})
	}
}

// Both databases have the same schema.
func TestOneSchema(t *testing.T) {
	w := newWorld(t)
	if w.path != "" {
		t.Skip("compares PostgreSQL's with SQLite's; " + peer.OnPostgres + " is not set")
	}
	file, err := store.Open(w.ctx, "sqlite:"+t.TempDir()+"/x.db", store.Options{})
	w.must(err)
	defer file.Close()
	ours, err := w.Columns(w.ctx)
	w.must(err)
	others, err := file.Columns(w.ctx)
	w.must(err)
	if !slices.Equal(ours, others) {
		t.Errorf("PostgreSQL has %q, SQLite %q", ours, others)
	}
}
