package inspector

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Exchange records one delivery while a guard handles it. A guard calls Begin,
// Verified when it knows whether the delivery is genuine, Forwarded when it
// hands it on, and End.
type Exchange struct {
	recorder *Recorder
	record   Record
	mark     *mark // if it is a replay or an example
	writer   *answerWriter
	timer    *bodyTimer
	kept     bool // by the recorder, waiting for the answer
	aborted  bool
}

// Begin notes what has come in for an endpoint. Instead of w the guard must use
// Writer, and it must not have read or changed r.
func (rc *Recorder) Begin(endpoint *Endpoint, w http.ResponseWriter, r *http.Request) *Exchange {
	x := &Exchange{recorder: rc, writer: newAnswerWriter(w), mark: markOf(r.Context())}
	x.record = Record{
		origin:           Received,
		endpoint:         endpoint.Name,
		endpointIdentity: endpoint.identity,
		time:             time.Now(),
		request:          newRequest(r),
	}
	if x.mark != nil {
		x.record.origin, x.record.replayOf = x.mark.origin, x.mark.of
	}
	if r.Body == nil || r.ContentLength == 0 {
		x.record.request.body.state = none
		return x
	}
	x.timer = &bodyTimer{ReadCloser: r.Body}
	r.Body = x.timer
	return x
}

// newRequest copies what is kept of r besides its body. What handlers in front
// have changed about the target is undone, since a replay passes them again.
func newRequest(r *http.Request) request {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok {
		original = *r
	}
	// Clones, since a server cuts these out of one text, the whole request line.
	return request{
		method:     strings.Clone(original.Method),
		protocol:   strings.Clone(r.Proto),
		major:      r.ProtoMajor,
		minor:      r.ProtoMinor,
		host:       strings.Clone(r.Host),
		uri:        strings.Clone(original.URL.RequestURI()), // without the host that some clients send with it
		remoteAddr: original.RemoteAddr,
		arrival:    arrivedAt(r.Context()),
		tls:        copyTLS(r.TLS),
		header:     copyHeader(r.Header),
		body:       body{state: unread},
	}
}

// Writer returns what the answer has to be written to.
func (x *Exchange) Writer() http.ResponseWriter { return x.writer }

// Verified notes that the signature has been checked, or that it need not be,
// and the body, unless isRead is false because it has not been received whole.
func (x *Exchange) Verified(v Verdict, body []byte, isRead bool) {
	x.record.stages.verified = x.elapsed()
	if x.timer != nil && !x.timer.ended.IsZero() {
		x.record.stages.received = x.timer.ended.Sub(x.record.time)
	}
	if !isRead {
		return
	}
	limit := keptRejectedBody
	if v.Verified {
		limit = keptVerifiedBody
	}
	x.record.request.body = newBody(body, limit)
}

// Forwarded makes the delivery visible before it is answered.
func (x *Exchange) Forwarded(v Verdict) {
	x.record.verdict = v
	x.record.stages.forwarded = x.elapsed()
	pending := x.record
	x.recorder.add(&pending)
	x.record.seq, x.kept = pending.seq, true
}

// Abort notes that a handler behind has panicked, which cuts the connection.
func (x *Exchange) Abort() { x.aborted = true }

// End notes the answer: what was written, or the error that is left to Caddy.
func (x *Exchange) End(v Verdict, err error) {
	x.record.stages.answered = x.elapsed()
	x.record.answer = x.writer.answer(err, x.aborted)
	x.record.verdict = v
	done := x.record
	if x.kept {
		x.recorder.replace(&done)
	} else {
		x.recorder.add(&done)
	}
	if x.mark != nil {
		x.mark.record.Store(&done)
	}
}

func (x *Exchange) elapsed() time.Duration { return max(1, time.Since(x.record.time)) }

// bodyTimer notes when the body had been read.
type bodyTimer struct {
	io.ReadCloser
	ended time.Time
}

func (t *bodyTimer) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil && t.ended.IsZero() {
		t.ended = time.Now()
	}
	return n, err
}
