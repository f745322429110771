package peer

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// OnPostgres names the environment variable with the URL of a PostgreSQL server whose user may make databases. With it,
// tests of what is to run on either database run there, else on an SQLite file.
const OnPostgres = "SEALIST_TEST_POSTGRES"

// Database returns the store.url of a database of the test's own, with nothing in it.
func Database(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv(OnPostgres)
	if server == "" {
		return "sqlite:" + filepath.Join(tb.TempDir(), "data", "sealist.db")
	}
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	name := "t" + strings.ToLower(rand.Text())
	administer(tb, server, "CREATE DATABASE "+name)
	tb.Cleanup(func() { administer(tb, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// OnFile skips a test about what only an SQLite file has where databases are PostgreSQL's.
func OnFile(tb testing.TB) {
	tb.Helper()
	if os.Getenv(OnPostgres) != "" {
		tb.Skip("about SQLite's file, and " + OnPostgres + " is set")
	}
}

func administer(tb testing.TB, server, statement string) {
	tb.Helper()
	db, err := sql.Open("pgx", server)
	if err == nil {
		_, err = db.Exec(statement)
		db.Close()
	}
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}
