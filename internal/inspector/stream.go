package inspector

import (
	"context"
	"encoding/json"
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

// stream is the live stream of one browser.
type stream struct {
	recorder *Recorder
	w        http.ResponseWriter
	control  *http.ResponseController
	closed   context.Context
	seen     uint64 // the version up to which everything was told
}

// stream tells a browser of changes until the browser goes or the handler is closed.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) error {
	changes, stop, ok := h.recorder.watch(maxStreams)
	if !ok {
		return errTooManyStreams
	}
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // or proxies in front would wait for more
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s := &stream{recorder: h.recorder, w: w, control: http.NewResponseController(w), closed: h.closed}
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

// resume tells what has changed since the cursor. Without a cursor it tells the
// current one.
func (s *stream) resume(cursor string) error {
	s.limitTime()
	now := s.recorder.snapshot()
	s.seen = now.version
	version, ok := s.recorder.parseCursor(cursor)
	switch {
	case cursor != "" && (!ok || version > now.version):
		if err := s.tell("reset", now.version, struct{}{}); err != nil {
			return err
		}
	case cursor != "":
		s.seen = version
		return s.catchUp()
	default:
		if err := s.write(fmt.Sprintf("retry: 1000\nid: %s\n\n", s.recorder.cursor(now.version))); err != nil {
			return err
		}
	}
	return s.flush()
}

// follow tells of changes as they come. It pauses after each look, so that a flood
// of deliveries does not make it look all the time.
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
			s.limitTime()
			_ = s.tell("end", s.seen, struct{}{})
			_ = s.flush()
			return
		case <-keepAlive.C:
			err = s.keepAlive()
		case <-awaited:
			err = s.catchUp()
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

func (s *stream) keepAlive() error {
	s.limitTime()
	if err := s.write(":\n\n"); err != nil {
		return err
	}
	return s.flush()
}

// catchUp tells what has changed since it was called last.
func (s *stream) catchUp() error {
	s.limitTime()
	now := s.recorder.snapshot()
	if now.clearedAt > s.seen {
		if err := s.tell("clear", now.clearedAt, struct{}{}); err != nil {
			return err
		}
	}
	for _, summary := range s.recorder.summarizeAll(now.since(s.seen)) { // without bodies, to hold little memory
		if err := s.tell("entry", summary.Version, summary); err != nil {
			return err
		}
	}
	s.seen = now.version
	return s.flush()
}

// tell writes one event. Its JSON is one line.
func (s *stream) tell(name string, version uint64, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", s.recorder.cursor(version), name, text))
}

// limitTime bounds the time of all writes until flush.
func (s *stream) limitTime() {
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWriteTime))
}

func (s *stream) write(text string) error {
	_, err := s.w.Write([]byte(text))
	return err
}

// flush sends what has been written. It removes the deadline, which would end the
// stream on HTTP/2 even while nothing is written.
func (s *stream) flush() error {
	err := s.control.Flush()
	if clearErr := s.control.SetWriteDeadline(time.Time{}); err == nil {
		err = clearErr
	}
	return err
}

// cursor returns the public name of a version. Unlike an id it may be the name of
// no recording yet.
func (rc *Recorder) cursor(version uint64) string { return fmt.Sprintf("%s-%d", rc.run, version) }

func (rc *Recorder) parseCursor(cursor string) (version uint64, ok bool) {
	return rc.parseID(strings.TrimSpace(cursor))
}
