package signature

import (
	"strings"
	"time"
)

// Limits on what a sender may put into the headers. Svix's ids have 31
// characters and one signature has 47, one more for each secret that is being
// rotated, so there is ample room.
const (
	maxIDLength         = 256
	maxTimestampDigits  = 18 // the most that always fit into an int64
	maxSignaturesLength = 4096
)

// HeaderSet names the three headers of one dialect, in the canonical form of Go's
// http.Header keys.
type HeaderSet struct {
	ID, Timestamp, Signature string
}

// The two dialects. Svix, and so Clerk, sends the first. The second is that of the
// Standard Webhooks specification. Values and signatures are the same.
var (
	SvixHeaders     = &HeaderSet{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
	StandardHeaders = &HeaderSet{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}
)

func malformed(header, fault string) *Error {
	return &Error{MalformedHeader, strings.ToLower(header) + " " + fault}
}

// Headers is what the three headers of a delivery say. Nothing in it is
// verified.
type Headers struct {
	// ID identifies the message over all its attempts ("msg_…").
	ID string

	// Timestamp is when this attempt was signed, in seconds since 1970, as it
	// was sent; Time is the same, read.
	Timestamp string
	Time      time.Time

	// Signatures is the list of signatures, as it was sent.
	Signatures string

	// Set is the dialect in which the headers were sent.
	Set *HeaderSet
}

// ParseHeaders takes the three headers out of h, whose keys must be in
// canonical form. The svix-* dialect is expected as soon as one of its headers
// is there, so that an incomplete set is never completed with unrelated
// headers of the other dialect.
//
// The error, if any, is an *Error with the reason MissingHeader or
// MalformedHeader.
//
// An id may not contain a full stop, since that separates the parts of the
// signed text: "a.1" signed at 2 could otherwise be taken for "a" signed at 1.
func ParseHeaders(h map[string][]string) (Headers, error) {
	set := SvixHeaders
	id, timestamp, signatures := h[set.ID], h[set.Timestamp], h[set.Signature]
	if len(id) == 0 && len(timestamp) == 0 && len(signatures) == 0 {
		set = StandardHeaders
		id, timestamp, signatures = h[set.ID], h[set.Timestamp], h[set.Signature]
		if len(id) == 0 && len(timestamp) == 0 && len(signatures) == 0 {
			return Headers{}, missing(SvixHeaders.ID)
		}
	}

	parsed := Headers{Set: set}
	var err *Error
	if parsed.ID, err = single(id, set.ID); err != nil {
		return Headers{}, err
	}
	if parsed.Timestamp, err = single(timestamp, set.Timestamp); err != nil {
		return Headers{}, err
	}
	if parsed.Signatures, err = single(signatures, set.Signature); err != nil {
		return Headers{}, err
	}

	if set.namedIn(h["Connection"]) {
		return Headers{}, errHopByHop
	}
	if !validID(parsed.ID) {
		return Headers{}, malformed(set.ID, "is longer than 256 characters, or has a full stop or a character other than visible ASCII")
	}
	seconds, ok := parseTimestamp(parsed.Timestamp)
	if !ok {
		return Headers{}, malformed(set.Timestamp, "is not a plain number of seconds since 1970")
	}
	if len(parsed.Signatures) > maxSignaturesLength {
		return Headers{}, malformed(set.Signature, "is too long")
	}
	parsed.Time = time.Unix(seconds, 0)
	return parsed, nil
}

// RemoveLookalikes removes the headers that some backends read as one of the six, such as
// Svix~Id: lighttpd and some CGI servers read each character other than a letter or a
// digit as _. The six themselves stay.
func RemoveLookalikes(h map[string][]string) {
	for name := range h {
		if SvixHeaders.looksLike(name) || StandardHeaders.looksLike(name) {
			delete(h, name)
		}
	}
}

// looksLike reports whether a header is none of the set, and is one with its odd
// characters as dashes. It compares lengths first, because it runs for each header of a
// delivery.
func (s *HeaderSet) looksLike(name string) bool {
	switch len(name) {
	case len(s.ID), len(s.Timestamp), len(s.Signature):
		return strings.ContainsFunc(name, isOdd) && s.has(strings.Map(dashed, name))
	}
	return false
}

func dashed(c rune) rune {
	if isOdd(c) {
		return '-'
	}
	return c
}

// isOdd reports whether a character of a header's name is no letter, digit or dash.
func isOdd(c rune) bool {
	return c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// has reports whether a header is one of the set, in any case.
func (s *HeaderSet) has(name string) bool {
	return strings.EqualFold(name, s.ID) || strings.EqualFold(name, s.Timestamp) || strings.EqualFold(name, s.Signature)
}

// namedIn reports whether the values of a Connection header name one of the
// set's headers. A proxy reads these as headers between it and the sender, and
// does not pass them on.
func (s *HeaderSet) namedIn(connection []string) bool {
	for _, value := range connection {
		for name := range strings.SplitSeq(value, ",") {
			if s.has(strings.Trim(name, " \t")) {
				return true
			}
		}
	}
	return false
}

func single(values []string, header string) (string, *Error) {
	switch {
	case len(values) > 1:
		return "", malformed(header, "is given more than once")
	case len(values) == 0 || values[0] == "":
		return "", missing(header)
	}
	return values[0], nil
}

func missing(header string) *Error {
	return &Error{MissingHeader, strings.ToLower(header) + " is missing or empty"}
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

// nextSignature cuts the first "version,signature" off list. Entries are
// separated by spaces; a proxy that folds several header lines into one
// separates them by commas. It returns an empty version at the end of the
// list.
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
