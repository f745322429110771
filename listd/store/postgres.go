package store

import (
	"context"
	"crypto/tls"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

var postgresDialect = &dialect{
	migrations: func() (fs.FS, error) { return fs.Sub(postgresMigrations, "migrations/postgres") },
	goose:      goose.DialectPostgres,
	rebind:     numberPlaceholders,
	clean:      cleanArgs,
	skipLocked: " FOR UPDATE SKIP LOCKED",
	forUpdate:  " FOR UPDATE",
	inIDs:      "IN (SELECT value::bigint FROM json_array_elements_text(?::text::json))",
	destroying: func(context.Context, handle) error { return nil },
	destroyed:  func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, `VACUUM list_key`) }, // else the old rows stay until autovacuum
	quiet:      func(ctx context.Context) context.Context { return ctx },
	alone: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lockNumber("write"))
		return err
	},
	// Serialization failure, deadlock, and a connection that was lost while nobody used it.
	again:    func(err error) bool { return hasState(err, "40001", "40P01") || pgconn.SafeToRetry(err) },
	complete: completeAtOnce,
	snapshot: sql.LevelRepeatableRead,
	lastNumber: func(ctx context.Context, h handle, table string) (last int64, err error) {
		return last, h.row(ctx, `SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence(?, 'id') AS regclass)), 0)`, table).Scan(&last)
	},
	setLastNumber: func(ctx context.Context, h handle, table string, last int64) error {
		_, err := h.exec(ctx, `SELECT setval(pg_get_serial_sequence(?, 'id'), greatest(CAST(? AS BIGINT), 1), CAST(? AS BIGINT) > 0)`, table, last, last)
		return err
	},
	explain: explainPostgres,
}

// numberPlaceholders turns each "?" into "$1", "$2" and so on. No query has a
// question mark in a string.
func numberPlaceholders(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// cleanArgs replaces what PostgreSQL does not take in a text: NUL and what is
// not UTF-8. Both come from outside, as in a Message-ID.
func cleanArgs(args []any) []any {
	for i, a := range args {
		switch v := reflect.ValueOf(a); v.Kind() {
		case reflect.String:
			args[i] = cleanText(v.String())
		case reflect.Bool:
			args[i] = boolean(v.Bool())
		}
	}
	return args
}

func cleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// lockNumber turns the name of one of our locks into PostgreSQL's number for it.
func lockNumber(name string) int64 {
	h := fnv.New64a()
	io.WriteString(h, "sealist/"+name)
	return int64(h.Sum64())
}

// How long a server that does not answer is waited for.
const (
	connectTimeout = 10 * time.Second
	silentTimeout  = 30 * time.Second
)

// openPostgres connects to a database and brings its schema up to date.
func (s *Store) openPostgres(ctx context.Context, url string, o Options) error {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrURL, withoutURL(err))
	}
	s.name = fmt.Sprintf("postgres://%s/%s", net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), c.Database)
	if host := unverified(c); host != "" && !o.Insecure {
		return fmt.Errorf("%w: what it says to %s goes over the network, and nothing proves who is there; write sslmode=verify-full into it (store.insecure allows it all the same)", ErrURL, host)
	}
	if o.Password != "" {
		c.Password = o.Password
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	c.DialFunc = dialer().DialContext
	for name, value := range map[string]string{
		"application_name":                    "sealist",
		"synchronous_commit":                  "on", // invariant 8, whatever the database's default is
		"default_transaction_isolation":       "read committed",
		"idle_in_transaction_session_timeout": "60000", // a node that hangs gives its locks back
		"tcp_keepalives_idle":                 "10",    // and the server notices as soon that a node is gone
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "4",
		"lock_timeout":                        strconv.Itoa(int(max(o.BusyTimeout, time.Second).Milliseconds())),
	} {
		c.RuntimeParams[name] = value
	}
	pool := func(conns int) *sql.DB {
		db := stdlib.OpenDB(*c)
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return db
	}
	// Two pools: whoever has a transaction may read beside it without waiting for himself.
	s.writer, s.reader, s.session = pool(8), pool(8), pool(1)
	if err := s.writer.PingContext(ctx); err != nil {
		return s.dialect.explain(err, "")
	}
	gate, err := holdLock(ctx, s, lockNumber("open"))
	if err != nil {
		return err
	}
	err = s.migrate(ctx, func(ctx context.Context) (serving, error) {
		return gate, gate.also(ctx, false, lockNumber("serving"))
	})
	return errors.Join(err, gate.release())
}

