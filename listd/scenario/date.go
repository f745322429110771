package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// lessThan compares numbers as numbers and everything else as text.
func lessThan(a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil {
		return a < b
	}
	return x < y
}

var (
	withDuration = regexp.MustCompile(`^(.+?)([+-])([0-9a-z]+)$`)
	absolute     = regexp.MustCompile(`^(\d{4})y(?:(\d{1,2})m)?(?:(\d{1,2})d)?(?:(\d{1,2})h)?(?:(\d{1,2})min)?(?:(\d{1,2})sec)?$`)
	duration     = regexp.MustCompile(`^(?:(\d{1,3})y)?(?:(\d{1,4})m)?(?:(\d{1,4})w)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,8})min)?(?:(\d{1,10})sec)?$`)
	digits       = regexp.MustCompile(`^\d{1,18}$`)
)

var errDate = errors.New("no date: write 2026y3m1d, seconds since 1970, or execution_date, perhaps with +2w or -1y6m behind it")

// parseDate reads a date in Sympa's words, as seconds since 1970: an absolute
// one (in UTC), seconds, execution_date, or one of them with a duration added
// or taken away. A date of a message header is read, too.
func parseDate(s string, now time.Time) (int64, error) {
	s = strings.TrimSpace(s)
	if t, err := mail.ParseDate(s); err == nil {
		return t.Unix(), nil
	}
	if t, ok := pointInTime(s, now); ok {
		return t.Unix(), nil
	}
	m := withDuration.FindStringSubmatch(s)
	if m == nil {
		return 0, errDate
	}
	t, ok := pointInTime(m[1], now)
	d := duration.FindStringSubmatch(m[3])
	if !ok || d == nil {
		return 0, errDate
	}
	sign := 1
	if m[2] == "-" {
		sign = -1
	}
	n := numbers(d[1:])
	t = t.AddDate(sign*n[0], sign*n[1], sign*(7*n[2]+n[3]))
	return t.Unix() + int64(sign)*(int64(n[4])*3600+int64(n[5])*60+int64(n[6])), nil
}

func pointInTime(s string, now time.Time) (time.Time, bool) {
	switch {
	case s == "execution_date" || s == "current_date":
		return now.UTC(), true
	case digits.MatchString(s):
		n, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(n, 0).UTC(), err == nil
	}
	m := absolute.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, false
	}
	n := numbers(m[1:])
	month, day := time.Month(max(n[1], 1)), max(n[2], 1)
	t := time.Date(n[0], month, day, n[3], n[4], n[5], 0, time.UTC)
	real := t.Month() == month && t.Day() == day && t.Hour() == n[3] && t.Minute() == n[4] && t.Second() == n[5] // and no 30th of February
	return t, real
}

// numbers reads groups of digits; a missing one is 0.
func numbers(groups []string) []int {
	all := make([]int, len(groups))
	for i, g := range groups {
		all[i], _ = strconv.Atoi(g)
	}
	return all
}

func checkDates(args []argument) error {
	for _, a := range args {
		if a.variable != nil {
			continue
		}
		if _, err := parseDate(a.literal, time.Unix(0, 0)); err != nil {
			return fmt.Errorf("%s is %w", a, err)
		}
	}
	return nil
}

// dates compares two points in time.
func dates(holds func(a, b int64) bool) func(context.Context, evaluation, []argument) (bool, error) {
	return func(ctx context.Context, e evaluation, args []argument) (bool, error) {
		var at [2]int64
		for i, a := range args {
			text, err := a.first(ctx, e)
			if err != nil {
				return false, err
			}
			if at[i], err = parseDate(text, e.Now); err != nil {
				return false, permanent("%s is %w", a, err)
			}
		}
		return holds(at[0], at[1]), nil
	}
}
