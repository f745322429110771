package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// NodeRow is what a running server tells listmaster about itself.
type NodeRow struct {
	Name    string          `json:"name"`
	Host    string          `json:"host"`
	PID     int             `json:"pid"`
	Version string          `json:"version"`
	Started time.Time       `json:"started"`
	Beat    time.Time       `json:"beat"`             // when it wrote this
	Status  json.RawMessage `json:"status,omitempty"` // what only the process knows: directories, connections
}

// Beat writes a server's row; Beat is set to now.
func (s *Store) Beat(ctx context.Context, n NodeRow) error {
	return s.writeBeside(ctx, "beat of node "+n.Name, func(_ *sql.Tx, h handle) error {
		_, err := h.exec(ctx, `INSERT INTO node (name, host, pid, version, started, beat, status) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (name) DO UPDATE SET host = excluded.host, pid = excluded.pid, version = excluded.version,
			started = excluded.started, beat = excluded.beat, status = excluded.status`,
			n.Name, n.Host, n.PID, n.Version, micros(n.Started), s.now(), string(n.Status))
		return err
	})
}

// Nodes returns the rows of all servers that ever wrote one.
func (s *Store) Nodes(ctx context.Context) ([]NodeRow, error) {
	rows, err := s.read().query(ctx, `SELECT name, host, pid, version, started, beat, status FROM node ORDER BY name`)
	all, err := collect(rows, err, func(row scanner) (n NodeRow, err error) {
		var started, beat int64
		var status string
		err = row.Scan(&n.Name, &n.Host, &n.PID, &n.Version, &started, &beat, &status)
		n.Started, n.Beat = fromMicros(started), fromMicros(beat)
		if status != "" {
			n.Status = json.RawMessage(status)
		}
		return n, err
	})
	return all, s.wrap("nodes", err)
}

// A server leases under the name of one of its runs: its own, "/", and what
// tells the run from others.
const runOf = "/"

// TakeUp frees what earlier runs of this server have leased and will not bring
// to an end. Only the server itself may call it, at its start, after LockServer.
// An SQLite file has no other: whatever is leased there belongs to its past.
func (s *Store) TakeUp(ctx context.Context, node string) error {
	return s.write(ctx, "take up what was left", func(h handle) error {
		if !s.Shared() {
			if err := releaseTasks(ctx, h, node); err != nil { // not those that listmaster runs beside a server
				return err
			}
			_, err := release(ctx, h, s.now(), `owner <> ''`)
			return err
		}
		_, err := releaseNode(ctx, h, s.now(), node)
		return err
	})
}

// TakeOver frees what a server has leased whose process has ended, and returns
// how many rows that were. Of one that runs it takes nothing, however long it
// has not written its row: its lock says so.
func (s *Store) TakeOver(ctx context.Context, node string) (dead bool, released int64, err error) {
	if !s.Shared() {
		return false, 0, nil
	}
	err = s.write(ctx, "take over from node "+node, func(h handle) error {
		dead, released = false, 0
		if err := h.row(ctx, `SELECT pg_try_advisory_xact_lock(?)`, lockNumber("node/"+node)).Scan(&dead); err != nil || !dead {
			return err
		}
		released, err = releaseNode(ctx, h, s.now(), node)
		return err
	})
	return dead, released, err
}

// runsOf is between what the names of a server's runs lie.
func runsOf(node string) (from, to string) { return node + runOf, node + string(rune(runOf[0]+1)) }

func releaseTasks(ctx context.Context, h handle, node string) error {
	from, to := runsOf(node)
	_, err := h.exec(ctx, `UPDATE task SET owner = '', until = 0 WHERE owner >= ? AND owner < ?`, from, to)
	return err
}

func releaseNode(ctx context.Context, h handle, now int64, node string) (int64, error) {
	if err := releaseTasks(ctx, h, node); err != nil {
		return 0, err
	}
	from, to := runsOf(node)
	return release(ctx, h, now, `owner >= ? AND owner < ?`, from, to)
}
