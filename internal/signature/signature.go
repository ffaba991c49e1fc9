// Package signature reads, checks and makes the signatures of webhook
// deliveries. It follows Svix and version 1.0.0 of the Standard Webhooks
// specification, which agree. Three headers sign the text
//
//	<id>.<timestamp>.<body>
//
// with HMAC-SHA256 (version "v1", secret whsec_…) or with Ed25519 (version
// "v1a", public key whpk_…).
//
// The package does not know Caddy or net/http. It takes headers and bytes.
package signature

// Reason is the rule that a delivery broke. The values are stable: metrics have
// them as labels, and placeholders have them as values.
type Reason string

// The reasons, in the order of the checks.
const (
	MissingHeader   Reason = "missing_header"
	MalformedHeader Reason = "malformed_header"
	TooOld          Reason = "timestamp_too_old"
	TooNew          Reason = "timestamp_too_new"
	Mismatch        Reason = "signature_mismatch"
)

// Error says why a delivery is not genuine.
type Error struct {
	Reason Reason
	Detail string // the fault, in words that have nothing that the sender chose
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

var (
	errHopByHop = &Error{MalformedHeader, "the Connection header names one of the three headers, so a proxy would remove it"}
	errTooOld   = &Error{TooOld, "the timestamp is older than the tolerance allows"}
	errTooNew   = &Error{TooNew, "the timestamp is further in the future than the tolerance allows"}
	errMismatch = &Error{Mismatch, "the signature does not match this id, timestamp and body with any configured secret"}
)