// unverified returns a host of c that is neither on this machine nor reached
// over TLS that proves its name; "" if there is none.
func unverified(c *pgx.ConnConfig) string {
	safe := func(host string, t *tls.Config) bool {
		ip := net.ParseIP(host)
		return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" || ip != nil && ip.IsLoopback() ||
			t != nil && !t.InsecureSkipVerify
	}
	if !safe(c.Host, c.TLSConfig) {
		return c.Host
	}
	for _, f := range c.Fallbacks {
		if !safe(f.Host, f.TLSConfig) {
			return f.Host
		}
	}
	return ""
}

// dialer notices within silentTimeout that a server is gone that took its
// leave from nobody.
func dialer() *net.Dialer {
	const tcpUserTimeout = 0x12 // Linux: how long sent octets may stay unconfirmed
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4},
		Control: func(network, _ string, raw syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			return raw.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silentTimeout.Milliseconds())) // without it only slower
			})
		},
	}
}

// withoutURL is pgx's error without the URL, in which a password may stand.
func withoutURL(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return text[i+3:]
	}
	return "it cannot be read"
}

// sessionLock is a connection that holds locks for as long as it lives.
type sessionLock struct {
	s     *Store
	conn  *sql.Conn
	locks []heldLock
}

type heldLock struct {
	shared bool
	number int64
}

// holdLock takes a lock on the store's session, waiting for it at most as long
// as for any lock.
func holdLock(ctx context.Context, s *Store, number int64) (*sessionLock, error) {
	l := &sessionLock{s: s}
	var err error
	if l.conn, err = s.session.Conn(ctx); err != nil {
		return nil, s.dialect.explain(err, "")
	}
	if _, err := l.conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, number); err != nil {
		return nil, errors.Join(s.dialect.explain(err, ""), l.conn.Close())
	}
	l.locks = append(l.locks, heldLock{number: number})
	return l, nil
}

// lockNode takes the locks of a server: a share of serving, which keeps the
// schema as it is, and its name.
func lockNode(ctx context.Context, s *Store, node string) (serving, error) {
	l := &sessionLock{s: s, locks: []heldLock{{true, lockNumber("serving")}, {false, lockNumber("node/" + node)}}}
	if err := l.hold(ctx); err != nil {
		if errors.Is(err, ErrServerRunning) {
			return nil, fmt.Errorf("%w under the name %q: give each a name of its own (node), or stop that one", ErrServerRunning, node)
		}
		return nil, err
	}
	return l, nil
}

// lockAll takes the lock of which every server has a share.
func lockAll(ctx context.Context, s *Store) (serving, error) {
	l := &sessionLock{s: s, locks: []heldLock{{number: lockNumber("serving")}}}
	return l, l.hold(ctx)
}

// also takes one more lock, or answers ErrServerRunning at once.
func (l *sessionLock) also(ctx context.Context, shared bool, number int64) error {
	if err := l.try(ctx, heldLock{shared, number}); err != nil {
		return err
	}
	l.locks = append(l.locks, heldLock{shared, number})
	return nil
}

func (l *sessionLock) try(ctx context.Context, h heldLock) error {
	query := `SELECT pg_try_advisory_lock($1)`
	if h.shared {
		query = `SELECT pg_try_advisory_lock_shared($1)`
	}
	var ok bool
	if err := l.conn.QueryRowContext(ctx, query, h.number).Scan(&ok); err != nil {
		return l.s.dialect.explain(err, "")
	}
	if !ok {
		return ErrServerRunning
	}
	return nil
}

