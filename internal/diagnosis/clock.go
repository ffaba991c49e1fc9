package diagnosis

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// InMilliseconds reports whether a timestamp is in milliseconds or smaller units. In
// seconds it would be more than three thousand years ahead.
func InMilliseconds(timestamp int64) bool { return timestamp >= 1e11 }

// Clock returns the finding about a delivery with this timestamp, and whether the
// guard refuses the delivery for its timestamp. tolerance is how far apart signed and
// received may be.
func Clock(signed, received time.Time, tolerance time.Duration) (f Finding, refused bool) {
	if InMilliseconds(signed.Unix()) {
		return Finding{Code: TimestampFormat, Message: "the timestamp is in milliseconds, or in smaller units, since 1970: the sender must sign seconds"}, true
	}
	return staleness(received.Sub(signed), tolerance)
}

// checkClock sets the result's time and age, and adds a finding if the guard refuses
// the timestamp.
func (r *Result) checkClock(h signature.Headers, d Delivery) {
	seconds, err := strconv.ParseInt(h.Timestamp, 10, 64)
	if err != nil {
		return
	}
	signed := time.Unix(seconds, 0)
	if !InMilliseconds(seconds) {
		r.Time, r.Age = signed, d.Received.Sub(signed)
	}
	if f, refused := Clock(signed, d.Received, d.Tolerance); refused {
		f.Proven = true
		if len(r.Findings) == 0 {
			f.Message += "; the signature itself is right"
		}
		r.Findings = append(r.Findings, f)
	}
}

func staleness(age, tolerance time.Duration) (f Finding, stale bool) {
	switch {
	case age > tolerance:
		return Finding{
			Code:    TimestampTooOld,
			Message: fmt.Sprintf("the timestamp is %s old, and %s are allowed: is the receiver's clock right, or was the delivery delayed or recorded earlier?", inWords(age), inWords(tolerance)),
		}, true
	case age < -tolerance:
		return Finding{
			Code:    TimestampTooNew,
			Message: fmt.Sprintf("the timestamp is %s ahead of the receiver's clock, and %s are allowed: one of the two clocks is wrong", inWords(-age), inWords(tolerance)),
		}, true
	}
	return Finding{}, false
}

// inWords returns d to the second, such as 6m12s, 5m, 2h0m or 3 days 1h0m. From 30
// days on it returns only the days.
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == math.MaxInt64 || d == math.MinInt64: // time.Sub returns these for all that is longer
		return "more than 292 years"
	case d < time.Minute:
		return d.String()
	}
	d = d.Round(time.Second)
	switch days := fmt.Sprintf("%d days", d/day); {
	case d >= 30*day || d >= 2*day && d%day == 0:
		return days
	case d >= 2*day:
		return days + " " + inWords(d%day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		return strings.TrimSuffix(text, "0s")
	}
	return text
}
