package e2e

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sealist/sealist/listd/peer"
)

// copyKey is one member's copy of one post.
type copyKey struct{ id, member string } // Message-ID, address

// database is where an installation keeps its state.
type database struct {
	name string // sqlite or postgres
	url  string // store.url
	rows func(t *testing.T, query string) []string
}

// sqlite is a file in the data folder of a site.
func sqliteIn(site *installation) *database {
	return &database{"sqlite", "sqlite:sealist.db", func(t *testing.T, query string) []string {
		db, err := sql.Open("sqlite", site.path("data/sealist.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		rows, err := db.Query(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		var all []string
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			all = append(all, row)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}}
}

// postgresIn is a fresh database of a cluster.
func postgresIn(p *peer.Postgres, name string) *database {
	p.CreateDatabase(name)
	return &database{"postgres", p.URL(name), func(t *testing.T, query string) []string {
		out := p.Exec(name, query)
		if out == "" {
			return nil
		}
		return strings.Split(out, "\n")
	}}
}

// setting is the line of sealist.yaml.
func (d *database) setting() string { return fmt.Sprintf("store: { url: %q }", d.url) }

// relayed are the copies whose result is written: the next hop took them.
func (d *database) relayed(t *testing.T) map[copyKey]bool {
	t.Helper()
	all := map[copyKey]bool{}
	for _, row := range d.rows(t, `SELECT i.message_id || ' ' || d.address FROM delivery AS d JOIN item AS i ON i.id = d.item
		WHERE d.kind = 'copy' AND d.state = 'relayed'`) {
		id, member, _ := strings.Cut(row, " ")
		all[copyKey{id, member}] = true
	}
	return all
}

// waitDone waits until every post has its end, however long the lease of a dead node lasts.
func (d *database) waitDone(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) { // between two looks at the database
		open := d.rows(t, `SELECT id || ' is ' || state || ', ' || reason FROM item WHERE state <> 'done'`)
		if len(open) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for the end of %d posts:\n%s", len(open), strings.Join(open, "\n"))
		}
	}
}
