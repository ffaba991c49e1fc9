package relay

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// server is a relay that a test plays: each connection is handled by the next of the
// functions, and all further ones by the last.
func server(t *testing.T, connections ...func(w http.ResponseWriter, r *http.Request)) (url string) {
	t.Helper()
	var count atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections[min(int(count.Add(1)), len(connections))-1](w, r)
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "ws", 1)
}

// accepted is a connection whose start message has been answered.
func accepted(then func(ctx context.Context, conn *websocket.Conn)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if _, _, err := conn.Read(r.Context()); err != nil {
			return
		}
		if err := conn.Write(r.Context(), websocket.MessageBinary, []byte(`{"type":"start","version":1,"data":{"token":"c_1234567890"}}`)); err != nil {
			return
		}
		then(r.Context(), conn)
	}
}

func closing(code websocket.StatusCode, reason string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		_, _, _ = conn.Read(r.Context())
		_ = conn.Close(code, reason)
	}
}

func answering(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// listening is a client that runs until its test ends.
type listening struct {
	connected chan struct{}
	lost      chan error
	again     chan time.Duration
	ended     chan error
	stop      context.CancelFunc
}

func startClient(t *testing.T, url string, handle func(ctx context.Context, r *Request) *Answer) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{make(chan struct{}, 100), make(chan error, 100), make(chan time.Duration, 100), make(chan error, 1), cancel}
	c := &Client{
		URL: url, Start: Start{Token: "c_1234567890"}, MaxBody: 1 << 20, Handle: handle,
		Connected: func() { l.connected <- struct{}{} },
		Lost:      func(err error, again time.Duration) { l.lost <- err; l.again <- again },
	}
	go func() { l.ended <- c.Listen(ctx) }()
	t.Cleanup(cancel)
	return l
}

func ok(context.Context, *Request) *Answer { return &Answer{Status: 200} }

func TestClientEndsWhereTryingAgainIsPointless(t *testing.T) {
	tests := map[string]struct {
		server func(http.ResponseWriter, *http.Request)
		want   error
	}{
		"the token is in use":       {closing(websocket.StatusPolicyViolation, inUse), ErrInUse},
		"the token opens nothing":   {closing(websocket.StatusPolicyViolation, "the token opens nothing here"), ErrRefused},
		"no relay there":            {answering(http.StatusNotFound), ErrRefused},
		"a page instead of a relay": {answering(http.StatusOK), ErrRefused},
		"another protocol": {func(w http.ResponseWriter, r *http.Request) {
			conn, _ := websocket.Accept(w, r, nil)
			_ = conn.Write(r.Context(), websocket.MessageText, []byte("hello"))
			_, _, _ = conn.Read(r.Context())
		}, errProtocol},
		"headers that take much memory": {accepted(func(ctx context.Context, conn *websocket.Conn) {
			frame := `{"type":"event","version":1,"data":{"id":"1","method":"POST","headers":{` + strings.Repeat(`"a":"",`, 60<<10) + `"b":""}}}`
			_ = conn.Write(ctx, websocket.MessageText, []byte(frame))
			_, _, _ = conn.Read(ctx)
		}), errProtocol},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := startClient(t, server(t, test.server), ok)
			if err := <-l.ended; !errors.Is(err, test.want) {
				t.Errorf("it ended with %v, want %v", err, test.want)
			}
		})
	}
}

func TestClientConnectsAgain(t *testing.T) {
	gone := func(context.Context, *websocket.Conn) {}
	stay := accepted(func(ctx context.Context, _ *websocket.Conn) { <-ctx.Done() })
	tests := map[string][]func(http.ResponseWriter, *http.Request){
		"after the connection has broken":             {accepted(gone), stay},
		"after the relay restarts":                    {accepted(func(_ context.Context, c *websocket.Conn) { _ = c.Close(websocket.StatusServiceRestart, "again") }), stay},
		"when the relay is not there yet":             {answering(http.StatusBadGateway), answering(http.StatusServiceUnavailable), stay},
		"when the relay still has the old connection": {accepted(gone), closing(websocket.StatusPolicyViolation, inUse), stay},
	}
	for name, connections := range tests {
		t.Run(name, func(t *testing.T) {
			l := startClient(t, server(t, connections...), ok)
			for range len(connections) - 1 {
				<-l.lost
			}
			<-l.connected
		})
	}
}

