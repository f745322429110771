package admin

import (
	"context"
	"encoding/json"
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
