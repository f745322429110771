//go:build !race

package entity_test

import "time"

// second is what a bomb may take.
const second = time.Second
