package inspector

import (
	"crypto/tls"
	"strings"
	"time"
	"unsafe"
)

// How much of a body is kept. A verified body of the default max_body is kept
// whole, so that it can be replayed; strangers get less room.
const (
	keptVerifiedBody = 1 << 20
	keptRejectedBody = 256 << 10
	keptAnswerBody   = 64 << 10
)

// Origin says where a delivery came from.
type Origin string

// The origins.
const (
	Received Origin = "received"
	Replayed Origin = "replay"
	Example  Origin = "example"
)

// rejected is the one outcome that the recorder has to know: what has it is
// kept apart from the rest.
const rejected = "rejected"

// Record is one delivery: what came in, what was decided, what went out. It is
// never changed once it is in a Recorder, so it can be read without a lock.
type Record struct {
	seq     uint64 // its place among all records, from 1
	version uint64 // of the recorder, when it came to be like this

	origin   Origin
	replayOf uint64

	endpoint         string // its name
	endpointIdentity string
	time             time.Time
	request          request
	verdict          Decision
	stages           stages
	answer           *answer // nil while the handlers behind are at work
}

// request is what came in, before anything has been changed about it.
type request struct {
	method, protocol, host, uri, remoteAddr string

	major, minor int
	arrival      arrival
	tls          *tls.ConnectionState // what is needed of it
	header       []field
	body         body
}

// Decision is what a guard has decided.
type Decision struct {
	Outcome, Reason string
	Verified        bool

	// MessageID and SignedAt are those of well-formed headers, and otherwise
	// zero.
	MessageID string
	SignedAt  time.Time

	// Type and Secret, the name of the secret that verified, and its
	// fingerprint are those of verified deliveries.
	Type, Secret string
	Fingerprint  [32]byte
}

// stages is how long after the arrival a stage ended, or 0 if it did not take
// place.
type stages struct {
	received, verified, forwarded, answered time.Duration
}

type answerState string

const (
	answered answerState = "answered"
	failed   answerState = "error"   // left to Caddy's error handling
	aborted  answerState = "aborted" // the connection was cut off
)

// answer is what went out.
type answer struct {
	state  answerState
	status int
	header []field
	body   body
	err    string // what was handed to handle_errors
}

// copyTLS keeps what routes can ask for. The original could also derive keys of
// its connection.
func copyTLS(state *tls.ConnectionState) *tls.ConnectionState {
	if state == nil {
		return nil
	}
	return &tls.ConnectionState{
		Version:            state.Version,
		HandshakeComplete:  state.HandshakeComplete,
		DidResume:          state.DidResume,
		CipherSuite:        state.CipherSuite,
		CurveID:            state.CurveID,
		NegotiatedProtocol: state.NegotiatedProtocol,
		ServerName:         serverName(state.ServerName),
		PeerCertificates:   state.PeerCertificates,
	}
}

// serverName returns a copy of the name that a client asked for, unless it is
// one that no host can have: a handshake takes up to 64 KB of it.
func serverName(name string) string {
	if len(name) > maxHostName {
		return ""
	}
	return strings.Clone(name)
}

const maxHostName = 255

// What the parts of a record take beside the texts in it, rounded up as the
// allocator does.
const (
	recordSize = 640
	answerSize = 112
	addrSize   = 80
	tlsSize    = 384 + maxHostName
	fieldSize  = int64(unsafe.Sizeof(field{}))
	slotSize   = 16 // in the queue, which may be half empty

	// What a certificate takes for each of its bytes, at most: one of many small
	// parts is mostly pointers to them.
	parsedCertificate = 16
)

// size is how much memory the record holds.
func (r *Record) size() int64 {
	size := recordSize + addrSize + slotSize + headerSize(r.request.header) + int64(cap(r.request.body.data))
	size += int64(len(r.request.method) + len(r.request.protocol) + len(r.request.host) + len(r.request.uri) + len(r.request.remoteAddr) + len(r.verdict.Type) + len(r.verdict.MessageID))
	if r.request.tls != nil {
		size += tlsSize
		for _, certificate := range r.request.tls.PeerCertificates {
			size += parsedCertificate * int64(len(certificate.Raw))
		}
	}
	if r.answer != nil {
		size += answerSize + int64(len(r.answer.err)) + headerSize(r.answer.header) + int64(cap(r.answer.body.data))
	}
	return size
}

// isRejected reports whether the record counts against the room of strangers.
func (r *Record) isRejected() bool { return r.verdict.Outcome == rejected }

// age is how old the signature was at the arrival.
func (r *Record) age() time.Duration {
	if r.verdict.SignedAt.IsZero() {
		return 0
	}
	return r.time.Sub(r.verdict.SignedAt)
}

// url is what the sender asked for.
func (r *Record) url() string {
	scheme := "http://"
	if r.request.tls != nil {
		scheme = "https://"
	}
	return scheme + r.request.host + r.request.uri
}
