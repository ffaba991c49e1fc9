package inspector

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	maxStreams      = 64
	streamKeepAlive = 15 * time.Second
	streamPause     = 50 * time.Millisecond // between two looks for changes
	// streamWriteTime is how long a browser may take to read what one look has
	// found. A browser that reads nothing delays a stop by this time. One that reads
	// a little at a time would hold what the recorder has long removed.
	streamWriteTime = 2 * time.Second
)

var errTooManyStreams = newCallError(http.StatusTooManyRequests, "busy", "too many streams are open: close a tab of the inspector")

type stream struct {
	recorder *Recorder
	out      *bufio.Writer // keeps its first error, which flush returns
	control  *http.ResponseController
	closed   context.Context
	seen     uint64 // the version up to which all changes were sent
}

func (h *Handler) stream(w http.ResponseWriter, r *http.Request) error {
	if !h.recorder.openStream() {
		return errTooManyStreams
	}
	defer h.recorder.closeStream()
	changes, stop := h.recorder.watch()
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // or proxies in front would wait for more
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s := &stream{recorder: h.recorder, out: bufio.NewWriter(w), control: http.NewResponseController(w), closed: h.closed}
	if s.resume(cursorOf(r)) == nil {
		s.follow(r.Context(), changes)
	}
	return nil // the header is sent, so no other error can follow
}

func cursorOf(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("cursor")
}

// resume sends what has changed since the cursor. Without a cursor, it sends the
// current one.
func (s *stream) resume(cursor string) error {
	now := s.recorder.snapshot().version
	version, ok := s.recorder.parseID(strings.TrimSpace(cursor))
	switch {
	case cursor == "":
		s.seen = now
		return s.send(func() { _, _ = fmt.Fprintf(s.out, "retry: 1000\nid: %s\n\n", s.recorder.id(now)) })
	case !ok || version > now:
		s.seen = now
		return s.send(func() { s.event("reset", now, struct{}{}) })
	}
	s.seen = version
	return s.send(s.catchUp)
}

// follow sends changes as they come. It pauses after each look for changes, so that a
// flood of deliveries does not keep it busy.
func (s *stream) follow(ctx context.Context, changes <-chan struct{}) {
	keepAlive := time.NewTicker(streamKeepAlive)
	defer keepAlive.Stop()
	pause := time.NewTimer(streamPause)
	defer pause.Stop()
	var awaited <-chan struct{} // is changes, but not in a pause
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-s.closed.Done():
			_ = s.send(func() { s.event("end", s.seen, struct{}{}) })
			return
		case <-keepAlive.C:
			err = s.send(func() { _, _ = fmt.Fprint(s.out, ":\n\n") })
		case <-awaited:
			err = s.send(s.catchUp)
			awaited = nil
			pause.Reset(streamPause)
		case <-pause.C:
			awaited = changes
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) catchUp() {
	now := s.recorder.snapshot()
	if now.clearedAt > s.seen {
		s.event("clear", now.clearedAt, struct{}{})
	}
	for _, summary := range s.recorder.summarizeAll(now.since(s.seen)) { // without bodies, to hold little memory
		s.event("entry", summary.Version, summary)
	}
	s.seen = now.version
}

// event writes one event. Its JSON is one line.
func (s *stream) event(name string, version uint64, data any) {
	_, _ = fmt.Fprintf(s.out, "id: %s\nevent: %s\ndata: %s\n\n", s.recorder.id(version), name, encode(data))
}

// send sends what write writes, within streamWriteTime. Then it removes the deadline,
// because on HTTP/2 a deadline ends a stream even if nothing is written.
func (s *stream) send(write func()) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWriteTime))
	write()
	return errors.Join(s.out.Flush(), s.control.Flush(), s.control.SetWriteDeadline(time.Time{}))
}