// TestClientSaysInShortWhyItCannotConnect leaves out what a library says about itself.
func TestClientSaysInShortWhyItCannotConnect(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	l := startClient(t, closed.URL, ok)
	if err := <-l.lost; !strings.HasPrefix(err.Error(), "dial tcp 127.0.0.1") {
		t.Errorf("it could not connect because of %q", err)
	}
}

// TestClientFollowsNoRedirect would show the token to another server otherwise, and
// maybe unencrypted.
func TestClientShowsNoTokenThatTheRelayRepeats(t *testing.T) {
	for _, code := range []websocket.StatusCode{websocket.StatusInternalError, websocket.StatusPolicyViolation} {
		l := startClient(t, server(t, closing(code, "no place for c_1234567890")), ok)
		var err error
		select {
		case err = <-l.lost:
		case err = <-l.ended:
		}
		if !strings.Contains(err.Error(), "no place for …") {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestClientFollowsNoRedirect(t *testing.T) {
	var reached atomic.Bool
	elsewhere := server(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	relay := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) })
	l := startClient(t, relay, ok)
	if err := <-l.ended; !errors.Is(err, ErrRefused) || reached.Load() {
		t.Errorf("it ended with %v, and reached the other server: %t", err, reached.Load())
	}
}

// TestClientSparesARelayThatSendsItAway covers a relay that accepts each connection and
// ends it at once.
func TestClientSparesARelayThatSendsItAway(t *testing.T) {
	l := startClient(t, server(t, accepted(func(context.Context, *websocket.Conn) {})), ok)
	for i, want := range backoff {
		if got := <-l.again; got != want {
			t.Errorf("after loss %d it waits %s, want %s", i+1, got, want)
			break
		}
		<-l.lost
	}
}

func TestClientLeavesARelayThatIsSilent(t *testing.T) {
	before := silence
	silence = 200 * time.Millisecond
	t.Cleanup(func() { silence = before })
	l := startClient(t, server(t, accepted(func(ctx context.Context, _ *websocket.Conn) { <-ctx.Done() })), ok)
	if err := <-l.lost; !errors.Is(err, errSilent) {
		t.Errorf("it left because of %v", err)
	}
	l.stop()
	<-l.ended // before silence is what it was
}

// TestClientAnswersOutOfOrder answers the second delivery first.
func TestClientAnswersOutOfOrder(t *testing.T) {
	ids := make(chan string, 2)
	url := server(t, accepted(func(ctx context.Context, conn *websocket.Conn) {
		for _, id := range []string{"slow", "quick"} {
			_ = conn.Write(ctx, websocket.MessageBinary, []byte(`{"type":"event","version":1,"data":{"id":"`+id+`","method":"POST","headers":{"a":"b"},"body":"aGk="}}`))
		}
		for range 2 {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			var a Answer
			if err := decode(data, typeEvent, &a); err == nil {
				ids <- a.ID
			}
		}
	}), accepted(func(ctx context.Context, _ *websocket.Conn) { <-ctx.Done() }))
	quick := make(chan struct{})
	startClient(t, url, func(_ context.Context, r *Request) *Answer {
		if r.ID == "slow" {
			<-quick
		} else {
			defer close(quick)
		}
		return &Answer{Status: 200, Body: r.Body}
	})
	got := map[string]bool{<-ids: true, <-ids: true}
	if !got["slow"] || !got["quick"] {
		t.Errorf("answers to %v", got)
	}
}