// hold connects anew where the connection was lost, and takes every lock again.
func (l *sessionLock) hold(ctx context.Context) error {
	if l.conn != nil {
		if err := l.conn.PingContext(ctx); err == nil {
			return nil
		}
		l.conn.Close()
		l.conn = nil
	}
	conn, err := l.s.session.Conn(ctx)
	if err != nil {
		return l.s.dialect.explain(err, "")
	}
	l.conn = conn
	for _, h := range l.locks {
		if err := l.try(ctx, h); err != nil {
			l.release()
			return err
		}
	}
	return nil
}

// release gives every lock back. The connection goes with them: one that was
// kept for the pool would keep them, too.
func (l *sessionLock) release() error {
	if l.conn == nil {
		return nil
	}
	conn := l.conn
	l.conn = nil
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock_all()`); err != nil {
		conn.Raw(func(c any) error { return c.(*stdlib.Conn).Close() })
	}
	return ignoreGone(conn.Close())
}

// ignoreGone: what is closed already, or lost, needs no closing.
func ignoreGone(err error) error {
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// hasState reports whether PostgreSQL answered with one of these SQLSTATEs.
func hasState(err error, states ...string) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	for _, s := range states {
		if strings.HasPrefix(e.Code, s) {
			return true
		}
	}
	return false
}

// explainPostgres sorts by SQLSTATE (PostgreSQL manual, appendix A), and takes
// whatever is wrong with the connection for "unreachable".
func explainPostgres(err error, _ string) error {
	var network net.Error
	var connect *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case hasState(err, "23505"): // unique violation
		return fmt.Errorf("%w (%w)", ErrExists, err)
	case hasState(err, "23503"): // foreign key violation
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	case hasState(err, "53100"): // disk full
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case hasState(err, "25006"): // read only transaction: a standby, most likely
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case hasState(err, "40", "55P03", "53"): // conflict; lock not available; too many connections or out of memory
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	case hasState(err, "08", "57P", "25P03"): // connection, shutdown, idle in transaction
		return fmt.Errorf("%w (%w)", ErrUnreachable, err)
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), pgconn.SafeToRetry(err):
		return fmt.Errorf("%w (%w)", ErrUnreachable, err)
	}
	return err
}

// completeAtOnce writes all outcomes with one statement: one round trip.
func completeAtOnce(ctx context.Context, _ *Store, tx *sql.Tx, outcomes []Outcome, now int64) (map[int64]bool, error) {
	type row struct {
		ID          int64         `json:"id"`
		State       DeliveryState `json:"state"`
		Due         any           `json:"due"`
		Attempts    int           `json:"attempts"`
		Code        int           `json:"code"`
		Enhanced    string        `json:"enhanced"`
		Text        string        `json:"text"`
		Reason      string        `json:"reason"`
		Certificate string        `json:"certificate"`
		Cipher      string        `json:"cipher"`
		Owner       string        `json:"owner"`
		Counts      bool          `json:"counts"`
	}
	rows := make([]row, len(outcomes))
	for i, o := range outcomes {
		rows[i] = row{o.Delivery, o.State, o.due(), o.Attempts, o.Code, cleanText(o.Enhanced), cleanText(o.Text), cleanText(o.Reason), o.Certificate, o.Cipher, o.Owner, o.counts()}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	result, err := tx.QueryContext(ctx, `UPDATE delivery AS d SET state = o.state, due = o.due, owner = '', attempts = o.attempts, code = o.code,
		enhanced = o.enhanced, text = o.text, reason = o.reason, certificate = o.certificate, cipher = o.cipher, updated = $2
		FROM json_to_recordset($1::text::json) AS o(id bigint, state text, due bigint, attempts bigint, code bigint,
		enhanced text, text text, reason text, certificate text, cipher text, owner text, counts boolean)
		WHERE d.id = o.id AND d.due IS NOT NULL AND (o.counts OR d.owner = o.owner) RETURNING d.id`, string(text), now)
	ids, err := collect(result, err, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
	written := make(map[int64]bool, len(ids))
	for _, id := range ids {
		written[id] = true
	}
	return written, err
}
