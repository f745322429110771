package queue

import "time"

// round is how long the workers should need for what one claim brings. What is
// claimed is nobody else's: with a slow next hop a claim must be small, so that
// other nodes and other lists get their turn; with a fast one it must be large,
// so that workers do not wait for the database.
const round = 250 * time.Millisecond

// pace is how many deliveries a claim asks for.
type pace struct{ n, least, most int }

// newPace begins with some for every worker.
func newPace(workers, batch int) pace {
	most := workers * batch
	return pace{n: min(most, 12*workers), least: workers, most: most}
}

// took learns from one claim: how many deliveries it brought, and how long it was
// until the workers had taken them all up.
func (p *pace) took(claimed int, d time.Duration) {
	switch {
	case d > round:
		p.n = max(p.least, p.n/2)
	case d < round/2 && claimed >= p.n:
		p.n = min(p.most, 2*p.n)
	}
}
