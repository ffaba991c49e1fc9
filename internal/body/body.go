// Package body receives the body of a request: bounded in size and in time, in
// memory that is used again, and readable more than once.
package body

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// bufferSizes are the steps in which a body's memory grows. Each step is four
// times the one before. So a sender has to send a quarter of what it makes the
// server hold, whatever Content-Length claims.
var bufferSizes = [...]int{8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20}

// bufferPools holds buffers of the size of the same index.
var bufferPools [len(bufferSizes)]sync.Pool

// Body is what has arrived of a request's body. Its memory comes from a pool.
// Readers ask it for bytes and do not hold them: after a release they get an
// error, as readers of a finished net/http request do. This makes pooling safe
// behind reverse_proxy, whose transport may read on after the handlers have
// returned.
type Body struct {
	mu       sync.Mutex
	data     []byte
	pooled   bool
	released bool
}

// ErrTooLarge means that a body has more bytes than Read was to read.
var ErrTooLarge = errors.New("the body is too large")

// Read reads src to its end. contentLength is the announced length in bytes, or
// -1 if there is none. If src has more than limit bytes, Read stops soon after
// the limit and returns ErrTooLarge. It returns what it has read with every error,
// too.
func Read(src io.Reader, contentLength, limit int64) (*Body, error) {
	b := &Body{}
	b.grow(wanted(contentLength, limit))
	for {
		if len(b.data) == cap(b.data) {
			b.grow(wanted(contentLength, limit))
		}
		n, err := src.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if int64(len(b.data)) > limit {
			return b, ErrTooLarge
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// wanted returns the room for the whole body, as far as its length is known. One
// byte more shows whether the body ends there.
func wanted(contentLength, limit int64) int {
	if contentLength < 0 || contentLength > limit {
		return int(limit) + 1
	}
	return int(contentLength) + 1
}

// grow makes room for more: at most for the wanted total, and at most for four
// times what has arrived.
func (b *Body) grow(wanted int) {
	step := 0
	for step < len(bufferSizes)-1 && bufferSizes[step] <= len(b.data) {
		step++
	}
	old, wasPooled := b.data, b.pooled
	switch size := bufferSizes[step]; {
	case len(old) >= size: // beyond the largest step
		b.data, b.pooled = make([]byte, 0, min(wanted, 4*len(old))), false
	default:
		b.data, b.pooled = pooledBuffer(step), true
	}
	b.data = append(b.data, old...)
	if wasPooled {
		recycle(old)
	}
}

func pooledBuffer(step int) []byte {
	if buffer, ok := bufferPools[step].Get().(*[]byte); ok {
		return (*buffer)[:0]
	}
	return make([]byte, 0, bufferSizes[step])
}

func recycle(buffer []byte) {
	for step, size := range bufferSizes {
		if cap(buffer) == size {
			bufferPools[step].Put(&buffer)
			return
		}
	}
}

// ReleaseAfter gives the memory back when ctx is done, which is the request's
// own. Handlers that run after the guard, such as error routes and access logs,
// can still ask for a part of the payload until then.
func (b *Body) ReleaseAfter(ctx context.Context) {
	if b.pooled {
		context.AfterFunc(ctx, b.Release)
	}
}

// Release gives the memory back now.
func (b *Body) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pooled && !b.released {
		recycle(b.data)
	}
	b.data, b.released = nil, true
}

// Bytes returns the whole body. It must not be used where the body may have been
// released.
func (b *Body) Bytes() []byte { return b.data }

// View passes the whole body to f, which must not keep it. It reports false if
// the body has been released.
func (b *Body) View(f func(data []byte)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return false
	}
	f(b.data)
	return true
}

// Restore gives r a body that can be read again from its start, also by GetBody, so that
// net/http can take another connection if nothing was written on the first.
// The body has been read whole, so r has a known length now. Nothing remains of
// how it was sent: no chunks, no trailers and no expectation.
func (b *Body) Restore(r *http.Request) {
	r.Body = &reader{body: b}
	if !isRepeated(r) {
		r.GetBody = func() (io.ReadCloser, error) { return &reader{body: b}, nil }
	}
	length := len(b.data)
	if int64(length) != r.ContentLength {
		r.Header["Content-Length"] = []string{strconv.Itoa(length)}
	}
	r.ContentLength = int64(length)
	r.TransferEncoding = nil
	clear(r.Trailer) // which copies of the request share
	r.Trailer = nil
	delete(r.Header, "Trailer")
	delete(r.Header, "Expect")
	if length == 0 {
		r.Body, r.GetBody = http.NoBody, nil
	}
}

// isRepeated reports whether net/http would send r again by itself, if it could, after a
// backend got it and gave no answer. The backend may have handled it.
func isRepeated(r *http.Request) bool {
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// PutBack gives r the body that it would have if nothing had been read: what was
// read, and then the rest of the body or the error. The rest of a body that is too large
// may take the time that the server gives it.
func (b *Body) PutBack(w http.ResponseWriter, r *http.Request, readErr error) {
	var rest io.Reader = failedReader{readErr}
	if errors.Is(readErr, ErrTooLarge) {
		rest = r.Body
		setReadDeadline(w, r, serverDeadline(r))
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&reader{body: b}, rest), r.Body}
}

type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }

