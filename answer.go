package clerkwebhook

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answerRecorder notes how the handlers behind a guard answer. It lets them
// finish their answer when nobody listens any more: a sender that has hung up
// is not a failure of theirs.
type answerRecorder struct {
	caddyhttp.ResponseWriterWrapper
	status   int
	hijacked bool
	gone     bool // writing to the sender has failed
}

func recordAnswer(w http.ResponseWriter) answerRecorder {
	return answerRecorder{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
}

// succeeded reports whether a handler has answered 2xx. An answer that Caddy
// makes up because no handler wrote one does not count.
func (a *answerRecorder) succeeded() bool {
	return !a.hijacked && a.status >= 200 && a.status <= 299
}

// answered reports whether any handler has answered at all.
func (a *answerRecorder) answered() bool { return a.hijacked || a.status != 0 }

// WriteHeader notes the first status that is not merely informational.
func (a *answerRecorder) WriteHeader(status int) {
	if a.status == 0 && (status < 100 || status > 199 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerRecorder) Write(p []byte) (int, error) {
	a.noteImplicitStatus()
	if !a.gone {
		n, err := a.ResponseWriter.Write(p)
		if err == nil {
			return n, nil
		}
		a.gone = true
	}
	return len(p), nil
}

// ReadFrom lets the response writer below copy in its own way.
func (a *answerRecorder) ReadFrom(src io.Reader) (int64, error) {
	a.noteImplicitStatus()
	if a.gone {
		return io.Copy(io.Discard, src)
	}
	// Hiding everything but Write from io.Copy would cost the fast path, and
	// using ReadFrom directly would not tell an error of src from one of the
	// writer; so src notes its own.
	noted := &errorNoter{Reader: src}
	n, err := a.ResponseWriterWrapper.ReadFrom(noted)
	if err == nil || noted.err != nil {
		return n, err
	}
	a.gone = true
	rest, err := io.Copy(io.Discard, src)
	return n + rest, err
}

func (a *answerRecorder) noteImplicitStatus() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
}

// Hijack notes that what follows is not an HTTP answer.
func (a *answerRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.hijacked = true
	}
	return conn, rw, err
}

// FlushError flushes, unless the sender has hung up.
func (a *answerRecorder) FlushError() error {
	if a.gone {
		return nil
	}
	err := http.NewResponseController(a.ResponseWriter).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return err
	}
	a.noteImplicitStatus()
	a.gone = err != nil
	return nil
}

type errorNoter struct {
	io.Reader
	err error
}

func (n *errorNoter) Read(p []byte) (int, error) {
	read, err := n.Reader.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return read, err
}

// Interface guards
var (
	_ http.ResponseWriter = (*answerRecorder)(nil)
	_ http.Hijacker       = (*answerRecorder)(nil)
	_ io.ReaderFrom       = (*answerRecorder)(nil)
)
