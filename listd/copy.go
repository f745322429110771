package listd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/store"
)

// CopyStore copies the database into an empty one, in actor's name, and says how many rows each table had. No server may
// run on either.
func (s *Sealist) CopyStore(ctx context.Context, to config.Store, actor string) ([]store.Copied, error) {
	target, err := s.database(ctx, to)
	if err != nil {
		return nil, admin.Explain(err)
	}
	defer target.Close()
	copied, err := s.Store.Copy(ctx, target)
	if err != nil {
		return nil, notCopied(err)
	}
	return copied, target.Audit(ctx, store.AuditEntry{Actor: actor, Action: "store copy"})
}

// Backup writes what the database holds into a new file, in actor's name.
func (s *Sealist) Backup(ctx context.Context, path, actor string) ([]store.Copied, error) {
	copied, err := s.Store.Backup(ctx, path)
	if err != nil {
		return nil, admin.Explain(err)
	}
	return copied, s.Store.Audit(ctx, store.AuditEntry{Actor: actor, Action: "backup", Object: path})
}

// Restore fills the database that a configuration names, which is empty, from a backup, in actor's name. Nothing else of a
// Sealist is opened: that would write into the database.
func Restore(ctx context.Context, c *config.Config, path, actor string) ([]store.Copied, error) {
	s := &Sealist{Config: c, o: Options{Clock: time.Now}, log: slog.New(slog.DiscardHandler)}
	if err := s.openStore(ctx); err != nil {
		return nil, admin.Explain(err)
	}
	defer s.Store.Close()
	copied, err := s.Store.Restore(ctx, path)
	if err != nil {
		return nil, notCopied(err)
	}
	return copied, s.Store.Audit(ctx, store.AuditEntry{Actor: actor, Action: "restore", Object: path})
}

// MarkRestored marks a database that was restored by other means, in actor's name.
func (s *Sealist) MarkRestored(ctx context.Context, actor string) error {
	if err := s.Store.MarkRestored(ctx); err != nil {
		return admin.Explain(err)
	}
	return s.Store.Audit(ctx, store.AuditEntry{Actor: actor, Action: "restore", Object: "marked"})
}

func notCopied(err error) error {
	switch {
	case errors.Is(err, store.ErrServerRunning):
		return &admin.Error{Kind: admin.Refused, What: err.Error(), Err: err, Hint: "stop the server first: what it takes in meanwhile would be missing in the copy"}
	case errors.Is(err, store.ErrNotEmpty):
		return &admin.Error{Kind: admin.Refused, What: err.Error(), Err: err, Hint: "name a new database, or move the files of the old one away"}
	}
	return admin.Explain(err)
}

// Amounts says how much of what matters most was copied.
func Amounts(copied []store.Copied) string {
	var parts []string
	for _, c := range copied {
		if name := map[string]string{"list": "lists", "member": "members, owners and editors", "list_key": "keys", "item": "posts", "certificate": "certificates"}[c.Table]; name != "" {
			parts = append(parts, fmt.Sprintf("%d %s", c.Rows, name))
		}
	}
	return strings.Join(parts, ", ")
}
