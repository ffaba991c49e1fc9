package signature

import (
	"strings"
	"time"
)

// Limits on what a sender may put into the headers. They leave ample room: an id
// of Svix has 31 characters, and a signature has 47. There is one signature for
// each secret in rotation.
const (
	maxIDLength         = 256
	maxTimestampDigits  = 18 // the most that always fit into an int64
	maxSignaturesLength = 4096
)

// HeaderSet has the names of the three headers, in the canonical form of the keys
// of an http.Header.
type HeaderSet struct {
	ID, Timestamp, Signature string

	id, timestamp, signature header
}

// Svix, and so Clerk, sends the svix-* headers. The Standard Webhooks
// specification has the webhook-* headers, with the same values.
var (
	SvixHeaders     = newHeaderSet("Svix")
	StandardHeaders = newHeaderSet("Webhook")
)

func newHeaderSet(prefix string) *HeaderSet {
	id, timestamp, signature := prefix+"-Id", prefix+"-Timestamp", prefix+"-Signature"
	return &HeaderSet{
		ID: id, Timestamp: timestamp, Signature: signature,
		id:        newHeader(id, "is longer than 256 characters, or has a full stop or a character other than visible ASCII"),
		timestamp: newHeader(timestamp, "is not a plain number of seconds since 1970"),
		signature: newHeader(signature, "is too long"),
	}
}

// header is one of the three headers, with the errors about it.
type header struct {
	name                         string
	missing, repeated, malformed *Error
}

func newHeader(name, malformed string) header {
	lower := strings.ToLower(name)
	return header{
		name:      name,
		missing:   &Error{MissingHeader, lower + " is missing or empty"},
		repeated:  &Error{MalformedHeader, lower + " is given more than once"},
		malformed: &Error{MalformedHeader, lower + " " + malformed},
	}
}

// Headers has the values of the three headers. They are not verified.
type Headers struct {
	// ID identifies the message ("msg_…"). It is the same in all attempts.
	ID string

	// Timestamp is when the sender signed this attempt, in seconds since 1970,
	// as it was sent. Time is the same time.
	Timestamp string
	Time      time.Time

	// Signatures is the list of signatures as it was sent.
	Signatures string

	// Set tells which headers had the values.
	Set *HeaderSet
}

// ParseHeaders reads the three headers from h, whose keys must be in canonical
// form. It reads the webhook-* headers only if there is no svix-* header at all,
// so that the two sets are never mixed. Any error is an *Error with the reason
// MissingHeader or MalformedHeader.
//
// An id must not have a full stop, because full stops separate the parts of the
// signed text. Otherwise the id "a.1" signed at 2 could pass for the id "a"
// signed at 1.
func ParseHeaders(h map[string][]string) (Headers, error) {
	set := SvixHeaders
	if !set.isIn(h) {
		set = StandardHeaders
		if !set.isIn(h) {
			return Headers{}, SvixHeaders.id.missing
		}
	}

	parsed := Headers{Set: set}
	var err *Error
	if parsed.ID, err = set.id.value(h); err != nil {
		return Headers{}, err
	}
	if parsed.Timestamp, err = set.timestamp.value(h); err != nil {
		return Headers{}, err
	}
	if parsed.Signatures, err = set.signature.value(h); err != nil {
		return Headers{}, err
	}

	if set.isNamedIn(h["Connection"]) {
		return Headers{}, errHopByHop
	}
	if !validID(parsed.ID) {
		return Headers{}, set.id.malformed
	}
	seconds, ok := parseTimestamp(parsed.Timestamp)
	if !ok {
		return Headers{}, set.timestamp.malformed
	}
	if len(parsed.Signatures) > maxSignaturesLength {
		return Headers{}, set.signature.malformed
	}
	parsed.Time = time.Unix(seconds, 0)
	return parsed, nil
}

// isIn reports whether h has one of the set's headers.
func (s *HeaderSet) isIn(h map[string][]string) bool {
	return len(h[s.ID]) > 0 || len(h[s.Timestamp]) > 0 || len(h[s.Signature]) > 0
}

// isNamedIn reports whether a Connection header names one of the set's headers.
// A proxy does not pass on the headers that are named there (RFC 9110, section
// 7.6.1).
func (s *HeaderSet) isNamedIn(connection []string) bool {
	for _, value := range connection {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.Trim(name, " \t")
			if strings.EqualFold(name, s.ID) || strings.EqualFold(name, s.Timestamp) || strings.EqualFold(name, s.Signature) {
				return true
			}
		}
	}
	return false
}

// value returns the header's only value.
func (hd *header) value(h map[string][]string) (string, *Error) {
	values := h[hd.name]
	switch {
	case len(values) > 1:
		return "", hd.repeated
	case len(values) == 0 || values[0] == "":
		return "", hd.missing
	}
	return values[0], nil
}

func validID(id string) bool {
	if len(id) > maxIDLength {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '.' {
			return false
		}
	}
	return true
}

// parseTimestamp accepts only one spelling of each number. So the signed text is
// the same whether a receiver builds it from the header or from the number.
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

// CheckFreshness returns an *Error with the reason TooOld or TooNew if the sender
// signed the headers more than tolerance before or after now. Svix's libraries
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

// nextSignature cuts the first "version,signature" off list. At the end of the
// list it returns an empty version. Spaces separate the entries. Commas do so
// too: a proxy writes them where it folds several header lines into one.
func nextSignature(list string) (version, sig, rest string) {
	for list != "" {
		end := separator(list)
		switch {
		case end == 0:
			list = list[1:]
		case end == len(list) || list[end] == ' ': // a version without a signature
			list = list[end:]
		default:
			version, list = list[:end], list[end+1:]
			end = separator(list)
			return version, list[:end], list[end:]
		}
	}
	return "", "", ""
}

// separator returns the index of the first space or comma, or the length of
// list if there is none.
func separator(list string) int {
	for i := range len(list) {
		if list[i] == ' ' || list[i] == ',' {
			return i
		}
	}
	return len(list)
}
