package signature

import "time"

// parseTimestamp accepts one spelling for each second, so that the signed text
// is the same whether it is built from the header or from the number.
func parseTimestamp(s string) (seconds int64, ok bool) {
	if len(s) > maxTimestampDigits || s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		seconds = seconds*10 + int64(c-'0')
	}
	return seconds, true
}

// CheckFreshness returns an *Error with the reason TooOld or TooNew if the
// headers were signed more than tolerance before or after now. Svix's libraries
// allow five minutes.
func (h *Headers) CheckFreshness(now time.Time, tolerance time.Duration) error {
	switch age := now.Sub(h.Time); {
	case age > tolerance:
		return errTooOld
	case age < -tolerance:
		return errTooNew
	}
	return nil
}
