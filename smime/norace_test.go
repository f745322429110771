//go:build !race

package smime_test

import "time"

// second is what a bomb may take.
const second = time.Second
