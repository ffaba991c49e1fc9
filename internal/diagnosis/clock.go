package diagnosis

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// InMilliseconds tells a number of milliseconds since 1970, or of smaller units,
// from one of seconds: in seconds it would lie more than three thousand years
// ahead.
func InMilliseconds(timestamp int64) bool { return timestamp >= 1e11 }

// Clock is the finding about a delivery that says that it was signed at this
// time, if that alone has it refused.
func Clock(signed, received time.Time, tolerance time.Duration) (f Finding, refused bool) {
	if InMilliseconds(signed.Unix()) {
		return Finding{Code: TimestampFormat, Message: "the timestamp counts milliseconds, or less, since 1970: the sender must sign seconds"}, true
	}
	return staleness(received.Sub(signed), tolerance)
}

// checkClock notes when the delivery was signed, and whether that is too far
// from its reception.
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

// staleness is the finding about a delivery that was received at this age, if
// there is one.
func staleness(age, tolerance time.Duration) (f Finding, stale bool) {
	switch {
	case age > tolerance:
		return Finding{
			Code:    TimestampTooOld,
			Message: fmt.Sprintf("the timestamp is %s old, and %s are allowed: is the receiver's clock right, or was the delivery held up or recorded earlier?", inWords(age), inWords(tolerance)),
		}, true
	case age < -tolerance:
		return Finding{
			Code:    TimestampTooNew,
			Message: fmt.Sprintf("the timestamp is %s ahead of the receiver's clock, and %s are allowed: one of the two clocks is wrong", inWords(-age), inWords(tolerance)),
		}, true
	}
	return Finding{}, false
}

// inWords is d to the second, such as 6m12s, 5m, 2h0m or 3 days 1h0m, and after
// a month to the day.
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == math.MaxInt64 || d == math.MinInt64: // where differences end; the smallest has no opposite
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
