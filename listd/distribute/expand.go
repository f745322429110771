package distribute

import (
	"context"
	"fmt"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/store"
)

// expand writes one delivery row a member, in committed chunks with a cursor,
// so that the first copies leave while a large list is still being expanded.
// It goes on where an earlier run stopped.
func (d *Distributor) expand(ctx context.Context, item store.Item) error {
	total := 0
	for {
		rows, done, err := d.Store.Expand(ctx, item.ID, expandChunk)
		if err != nil {
			return fmt.Errorf("expanding: %w", err)
		}
		total += rows
		crashpoint.At(crashpoint.DistributeExpanded)
		d.Parts.Wake()
		if done {
			d.log.Info("expanded", "spool_id", item.ID, "stage", "expand", "deliveries", total)
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
