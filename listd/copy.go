package listd

import (
	"context"
	"errors"

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
	switch {
	case errors.Is(err, store.ErrServerRunning):
		return nil, &admin.Error{Kind: admin.Refused, What: err.Error(), Err: err, Hint: "stop the server first: what it takes in meanwhile would be missing in the copy"}
	case errors.Is(err, store.ErrNotEmpty):
		return nil, &admin.Error{Kind: admin.Refused, What: err.Error(), Err: err, Hint: "name a new database"}
	case err != nil:
		return nil, admin.Explain(err)
	}
	return copied, target.Audit(ctx, store.AuditEntry{Actor: actor, Action: "store copy"})
}
