package inspector

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// How much of a body is kept. A verified body within the default max_body is kept
// whole, so that it can be replayed. Strangers get less room.
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

// The outcomes that matter here. Rejected recordings are kept apart.
const (
	rejected = "rejected"
	filtered = "filtered"
)

// Recording is one delivery: what came in, what was decided, what went out. It
// never changes after it is in a Recorder, so it can be read without a lock.
type Recording struct {
	seq     uint64 // its number, from 1
	version uint64 // of the recorder, at its last change

	origin   Origin
	replayOf uint64

	endpoint         string // its name
	endpointIdentity string
	time             time.Time
	request          request
	decision         Decision
	subject          subject // as the body says
	stages           stages
	answer           *answer // nil while the handlers behind are at work
	listeners        []Heard // what those made of it who listen at a relay
}

// Heard is what one listener made of a delivery.
type Heard struct {
	Who    string        `json:"who"`
	Status int           `json:"status"` // 0 if it gave no answer
	Error  string        `json:"error"`  // why it gave none
	After  time.Duration `json:"-"`      // the arrival of the delivery
}

type request struct {
	method, protocol, host, uri, remoteAddr string
	clientIP                                string // behind the trusted_proxies of Caddy

	major, minor int
	arrival      arrival
	tls          *tls.ConnectionState // what is needed of it
	header       fields
	body         body
}

// Decision is what a guard has decided.
type Decision struct {
	Outcome  string `json:"outcome"`
	Reason   string `json:"reason"`
	Verified bool   `json:"verified"`

	// Type, Secret and Fingerprint are set for verified deliveries. Secret is the
	// name of the secret that verified.
	Type        string   `json:"type"`
	Secret      string   `json:"secret"`
	Fingerprint [32]byte `json:"-"`

	// MessageID and SignedAt are those of well-formed headers. Otherwise they are
	// zero.
	MessageID string    `json:"message_id"`
	SignedAt  time.Time `json:"-"`
}

// stages is how long after the arrival each stage ended. It is 0 for a stage that
// was not reached.
type stages struct {
	received, verified, forwarded, answered time.Duration
}

type answerState string

const (
	answered answerState = "answered"
	failed   answerState = "error"   // left to Caddy's error handling
	aborted  answerState = "aborted" // the connection was cut off
)

type answer struct {
	state  answerState
	status int
	header fields
	body   body
	err    string // what was handed to handle_errors
}

// copyTLS keeps what routes can ask for. The original could derive keys of its
// connection, too.
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

// serverName returns a copy of the name that a client asked for. A name that is too
// long for a host is not kept, because a handshake takes up to 64 KB of it.
func serverName(name string) string {
	if len(name) > maxHostName {
		return ""
	}
	return strings.Clone(name)
}

const maxHostName = 255

// The memory of a recording's parts without its texts, rounded up as the allocator
// does.
const (
	recordingSize = 640
	answerSize    = 112
	addrSize      = 80
	tlsSize       = 384 + maxHostName
	fieldSize     = int64(unsafe.Sizeof(field{}))
	slotSize      = 16 // in the queue, which may be half empty

	// The most memory that a certificate takes for each of its bytes. One with many
	// small parts is mostly pointers to them.
	parsedCertificate = 16
)

func (r *Recording) size() int64 {
	size := recordingSize + addrSize + slotSize + r.request.header.size() + int64(cap(r.request.body.data))
	size += int64(len(r.request.method) + len(r.request.protocol) + len(r.request.host) + len(r.request.uri) + len(r.request.remoteAddr) + len(r.request.clientIP) + len(r.decision.Type) + len(r.decision.MessageID))
	size += int64(len(r.subject.Type) + len(r.subject.Text) + len(r.subject.ObjectID))
	if r.request.tls != nil {
		size += tlsSize
		for _, certificate := range r.request.tls.PeerCertificates {
			size += parsedCertificate * int64(len(certificate.Raw))
		}
	}
	if r.answer != nil {
		size += answerSize + int64(len(r.answer.err)) + r.answer.header.size() + int64(cap(r.answer.body.data))
	}
	return size
}

// subject says what a body is about. Unlike a decision, it does not say whether that
// is true.
type subject struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ObjectID string `json:"object_id"`
}

func subjectOf(body []byte) subject {
	text, id := event.About(body)
	return subject{Type: string(event.ClaimedType(body)), Text: text, ObjectID: id}
}

func (r *Recording) isRejected() bool { return r.decision.Outcome == rejected }

func (r *Recording) age() time.Duration {
	if r.decision.SignedAt.IsZero() {
		return 0
	}
	return r.time.Sub(r.decision.SignedAt)
}

// headerSet returns the headers with which r came: those of Svix, unless it has only
// those of Standard Webhooks.
func (r *Recording) headerSet() *signature.HeaderSet {
	if !r.request.header.has(signature.SvixHeaders.ID) && r.request.header.has(signature.StandardHeaders.ID) {
		return signature.StandardHeaders
	}
	return signature.SvixHeaders
}

// status is the status of the answer, or 0 if there is none yet.
func (r *Recording) status() int {
	if r.answer == nil {
		return 0
	}
	return r.answer.status
}

