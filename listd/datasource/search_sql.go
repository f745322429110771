package datasource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

// inDatabase asks a database. The statement finds something if the first column
// of its first row is a number other than 0, as of SELECT count(*). Variables
// are bound, never written into it.
func inDatabase(ctx context.Context, f SearchFile, what SearchFor) (bool, error) {
	set, err := readSettings(f.Octets, "db_type", "db_name", "db_host", "db_port", "db_user", "db_passwd", "db_options", "db_env", "statement")
	if err != nil {
		return false, err
	}
	statement, err := set.need("statement")
	if err != nil {
		return false, err
	}
	var bound []any
	statement, err = fill(statement, what.Variables, func(before, value string) (string, error) {
		if strings.Count(before, "'")%2 != 0 || strings.Count(before, `"`)%2 != 0 {
			return "", errorf("statement has a variable within quotes: it is bound, and needs none")
		}
		bound = append(bound, value)
		return "?", nil
	})
	if err != nil {
		return false, err
	}
	db, err := set.database()
	if err != nil {
		return false, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, statement, bound...)
	if err != nil {
		return false, failedSQL(err)
	}
	defer rows.Close()
	var first sql.NullString
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		return false, failedSQL(errors.Join(err, rows.Err()))
	}
	row := make([]any, len(columns))
	for i := range row {
		row[i] = new(sql.RawBytes)
	}
	row[0] = &first
	if err := rows.Scan(row...); err != nil {
		return false, failedSQL(err)
	}
	if !first.Valid {
		return false, nil
	}
	n, err := strconv.ParseFloat(first.String, 64)
	if err != nil {
		return false, errorf("statement answers with no number: write SELECT count(*)")
	}
	return n != 0, nil
}

// database opens the database, to be read only.
func (s settings) database() (*sql.DB, error) {
	kind, err := s.need("db_type")
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(kind, "sqlite") {
		return nil, errorf("db_type must be SQLite: this version asks no other database")
	}
	if !filepath.IsAbs(s["db_name"]) {
		return nil, errorf("db_name is no absolute path of a file")
	}
	u := url.URL{Scheme: "file", Path: s["db_name"], RawQuery: "mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(5000)"}
	return sql.Open("sqlite", u.String())
}

// failedSQL tells that a database failed, without the words in which it may
// repeat the statement.
func failedSQL(err error) error {
	var failed *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && failed.Code()&0xff == 1: // SQLITE_ERROR: the statement, or a table that is not there
		return errorf("statement cannot be carried out (SQLite error %d)", failed.Code())
	case errors.As(err, &failed):
		return fmt.Errorf("the database cannot be asked (SQLite error %d)", failed.Code())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return errors.New("the database cannot be asked")
}
