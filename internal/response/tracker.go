// Package response watches how the handlers behind a guard answer.
package response

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
)

// Tracker notes how handlers answer. It offers no HTTP/2 push, which no sender of
// webhooks accepts.
type Tracker struct {
	http.ResponseWriter
	status   int
	hijacked bool
	outlives bool // lets handlers finish their answer when the sender has hung up
	gone     bool // the sender has hung up
}

// Track returns a response writer that writes to w. If outlives is true, handlers can
// finish their answer when the sender has hung up: that is not a failure of theirs.
func Track(w http.ResponseWriter, outlives bool) *Tracker {
	return &Tracker{outlives: outlives, ResponseWriter: w}
}

// Unwrap serves http.ResponseController.
func (t *Tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Succeeded reports whether a handler has answered 2xx. The answer that Caddy
// makes up where no handler wrote one does not count.
func (t *Tracker) Succeeded() bool {
	return !t.hijacked && t.status >= 200 && t.status <= 299
}

// Answered reports whether any handler has answered at all.
func (t *Tracker) Answered() bool { return t.hijacked || t.status != 0 }

// WriteHeader notes the first status that is not merely informational.
func (t *Tracker) WriteHeader(status int) {
	if t.status == 0 && (status < 100 || status > 199 || status == http.StatusSwitchingProtocols) {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *Tracker) Write(p []byte) (int, error) {
	t.noteImplicitStatus()
	if !t.gone {
		n, err := t.ResponseWriter.Write(p)
		if err == nil || !t.outlives {
			return n, err
		}
		t.gone = true
	}
	return len(p), nil
}

// ReadFrom must not bypass Write.
func (t *Tracker) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{t}, src)
}

func (t *Tracker) noteImplicitStatus() {
	if t.status == 0 {
		t.status = http.StatusOK
	}
}

// Hijack notes that what follows is not an HTTP answer.
func (t *Tracker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil {
		t.hijacked = true
	}
	return conn, rw, err
}

// FlushError flushes, unless the sender has hung up.
func (t *Tracker) FlushError() error {
	if t.gone {
		return nil
	}
	err := http.NewResponseController(t.ResponseWriter).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return err
	}
	t.noteImplicitStatus()
	if !t.outlives {
		return err
	}
	t.gone = err != nil
	return nil
}

// Interface guards
var (
	_ http.ResponseWriter = (*Tracker)(nil)
	_ http.Hijacker       = (*Tracker)(nil)
	_ io.ReaderFrom       = (*Tracker)(nil)
)
