//go:build race

package entity_test

import "time"

// second is what a bomb may take. The race detector makes everything several times slower.
const second = 10 * time.Second
