package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written with `d` for days (24 hours)
// besides Go's own units: "7d", "1d12h", "90s".
type Duration time.Duration

// ParseDuration reads "7d", "1d12h", "90s". A bare number other than 0 is an
// error, for nobody can tell its unit; so is a negative one.
func ParseDuration(s string) (Duration, error) {
	text := strings.TrimSpace(s)
	var days time.Duration
	if head, rest, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration: the number of days must be whole and at most 65535", s)
		}
		days, text = time.Duration(n)*24*time.Hour, rest
		if text == "" {
			return Duration(days), nil
		}
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration", s)
	case d < 0:
		return 0, errors.New("a duration cannot be negative")
	case days+d < 0:
		return 0, fmt.Errorf("%q is too long", s)
	}
	return Duration(days + d), nil
}

// Std returns the value as the standard library knows it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes whole days as `d` and leaves out units that are zero: "7d",
// "1h30m", "0s".
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest == 0 {
		return "0s"
	}
	var b strings.Builder
	if n := rest / (24 * time.Hour); n > 0 {
		fmt.Fprintf(&b, "%dd", n)
		rest -= n * 24 * time.Hour
	}
	if rest != 0 {
		s := rest.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		b.WriteString(s)
	}
	return b.String()
}

// MarshalText writes what String writes.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
