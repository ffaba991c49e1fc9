package signature

// Reason says which rule a delivery broke. Its values are stable: they are
// labels of metrics and values of placeholders.
type Reason string

// The reasons for which a delivery is not genuine, in the order in which they
// are looked for.
const (
	MissingHeader   Reason = "missing_header"
	MalformedHeader Reason = "malformed_header"
	TooOld          Reason = "timestamp_too_old"
	TooNew          Reason = "timestamp_too_new"
	Mismatch        Reason = "signature_mismatch"
)

// Error is why a delivery is not genuine. All its values are made when the
// program starts, so that refusing a forgery allocates nothing.
type Error struct {
	Reason Reason
	detail string
}

// Error says what is wrong in words that hold nothing that the sender chose.
func (e *Error) Error() string { return e.detail }

var (
	errTooOld   = &Error{TooOld, "the timestamp is older than the tolerance allows"}
	errTooNew   = &Error{TooNew, "the timestamp is further in the future than the tolerance allows"}
	errMismatch = &Error{Mismatch, "no signature in the header was made with a configured secret over this id, timestamp and body"}
)
