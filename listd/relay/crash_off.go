//go:build !crashpoint

package relay

// splitInData is false: a message leaves in one write.
const splitInData = false
