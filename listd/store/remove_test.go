package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
)

// TestRemoveListLeavesNothing puts a row of the list into every table that has
// a column for it. A table that comes later is thought of, or is red here.
func TestRemoveListLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), "sqlite:test.db", Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ids := map[string]list.ID{}
	for _, name := range []string{"gone", "stays"} {
		if ids[name], err = s.CreateList(t.Context(), list.List{Address: list.MustParseAddress(name + "@lists.example.org")}); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "test.db")) // without foreign keys
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := tablesWithList(t, db)
	if len(tables) < 8 {
		t.Fatalf("only %v", tables)
	}
	for table, columns := range tables {
		for n, name := range []string{"gone", "stays"} {
			values := make([]string, len(columns))
			for i, c := range columns {
				switch {
				case c == "list":
					values[i] = ids[name].String()
				case table == "item" && c == "blob":
					values[i] = "NULL"
				default:
					values[i] = fmt.Sprintf("'%d'", 70+n)
				}
			}
			if _, err := db.Exec("INSERT INTO " + table + " (" + strings.Join(columns, ",") + ") VALUES (" + strings.Join(values, ",") + ")"); err != nil {
				t.Errorf("%s: %v", table, err)
			}
		}
	}
	if err := s.RemoveList(t.Context(), ids["gone"], AuditEntry{Actor: "x", Action: "list rm"}); err != nil {
		t.Fatal(err)
	}
	for table := range tables {
		for name, want := range map[string]int{"gone": 0, "stays": 1} {
			if table == "audit" && name == "gone" {
				want = 2 // the one before, and that it was removed
			}
			var n int
			if err := db.QueryRow("SELECT count(*) FROM "+table+" WHERE list = ?", ids[name]).Scan(&n); err != nil || n != want {
				t.Errorf("%s has %d rows of the list that %s, want %d; %v", table, n, name, want, err)
			}
		}
	}
}

// tablesWithList are the tables with a column named list, and the columns that a row needs.
func tablesWithList(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	rows, err := db.Query(`SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'
		AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) q WHERE q.name = 'list') AND (p."notnull" = 1 AND p.dflt_value IS NULL OR p.name IN ('list', 'blob') OR p.pk > 0)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		tables[table] = append(tables[table], column)
	}
	return tables
}
