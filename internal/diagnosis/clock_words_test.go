package diagnosis

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestStalenessIsWrittenInWords(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name           string
		age, tolerance time.Duration
		says           string
	}{
		{"minutes and seconds", 6*time.Minute + 12*time.Second, 5 * time.Minute, "is 6m12s old, and 5m are allowed"},
		{"hours", 47 * time.Hour, 5 * time.Minute, "is 47h0m old"},
		{"ahead", -10 * time.Minute, 5 * time.Minute, "is 10m ahead"},
		{"two days", 2 * day, 5 * time.Minute, "is 2 days old"},
		{"a little more than the days that are allowed", 2*day + 90*time.Second, 2 * day, "is 2 days 1m30s old, and 2 days are allowed"},
		{"hardly less than three days", 3*day - time.Millisecond, 5 * time.Minute, "is 3 days old"},
		{"years", 20778*day + 5*time.Hour, 5 * time.Minute, "is 20778 days old"},
		{"years ahead", -20778 * day, 5 * time.Minute, "is 20778 days ahead"},
		{"longer ago than a difference can be", math.MaxInt64, 5 * time.Minute, "is more than 292 years old"},
		{"further ahead than a difference can be", math.MinInt64, 5 * time.Minute, "is more than 292 years ahead"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, stale := staleness(tt.age, tt.tolerance)
			if !stale || !strings.Contains(f.Message, tt.says) {
				t.Errorf("got %q, which does not say %q", f.Message, tt.says)
			}
		})
	}
}
