package inspector

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// serveInspector returns the address of an inspector.
func serveInspector(t *testing.T, rc *Recorder) string {
	t.Helper()
	h := NewHandler(rc, false, zap.NewNop())
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(h.Close)
	return server.Listener.Addr().String()
}

// awaitStreams waits until the number of open streams is want.
func awaitStreams(t *testing.T, rc *Recorder, want int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for rc.status().Streams != want {
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatalf("%d streams are open, want %d", rc.status().Streams, want)
		}
	}
}

func TestStreamDisconnectsASlowReader(t *testing.T) {
	rc := NewRecorder()
	e := &Endpoint{Name: strings.Repeat("n", 5000)} // makes the changes fill all buffers between
	for i := range maxVerified {
		id := fmt.Sprint("msg_", i)
		recording(rc, e, answerless{make(http.Header)}, newDelivery(id, 10, ""), []byte("{}"), decisionOf(id, true))
	}
	conn, err := net.Dial("tcp", serveInspector(t, rc))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /api/stream?cursor=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", rc.id(0)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		ticks := time.NewTicker(100 * time.Millisecond)
		defer ticks.Stop()
		for ctx.Err() == nil {
			<-ticks.C
			_, _ = io.CopyN(io.Discard, conn, 200_000) // enough for the server to go on writing for half a minute
		}
	}()
	awaitStreams(t, rc, 1)
	awaitStreams(t, rc, 0)
}

func TestStreamHasADeadlineOnlyWhileItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := NewRecorder()
		h := NewHandler(rc, false, zap.NewNop())
		w := newTimedWriter(t, streamWriteTime)
		ended := make(chan error)
		go func() {
			ended <- h.stream(w, httptest.NewRequest(http.MethodGet, "/api/stream", nil))
		}()
		tells := func(want string) {
			t.Helper()
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			if text := w.text.String(); !strings.HasSuffix(text, want+"\n\n") {
				t.Errorf("the stream does not end with %q: %q", want, text)
			}
			if !w.deadline.IsZero() {
				t.Errorf("the deadline was not removed after %q", want)
			}
		}
		tells("id: " + rc.id(0))
		time.Sleep(streamKeepAlive)
		tells("\n:")
		recording(rc, &Endpoint{Name: "default"}, answerless{make(http.Header)}, newDelivery("msg_1", 10, ""), nil, decisionOf("msg_1", false))
		time.Sleep(streamPause)
		tells("}")
		h.Close()
		tells("event: end\ndata: {}")
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	rc := NewRecorder()
	address := serveInspector(t, rc)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	open := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	var streams []*http.Response
	for range maxStreams {
		res := open()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: %d", len(streams), res.StatusCode)
		}
		streams = append(streams, res)
	}
	surplus := open()
	surplus.Body.Close()
	if surplus.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more: %d", surplus.StatusCode)
	}
	for _, res := range streams {
		res.Body.Close()
	}
	awaitStreams(t, rc, 0)
	again := open()
	again.Body.Close()
	if again.StatusCode != http.StatusOK {
		t.Errorf("when the others are closed: %d", again.StatusCode)
	}
}
