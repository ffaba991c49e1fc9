package inspector

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answerWriter keeps a copy of what is written to it.
type answerWriter struct {
	caddyhttp.ResponseWriterWrapper
	status int
	header fields
	kept   []byte
	size   int64
}

func newAnswerWriter(w http.ResponseWriter) *answerWriter {
	return &answerWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
}

// WriteHeader keeps the status and the header, but not those of early hints.
func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
		w.header = copyHeader(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.size += int64(n)
	w.kept = append(w.kept, p[:min(n, keptAnswerBody-len(w.kept))]...)
	return n, err
}

// begin notes the header that net/http sends if a handler writes none.
func (w *answerWriter) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
		w.header = copyHeader(w.Header())
	}
}

// ReadFrom must not bypass Write.
func (w *answerWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

// FlushError sends the header, as the first Write does.
func (w *answerWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack notes that what follows is not an HTTP answer.
func (w *answerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

func (w *answerWriter) answer(err error, isAborted bool) *answer {
	a := &answer{status: w.status, header: w.header, body: body{state: none, size: w.size}}
	if w.size > 0 {
		a.body.state, a.body.data = whole, append([]byte(nil), w.kept...)
		if w.size > int64(len(w.kept)) {
			a.body.state = cut
		}
	}
	switch {
	case isAborted:
		a.state = aborted
	case err != nil && w.status == 0:
		a.state, a.status, a.body.state = failed, statusOf(err), unread
		a.header = copyHeader(w.Header())
		a.err = causeOf(err)
	case w.status == 0:
		a.state, a.status, a.header = answered, http.StatusOK, copyHeader(w.Header())
	default:
		a.state = answered
	}
	return a
}

const maxCause = 1000 // bytes

// causeOf is what an error says, without the line of Caddy's code.
func causeOf(err error) string {
	var handlerErr caddyhttp.HandlerError
	if errors.As(err, &handlerErr) && handlerErr.Err != nil {
		err = handlerErr.Err
	}
	text := err.Error()
	return strings.Clone(strings.ToValidUTF8(text[:min(len(text), maxCause)], "")) // and not the rest with it
}

func statusOf(err error) int {
	var handlerErr caddyhttp.HandlerError
	if errors.As(err, &handlerErr) && handlerErr.StatusCode != 0 {
		return handlerErr.StatusCode
	}
	return http.StatusInternalServerError
}

// Interface guards
var (
	_ http.Hijacker = (*answerWriter)(nil)
	_ io.ReaderFrom = (*answerWriter)(nil)
)
