package ui

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// size writes bytes as people read them: 118.4 GiB.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		v /= 1024
		if v < 1024 || unit == "TiB" {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	return ""
}

// count writes a number with its thousands apart: 41 288.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// took writes a span of time in two units at most: 340ms, 2m11s, 3h04m, 2d03h.
func took(d time.Duration) string {
	if 0 < d && d < time.Second {
		return fmt.Sprintf("%dms", max(1, d.Milliseconds()))
	}
	d = d.Round(time.Second)
	switch {
	case d < 0:
		return "-" + took(-max(d, -math.MaxInt64)) // the least span has no opposite
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// tMinus counts down to a time as rockets do: T-02:14:33, T-3d04h, T+00:10:00.
func tMinus(d time.Duration) string {
	sign := "-"
	if d < 0 {
		sign, d = "+", -d
	}
	d = d.Truncate(time.Second)
	if d >= 100*time.Hour {
		return "T" + sign + took(d)
	}
	return fmt.Sprintf("T%s%02d:%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// plural writes a count of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(int64(n)) + " " + many
}

// clock writes a time of today by its hour, another with its date; UTC, as the
// ids of snapshots are.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// minute writes a time to come without its seconds, which nobody can foretell.
func minute(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("Jan 2 15:04")
}

// short cuts the year and the seconds off a snapshot's id, where room is scarce.
func short(id string) string {
	if len(id) != len("20060102T150405Z") {
		return id
	}
	return id[4:13]
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// age writes how long ago something was, in one unit.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "future"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
