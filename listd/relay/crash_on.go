//go:build crashpoint

package relay

// splitInData makes the head of a message leave in a write of its own, so that
// a crash point can lie behind it.
const splitInData = true
