package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// Node is a server as the database knows it.
type Node struct {
	store.NodeRow
	State  string `json:"state"`            // working; standby: it takes mail in only; silent
	Locked string `json:"locked,omitempty"` // why its keyring is locked
}

// silent is how long a server that works goes without writing its row, at most.
const silent = 15 * time.Second

// Nodes returns the servers that ever worked on the database, by name.
func (a *Admin) Nodes(ctx context.Context) ([]Node, error) {
	rows, err := a.Store.Nodes(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	all := []Node{}
	for _, row := range rows {
		n := Node{NodeRow: row, State: "working"}
		var status struct {
			Locked  string `json:"locked"`
			Standby bool   `json:"standby"`
		}
		_ = json.Unmarshal(row.Status, &status) // of another version, it tells nothing
		n.Locked = status.Locked
		switch {
		case a.Clock().Sub(row.Beat) > silent:
			n.State = "silent"
		case status.Standby:
			n.State = "standby"
		}
		all = append(all, n)
	}
	return all, nil
}

// CopyStore copies the database into an empty one, and says how many rows each table had.
func (a *Admin) CopyStore(ctx context.Context, url string, o store.Options) ([]store.Copied, error) {
	to, err := store.Open(ctx, url, o)
	if err != nil {
		return nil, Explain(err)
	}
	defer to.Close()
	copied, err := a.Store.Copy(ctx, to)
	switch {
	case errors.Is(err, store.ErrServerRunning):
		return nil, &Error{Kind: Refused, What: err.Error(), Err: err, Hint: "stop the server first: what it takes in meanwhile would be missing in the copy"}
	case errors.Is(err, store.ErrNotEmpty):
		return nil, &Error{Kind: Refused, What: err.Error(), Err: err, Hint: "name a new database"}
	case err != nil:
		return nil, Explain(err)
	}
	return copied, to.Audit(ctx, store.AuditEntry{Actor: a.Actor, Action: "store copy"})
}
