package inspector

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Capture makes the recording of one delivery while a guard handles it. The guard
// calls Begin, then Forwarded if it hands the delivery on, and then End or Abort.
type Capture struct {
	recorder  *Recorder
	recording Recording
	dispatch  *dispatch // if it is a replay or an example
	writer    *answerWriter
	kept      bool // by the recorder, without the answer

	mu    sync.Mutex // listeners can answer after the end
	ended bool
}

// maxHeard bounds the listeners in a recording.
const maxHeard = 20

// Progress is what a guard knows about a delivery so far.
type Progress struct {
	Decision

	// Received is when the body had arrived or was given up, and Checked is when
	// the signature had been checked. Each is zero if the guard did not get there.
	Received, Checked time.Time

	// Body is the whole body, unless IsRead is false. It is copied.
	Body   []byte
	IsRead bool
}

// Begin notes what has come in for an endpoint. The guard must use Writer from
// then on instead of w. It must not have read or changed r before.
func (rc *Recorder) Begin(endpoint *Endpoint, w http.ResponseWriter, r *http.Request) *Capture {
	c := &Capture{recorder: rc, writer: newAnswerWriter(w), dispatch: dispatchOf(r.Context())}
	if c.dispatch != nil {
		c.dispatch.body.release(r)
	}
	c.recording = Recording{
		origin:           Received,
		endpoint:         endpoint.Name,
		endpointIdentity: endpoint.identity,
		time:             time.Now(),
		request:          newRequest(r),
	}
	if c.dispatch != nil {
		c.recording.origin, c.recording.replayOf = c.dispatch.origin, c.dispatch.of
	}
	if r.Body == nil || r.ContentLength == 0 {
		c.recording.request.body.state = none
	}
	return c
}

// newRequest copies what is kept of r besides its body. A replay passes the
// handlers in front of the guard again, so the target is what it was before them.
func newRequest(r *http.Request) request {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok {
		original = *r
	}
	clientIP, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	// The texts are cloned, because a server cuts them out of the whole request
	// line, which would be kept with them.
	return request{
		method:     strings.Clone(original.Method),
		protocol:   strings.Clone(r.Proto),
		major:      r.ProtoMajor,
		minor:      r.ProtoMinor,
		host:       strings.Clone(r.Host),
		uri:        targetURI(original.URL),
		remoteAddr: original.RemoteAddr,
		clientIP:   strings.Clone(clientIP),
		arrival:    arrivedAt(r.Context()),
		tls:        copyTLS(r.TLS),
		header:     copyHeader(r.Header),
		body:       body{state: unread},
	}
}

// Writer returns what the guard has to write the answer to.
func (c *Capture) Writer() http.ResponseWriter { return c.writer }

// Forwarded makes the delivery visible before it is answered.
func (c *Capture) Forwarded(p Progress) {
	c.note(p)
	c.recording.stages.forwarded = c.elapsed()
	pending := c.recording
	c.recorder.add(&pending)
	c.recording.seq, c.kept = pending.seq, true
}

// End notes the answer: what was written, or the error that is left to Caddy.
func (c *Capture) End(p Progress, err error) { c.end(p, err, false) }

// Abort notes that a handler has panicked, which cuts the connection.
func (c *Capture) Abort(p Progress) { c.end(p, nil, true) }

// Relayed notes what a listener made of the delivery. It can be called after End, too.
func (c *Capture) Relayed(h Heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.recording.listeners) == maxHeard {
		return
	}
	h.After = c.elapsed()
	c.recording.listeners = append(slices.Clip(c.recording.listeners), h) // others read the former slice
	if c.ended {
		again := c.recording
		c.recorder.replace(&again)
	}
}

func (c *Capture) end(p Progress, err error, isAborted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.note(p)
	c.recording.stages.answered = c.elapsed()
	c.recording.answer = c.writer.answer(err, isAborted)
	done := c.recording
	if c.kept {
		c.recorder.replace(&done)
	} else {
		c.recorder.add(&done)
		c.recording.seq = done.seq
	}
	if c.dispatch != nil {
		c.dispatch.recording.Store(&done)
	}
}

// note keeps the decision and, the first time, how it was reached.
func (c *Capture) note(p Progress) {
	c.recording.decision = p.Decision
	if c.recording.stages.verified != 0 {
		return
	}
	c.recording.stages.received = c.after(p.Received)
	if c.recording.stages.verified = c.after(p.Checked); c.recording.stages.verified == 0 {
		c.recording.stages.verified = c.elapsed()
	}
	if p.Verified {
		c.recording.request.header.setVerified(c.recording.headerSet())
	}
	if !p.IsRead {
		return
	}
	limit := keptRejectedBody
	if p.Verified {
		limit = keptVerifiedBody
	}
	c.recording.request.body = newBody(p.Body, limit)
	c.recording.subject = subjectOf(c.recording.request.body.data)
}

// after returns how long after the arrival something happened, or 0 if it did
// not.
func (c *Capture) after(at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(1, at.Sub(c.recording.time))
}

func (c *Capture) elapsed() time.Duration { return max(1, time.Since(c.recording.time)) }

// dispatch travels in the context of a request that the inspector sends. It brings
// back what a guard has recorded of that request.
type dispatch struct {
	origin    Origin
	of        uint64
	body      withheldBody
	recording atomic.Pointer[Recording]
}

type dispatchKey struct{}

func dispatchOf(ctx context.Context) *dispatch {
	d, _ := ctx.Value(dispatchKey{}).(*dispatch)
	return d
}

// IsReplay reports whether a request with this context is a replay of a recorded
// delivery.
func IsReplay(ctx context.Context) bool {
	d := dispatchOf(ctx)
	return d != nil && d.origin == Replayed
}

// targetURI returns a request target without the host that some clients send with it. It
// has no space, which HTTP/2 allows, but neither HTTP/1 nor curl.
func targetURI(u *url.URL) string {
	return strings.Clone(strings.ReplaceAll(u.RequestURI(), " ", "%20"))
}
