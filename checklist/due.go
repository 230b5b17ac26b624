package checklist

import (
	"fmt"
	"time"
)

// ParseDue reads when a release is due, as people write it: 2006-01-02T15:04Z,
// with any zone, or a day, which is its beginning in UTC.
func ParseDue(s string) (time.Time, error) {
	for _, form := range []string{"2006-01-02T15:04Z07:00", time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, s); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a time, write it as 2006-01-02T15:04Z", s)
}
