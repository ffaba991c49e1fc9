package diagnosis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// inMilliseconds tells a number of milliseconds since 1970, or of smaller units,
// from one of seconds: in seconds it would lie more than three thousand years
// ahead.
func inMilliseconds(timestamp int64) bool { return timestamp >= 1e11 }

// Milliseconds is the finding about a timestamp that counts these.
func Milliseconds(timestamp int64) (f Finding, found bool) {
	return Finding{
		Code:    TimestampFormat,
		Message: "the timestamp counts milliseconds, or less, since 1970: the sender must sign seconds",
	}, inMilliseconds(timestamp)
}

// checkClock notes when the delivery was signed, and whether that is too far
// from its reception.
func (r *Result) checkClock(h signature.Headers, d Delivery) {
	seconds, err := strconv.ParseInt(h.Timestamp, 10, 64)
	if err != nil {
		return
	}
	if f, found := Milliseconds(seconds); found {
		f.Proven = true
		r.Findings = append(r.Findings, f)
		return
	}
	r.Time = time.Unix(seconds, 0)
	r.Age = d.Received.Sub(r.Time)
	if f, stale := staleness(r.Age, d.Tolerance); stale {
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

// inWords is d to the second, such as 6m12s, 5m or 2h0m.
func inWords(d time.Duration) string {
	if d < time.Minute {
		return d.String()
	}
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		return strings.TrimSuffix(text, "0s")
	}
	return text
}
