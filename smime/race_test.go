//go:build race

package smime_test

import "time"

// second is what a bomb may take. The race detector makes everything several times slower.
const second = 10 * time.Second