// isFailed reports whether the sender has not got a 2xx.
func (r *Recording) isFailed() bool {
	return r.answer != nil && (r.answer.status < 200 || r.answer.status > 299)
}

func (r *Recording) url() string {
	scheme := "http://"
	if r.request.tls != nil {
		scheme = "https://"
	}
	return scheme + r.request.host + r.request.uri
}

type bodyState string

const (
	whole  bodyState = "whole"
	cut    bodyState = "cut"
	none   bodyState = "none"
	unread bodyState = "unread"
)

type body struct {
	state bodyState
	data  []byte
	size  int64 // of all of it
}

// newBody copies at most limit bytes of data.
func newBody(data []byte, limit int) body {
	if len(data) == 0 {
		return body{state: none}
	}
	b := body{state: whole, size: int64(len(data))}
	if len(data) > limit {
		b.state, data = cut, data[:limit]
	}
	b.data = append([]byte(nil), data...) // its capacity is what was allocated
	return b
}

func (b body) isComplete() bool { return b.state == whole || b.state == none }

type bodyView struct {
	State  bodyState  `json:"state"`
	Size   int64      `json:"size"`
	Text   string     `json:"text"`
	Base64 []byte     `json:"base64"`
	JSON   syntaxView `json:"json"`
}

type syntaxView struct {
	Valid   bool   `json:"valid"`
	Message string `json:"message"`
	Offset  int    `json:"offset"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

func (b body) view() bodyView {
	v := bodyView{State: b.state, Size: b.size, Base64: []byte{}, JSON: syntaxOf(b.data)}
	if text := wholeRunes(b); utf8.Valid(text) {
		v.Text = string(text)
	} else {
		v.Base64 = b.data
	}
	return v
}

// wholeRunes returns the data without the first bytes of a character that was cut
// in two.
func wholeRunes(b body) []byte {
	if b.state != cut {
		return b.data
	}
	for end := len(b.data) - 1; end >= max(0, len(b.data)-utf8.UTFMax); end-- {
		if !utf8.RuneStart(b.data[end]) {
			continue
		}
		if !utf8.FullRune(b.data[end:]) {
			return b.data[:end]
		}
		break
	}
	return b.data
}

func syntaxOf(data []byte) syntaxView {
	var value json.RawMessage
	err := json.Unmarshal(data, &value)
	if err == nil {
		return syntaxView{Valid: true}
	}
	v := syntaxView{Message: err.Error(), Offset: len(data)}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Error() != unexpectedEnd {
		v.Offset = max(0, int(syntax.Offset)-1) // which counts the wrong byte too
	}
	before := data[:v.Offset]
	v.Line = 1 + bytes.Count(before, []byte("\n"))
	v.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return v
}

// unexpectedEnd is the error of encoding/json for a text that ends too early.
const unexpectedEnd = "unexpected end of JSON input"

type fields []field

// field is one line of a header.
type field struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Verified bool   `json:"verified"`
	Redacted bool   `json:"redacted"`
}

// copyHeader copies a header without the values of credentials. All strings share
// one allocation, so there is little memory besides the text itself.
func copyHeader(header http.Header) fields {
	count, length := 0, 0
	for name, values := range header {
		for _, value := range values {
			count++
			length += len(name)
			if !isCredential(name) {
				length += len(value)
			}
		}
	}
	all := slices.Grow(fields(nil), count)
	var text strings.Builder
	text.Grow(length)
	for name, values := range header {
		credential := isCredential(name)
		for _, value := range values {
			if credential {
				value = ""
			}
			start := text.Len()
			text.WriteString(name)
			text.WriteString(value)
			line := text.String()[start:]
			all = append(all, field{Name: line[:len(name)], Value: line[len(name):], Redacted: credential})
		}
	}
	return all
}

func isCredential(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Cookie", "Proxy-Authorization", "Set-Cookie":
		return true
	}
	return false
}

func (fs fields) setVerified(set *signature.HeaderSet) {
	for i, f := range fs {
		fs[i].Verified = f.Name == set.ID || f.Name == set.Timestamp || f.Name == set.Signature
	}
}

func (fs fields) index(name string) int {
	return slices.IndexFunc(fs, func(f field) bool { return strings.EqualFold(f.Name, name) })
}

func (fs fields) has(name string) bool { return fs.index(name) >= 0 }

// get returns the first value of a header, or "".
func (fs fields) get(name string) string {
	if i := fs.index(name); i >= 0 {
		return fs[i].Value
	}
	return ""
}

// http returns the header without the credentials.
func (fs fields) http() http.Header {
	header := make(http.Header)
	for _, f := range fs {
		if !f.Redacted {
			header[f.Name] = append(header[f.Name], f.Value)
		}
	}
	return header
}

// sorted returns a copy in the order of the names. It is not nil.
func (fs fields) sorted() fields {
	sorted := append(fields{}, fs...)
	slices.SortStableFunc(sorted, func(a, b field) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}

func (fs fields) size() int64 {
	size := int64(cap(fs)) * fieldSize
	for _, f := range fs {
		size += int64(len(f.Name) + len(f.Value))
	}
	return size + size/16 // what the allocator adds to the text
}