// reader reads a body from its start. It has no WriteTo on purpose, because that
// would hand out the memory itself.
type reader struct {
	body   *Body
	offset int
	closed bool
}

func (rd *reader) Read(p []byte) (n int, err error) {
	rd.body.mu.Lock()
	defer rd.body.mu.Unlock()
	switch {
	case rd.body.released || rd.closed:
		return 0, http.ErrBodyReadAfterClose
	case rd.offset == len(rd.body.data):
		return 0, io.EOF
	}
	n = copy(p, rd.body.data[rd.offset:])
	rd.offset += n
	return n, nil
}

func (rd *reader) Close() error {
	rd.body.mu.Lock()
	defer rd.body.mu.Unlock()
	rd.closed = true
	return nil
}

// SetDeadline bounds the time that the sender may take over its body. The
// server's own read_body holds where it is shorter. Only response writers of
// requests that this process made itself cannot set a deadline, and those bodies
// are there already.
func SetDeadline(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	deadline := time.Now().Add(timeout)
	if own := serverDeadline(r); !own.IsZero() && own.Before(deadline) {
		deadline = own
	}
	setReadDeadline(w, r, deadline)
}

// setReadDeadline sets the deadline of the connection or stream. Where Caddy limits how
// long a body may pause, its reader sets a deadline of its own before each read. So it
// must be told: w does not lead to the reader of the directive timeouts.
func setReadDeadline(w http.ResponseWriter, r *http.Request, deadline time.Time) {
	if reader, _ := caddyhttp.IdleTimeoutsFromContext(r.Context()); reader != nil {
		_ = reader.SetReadDeadline(deadline)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(deadline)
}

// serverDeadline returns the time that the server's read_body sets, or zero.
func serverDeadline(r *http.Request) time.Time {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.ReadTimeout <= 0 {
		return time.Time{}
	}
	start, ok := caddyhttp.GetVar(r.Context(), "start_time").(time.Time)
	if !ok {
		start = time.Now()
	}
	return start.Add(time.Duration(server.ReadTimeout))
}

// ClearDeadline ends what SetDeadline began. It must not be called after the
// deadline has passed: the connection would then wait for the rest of the body.
func ClearDeadline(w http.ResponseWriter, r *http.Request) {
	setReadDeadline(w, r, time.Time{})
}

// drainTime is how long the server waits for the body of a rejected request.
// net/http reads and drops a body that is on its way, so the sender sees the
// answer and can use the connection again. Closing the connection early can
// destroy the answer. A body that never comes delays the answer by this time;
// Caddy alone would wait for up to a minute.
const drainTime = 250 * time.Millisecond

// Withhold takes the body of a rejected request away, with all that says how it was
// sent. isRead says whether it has been read to its end.
//
// A handler in front can have its own copy of the request, as Caddy's tracing has. So
// the body itself is made unreadable, too. On HTTP/1 it is dropped as net/http would
// drop it before the answer. If that does not reach its end, the connection is closed.
//
// It returns true if a part of the body is kept where it cannot be reached. Then no error
// route may run.
func Withhold(w http.ResponseWriter, r *http.Request, isRead bool) (kept bool) {
	switch {
	case r.Body == nil:
	case isRead:
		_ = r.Body.Close()
	case r.ProtoMajor > 1:
		empty(w, r)
	case r.ContentLength != 0 && !drain(w, r):
		// What is left must not be read from a copy, nor taken for the next request.
		empty(w, r)
		w.Header().Set("Connection", "close")
	}
	r.Body = nil // so that asking for it costs nothing without a copy
	kept = isKept(r)
	clear(r.Trailer) // which copies of the request share
	r.Body, r.GetBody, r.ContentLength = http.NoBody, nil, 0
	r.TransferEncoding, r.Trailer = nil, nil
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect"} {
		delete(r.Header, name)
	}
	return kept
}

// isKept reports whether Caddy still has something of the body. If a handler in front
// works on a copy of the request, the placeholder {http.request.body} behind it puts the
// body into the first request. Error routes get that request. Only the placeholder leads
// to it.
func isKept(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	value, _ := repl.Get("http.request.body")
	text, _ := value.(string) // an error is no body
	return text != ""
}

// drain drops the body of a rejected request, and reports whether it came to its end. It
// does not read a body that waits for an invitation, because reading would invite it.
func drain(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Expect") != "" {
		return false
	}
	setReadDeadline(w, r, time.Now().Add(drainTime))
	_, err := io.CopyN(io.Discard, r.Body, maxDrain)
	return errors.Is(err, io.EOF)
}

// empty makes a body end for everybody who has it. Closing does that to what comes from
// the network. Reading does it to what a handler in front keeps in memory, which is what
// the placeholder {http.request.body} leaves behind and which nothing closes.
func empty(w http.ResponseWriter, r *http.Request) {
	setReadDeadline(w, r, time.Now()) // so that nothing is waited for
	_ = r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
}

// maxDrain is how much is dropped of a rejected body. A sender that sends more can lose
// the answer, because the connection is closed while its body is on its way.
const maxDrain = 2 << 20
