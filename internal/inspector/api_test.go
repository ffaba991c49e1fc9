package inspector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// timedWriter is a response writer that fails the test if a write has no deadline.
type timedWriter struct {
	answerless
	t         testing.TB
	timeLimit time.Duration
	onWrite   func()

	mu       sync.Mutex
	text     strings.Builder
	longest  int // bytes of one write
	deadline time.Time
}

func newTimedWriter(t testing.TB, timeLimit time.Duration) *timedWriter {
	return &timedWriter{answerless: answerless{make(http.Header)}, t: t, timeLimit: timeLimit, onWrite: func() {}}
}

func (w *timedWriter) SetWriteDeadline(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = deadline
	return nil
}

func (w *timedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkDeadline(string(p))
	w.longest = max(w.longest, len(p))
	w.onWrite()
	return w.text.Write(p)
}

func (w *timedWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkDeadline("a flush")
	return nil
}

func (w *timedWriter) checkDeadline(what string) {
	if left := time.Until(w.deadline); left <= 0 || left > w.timeLimit {
		w.t.Errorf("the deadline of %q is in %v", what, left)
	}
}

// get returns what an inspector of rc writes to w for a path.
func get(rc *Recorder, path string, w *timedWriter) string {
	h := NewHandler(rc, true, zap.NewNop())
	defer h.Close()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.text.String()
}

// recordSome records deliveries whose bodies have the size.
func recordSome(rc *Recorder, count, size int) {
	e := &Endpoint{Name: "default"}
	for i := range count {
		id := fmt.Sprint("msg_", i)
		recording(rc, e, answerless{make(http.Header)}, newDelivery(id, size, ""), []byte(strings.Repeat("x", size)), decisionOf(id, true))
	}
}

func TestAnswersHaveAWriteDeadline(t *testing.T) {
	rc := NewRecorder()
	recordSome(rc, 3, 10)
	last := "/api/entries/" + rc.id(3)
	for _, path := range []string{"/api/status", "/api/entries", last, last + "/har", last + "/curl", last + "/http", "/api/messages/msg_1", "/api/har", "/api/entries/none"} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTimedWriter(t, answerTime)
				if get(rc, path, w) == "" {
					t.Error("nothing was written")
				}
				if !w.deadline.IsZero() {
					t.Error("the deadline was not removed")
				}
			})
		})
	}
}

func TestCallsThatTakeTimeWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := NewRecorder()
		recordSome(rc, 2, 10)
		h := NewHandler(rc, true, zap.NewNop())
		defer h.Close()
		entry := "/api/entries/" + rc.id(1)
		for _, path := range []string{entry, entry + "/changes?since=" + rc.id(2), entry + "/timeline"} {
			for range maxTurns {
				h.turns <- struct{}{}
			}
			answered := make(chan int)
			call := func(ctx context.Context) {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
				answered <- w.Body.Len()
			}
			ctx, leave := context.WithCancel(t.Context())
			go call(ctx)
			synctest.Wait()
			leave()
			if size := <-answered; size > 0 {
				t.Errorf("%s: %d bytes for a caller that has left", path, size)
			}
			go call(t.Context())
			synctest.Wait()
			for range maxTurns {
				<-h.turns
			}
			if size := <-answered; size == 0 {
				t.Errorf("%s: nothing in its turn", path)
			}
		}
	})
}

func TestHAR(t *testing.T) {
	idsOf := func(t *testing.T, text string) (ids []string) {
		t.Helper()
		var har struct {
			Log struct {
				Version string
				Entries []harEntry
			}
		}
		if err := json.Unmarshal([]byte(text), &har); err != nil || har.Log.Version != "1.2" || har.Log.Entries == nil {
			t.Fatalf("%v: %.100q", err, text)
		}
		for _, e := range har.Log.Entries {
			ids = append(ids, e.Delivery.MessageID)
		}
		return ids
	}
	t.Run("holds one entry at a time", func(t *testing.T) {
		const size, count = 50_000, 100
		rc := NewRecorder()
		recordSome(rc, count, size)
		w := newTimedWriter(t, answerTime)
		ids := idsOf(t, get(rc, "/api/har", w))
		if len(ids) != count || ids[0] != "msg_0" || ids[count-1] != fmt.Sprint("msg_", count-1) {
			t.Errorf("got %q", ids)
		}
		if w.longest > 2*size {
			t.Errorf("one write has %d bytes", w.longest)
		}
	})
	t.Run("leaves out entries that are deleted before they are written", func(t *testing.T) {
		rc := NewRecorder()
		recordSome(rc, 3, 10)
		w := newTimedWriter(t, answerTime)
		w.onWrite = func() { rc.clear() }
		if ids := idsOf(t, get(rc, "/api/har", w)); len(ids) != 1 || ids[0] != "msg_0" {
			t.Errorf("got %q", ids)
		}
	})
	t.Run("can be empty", func(t *testing.T) {
		if ids := idsOf(t, get(NewRecorder(), "/api/har", newTimedWriter(t, answerTime))); len(ids) > 0 {
			t.Errorf("got %q", ids)
		}
	})
}
