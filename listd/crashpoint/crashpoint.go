// Package crashpoint names the moments at which tests kill the server.
//
// In an ordinary build At does nothing and costs nothing. Built with the tag
// "crashpoint", a process whose environment holds SEALIST_CRASH=NAME or
// SEALIST_CRASH=NAME:N kills itself with SIGKILL when it reaches the point
// NAME for the N-th time (N counts from 1, the default). No error path, no
// deferred function and no flush runs: what survives is what was committed.
package crashpoint

// Point is one named moment in a post's life.
type Point string

// The points, in the order in which a post meets them.
const (
	AcceptBeforeCommit   Point = "accept.before-commit"   // DATA is complete, nothing is written
	AcceptAfterCommit    Point = "accept.after-commit"    // written, the 250 not yet sent
	DistributeDecrypted  Point = "distribute.decrypted"   // opened in memory, nothing decided
	DistributeDecided    Point = "distribute.decided"     // the decision is committed
	DistributeExpanded   Point = "distribute.expanded"    // a chunk of delivery rows is committed
	QueueClaimed         Point = "queue.claimed"          // a batch is leased, nothing sent
	RelayInData          Point = "relay.in-data"          // the head of a copy is written, its end is not
	RelayReplied         Point = "relay.replied"          // the next hop took a copy, the result is in memory only
	QueueResultCommitted Point = "queue.result-committed" // results are committed
)

// Points lists every point, for tests that walk them.
func Points() []Point {
	return []Point{
		AcceptBeforeCommit, AcceptAfterCommit, DistributeDecrypted, DistributeDecided, DistributeExpanded,
		QueueClaimed, RelayInData, RelayReplied, QueueResultCommitted,
	}
}
