package listd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// How servers that share a database watch each other.
const (
	beatEvery  = 5 * time.Second // the server's row is written
	silentNode = 3 * beatEvery   // after which a server that wrote none is looked for
)

// node is this server among those that share its database.
func (s *Sealist) node() string {
	if s.Config.Node != "" {
		return s.Config.Node
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

// takePart makes this process a server of the database, and takes up what
// earlier ones of its name left.
func (s *Sealist) takePart(ctx context.Context) error {
	if err := s.Store.LockServer(ctx, s.node()); err != nil {
		return err
	}
	if err := errors.Join(s.Store.TakeUp(ctx, s.node()), s.Store.RetryPostponed(ctx)); err != nil {
		return fmt.Errorf("taking up what an earlier run left: %w", err)
	}
	return s.neighbours(ctx)
}

// leaseName names this run in leases; the part before the slash is the server,
// whose leases another one takes over when it has died.
func (s *Sealist) leaseName() string { return s.node() + "/" + rand.Text() }

// status is what only this process knows, for listmaster and the other servers.
type status struct {
	Locked  string `json:"locked,omitempty"`  // why the keyring is locked
	Standby bool   `json:"standby,omitempty"` // it takes mail in, and leaves the rest to others
}

// beat writes this server's row, holds its lock, and looks after the others
// until ctx ends. lost hears that another server has taken its name.
func (s *Sealist) beat(ctx context.Context, lost func(error)) {
	row := store.NodeRow{Name: s.node(), Host: s.hostname(), PID: os.Getpid(), Version: Version, Started: s.started}
	write := func() {
		err := s.Store.HoldServer(ctx)
		if errors.Is(err, store.ErrServerRunning) {
			lost(err)
			return
		}
		if err == nil {
			err = s.neighbours(ctx)
		}
		if err == nil {
			st := status{Standby: s.standby.Load()}
			if err := s.Keyring.Current(ctx); err != nil {
				st.Locked = err.Error()
			}
			row.Status, _ = json.Marshal(st)
			err = s.Store.Beat(ctx, row)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("cannot write this server's row, trying again", "err", err)
		}
	}
	write()
	tick(ctx, beatEvery, write)
}

// neighbours takes over what dead servers had leased, and stands by where this
// server's keyring is locked and another's is not.
func (s *Sealist) neighbours(ctx context.Context) error {
	if !s.Store.Shared() {
		return nil
	}
	rows, err := s.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	open := false // another server that can open what this one cannot
	for _, row := range rows {
		if row.Name == s.node() {
			continue
		}
		if ahead := row.Beat.Sub(s.o.Clock()); ahead > silentNode {
			s.log.Warn("another server's clock is ahead of this one's: copies may leave twice", "node", row.Name, "ahead", ahead.Round(time.Second))
		}
		if s.o.Clock().Sub(row.Beat) < silentNode {
			var st status
			open = open || json.Unmarshal(row.Status, &st) == nil && st.Locked == ""
			continue
		}
		dead, released, err := s.Store.TakeOver(ctx, row.Name)
		if err != nil {
			return err
		}
		if dead && released > 0 {
			s.log.Warn("a server ended in the middle of its work: others take that up", "node", row.Name, "silent_since", row.Beat, "rows", released)
		}
	}
	standby := open && s.Keyring.Locked() != nil
	if s.standby.Swap(standby) != standby {
		if standby {
			s.log.Error("this server takes mail in and leaves it to the others: its keyring is locked", "reason", s.Keyring.Locked())
		} else {
			s.log.Info("this server works on mail again")
		}
	}
	return nil
}
