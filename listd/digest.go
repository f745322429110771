package listd

import (
	"context"
	"fmt"
)

// gatherDigests makes digests where enough waits for one, or has waited long
// enough; and sends what waited for members who want none any more.
func (s *Sealist) gatherDigests(ctx context.Context) (string, error) {
	alone, err := s.Store.Ungather(ctx)
	if err != nil {
		return "", err
	}
	waiting, err := s.Store.Gatherings(ctx)
	if err != nil {
		return "", err
	}
	digests := 0
	for _, g := range waiting {
		l, err := s.Store.ListByID(ctx, g.List)
		if err != nil {
			return "", err
		}
		p := l.Policy
		if g.Posts < p.DigestPosts && g.Octets < int64(p.DigestOctets) && s.o.Clock().Sub(g.Oldest) < p.DigestEvery.Std() {
			continue
		}
		n, err := s.Store.Gather(ctx, g.List, p.DigestPosts)
		if err != nil {
			return "", err
		}
		digests += n
	}
	if digests+alone == 0 {
		return "", nil
	}
	return fmt.Sprintf("queued %d digests, and %d posts alone", digests, alone), nil
}
