package clerkwebhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// bufferSizes are the steps in which a body's memory grows. Each is four times
// the one before it, so a sender has to send a quarter of what it makes the
// server hold, whatever Content-Length claims.
var bufferSizes = [...]int{8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20}

// bufferPools holds buffers of the size of the same index.
var bufferPools [len(bufferSizes)]sync.Pool

// body is what arrived of a request's body. Its memory comes from a pool, so
// readers ask it for bytes instead of holding them: once it is released they
// get an error, as with the body of a finished net/http request. That is what
// makes pooling safe behind reverse_proxy, whose transport may go on reading
// after the handlers have returned.
type body struct {
	mu       sync.Mutex
	data     []byte
	pooled   bool
	released bool
}

// readBody reads src to its end, which contentLength announces (-1 if unknown).
// If that is beyond limit bytes, it stops reading soon after them, and the error
// is a *http.MaxBytesError. What was read is returned with every error.
func readBody(src io.Reader, contentLength, limit int64) (*body, error) {
	b := &body{}
	b.grow(wanted(contentLength, limit))
	for {
		if len(b.data) == cap(b.data) {
			b.grow(wanted(contentLength, limit))
		}
		n, err := src.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if int64(len(b.data)) > limit {
			return b, &http.MaxBytesError{Limit: limit}
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// wanted is the room that the whole body takes as far as is known, with a byte
// more to see its end or that it is over the limit.
func wanted(contentLength, limit int64) int {
	if contentLength < 0 || contentLength > limit {
		return int(limit) + 1
	}
	return int(contentLength) + 1
}

// grow makes room for more, at most for the wanted total and for four times
// what has arrived.
func (b *body) grow(wanted int) {
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

// releaseWith gives the memory back when ctx, the request's own, is done: not
// before handlers that run after the guard has returned (error routes, access
// logs) have had their chance to ask for a part of the payload.
func (b *body) releaseWith(ctx context.Context) {
	if b.pooled {
		context.AfterFunc(ctx, b.release)
	}
}

func (b *body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pooled && !b.released {
		recycle(b.data)
	}
	b.data, b.released = nil, true
}

// read passes the whole body to f, which must not keep it. It reports false if
// the body has been released.
func (b *body) read(f func(data []byte)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return false
	}
	f(b.data)
	return true
}

// restore lets r have a body that can be read once more from its start, and
// again by GetBody, as one of known length: it has been read whole, so neither
// chunks nor trailers nor an expectation remain of how it was sent.
func (b *body) restore(r *http.Request) {
	r.Body = &bodyReader{body: b}
	r.GetBody = func() (io.ReadCloser, error) { return &bodyReader{body: b}, nil }
	length := len(b.data)
	if int64(length) != r.ContentLength {
		r.Header["Content-Length"] = []string{strconv.Itoa(length)}
	}
	r.ContentLength = int64(length)
	r.TransferEncoding = nil
	r.Trailer = nil
	delete(r.Header, "Trailer")
	delete(r.Header, "Expect")
	if length == 0 {
		r.Body, r.GetBody = http.NoBody, nil
	}
}

// putBack lets r have the body as it would have had it if nothing had been
// read: what was read, then the rest, be it more of the body or an error.
func (b *body) putBack(r *http.Request, readErr error) {
	var rest io.Reader = r.Body
	if tooLarge := (*http.MaxBytesError)(nil); !errors.As(readErr, &tooLarge) {
		rest = failedReader{readErr}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&bodyReader{body: b}, rest), r.Body}
}

type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }

// bodyReader reads a body from its start. It deliberately has no WriteTo, which
// would hand out the memory itself.
type bodyReader struct {
	body   *body
	offset int
	closed bool
}

func (br *bodyReader) Read(p []byte) (n int, err error) {
	br.body.mu.Lock()
	defer br.body.mu.Unlock()
	switch {
	case br.body.released || br.closed:
		return 0, http.ErrBodyReadAfterClose
	case br.offset == len(br.body.data):
		return 0, io.EOF
	}
	n = copy(p, br.body.data[br.offset:])
	br.offset += n
	return n, nil
}

func (br *bodyReader) Close() error {
	br.body.mu.Lock()
	defer br.body.mu.Unlock()
	br.closed = true
	return nil
}

// setBodyDeadline bounds the time that the sender may take over its body, and
// keeps to the server's own read_body where that is shorter. Response writers
// that cannot do it belong to requests made inside the process, whose bodies
// are there already.
func setBodyDeadline(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	now := time.Now()
	deadline := now.Add(timeout)
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.ReadTimeout > 0 {
		start, ok := caddyhttp.GetVar(r.Context(), "start_time").(time.Time)
		if !ok {
			start = now
		}
		if own := start.Add(time.Duration(server.ReadTimeout)); own.Before(deadline) {
			deadline = own
		}
	}
	_ = http.NewResponseController(w).SetReadDeadline(deadline)
}

// clearBodyDeadline must not be called after the deadline has passed: it would
// set the connection waiting for the rest of the body.
func clearBodyDeadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// drainTime is how long a rejected request's body is waited for. A body that is
// on its way is then read and dropped by net/http, which lets the sender see the
// answer and use the connection again; closing it under the sender's hands can
// destroy the answer. One that never comes delays the answer by this much, where
// Caddy alone would wait for up to a minute.
const drainTime = 250 * time.Millisecond

// stopReading bounds how long net/http, which reads on before it sends the
// answer of a handler that has not read the body, waits for it.
func stopReading(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
	}
}
