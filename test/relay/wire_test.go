package relay_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// wire is a listener that a test plays frame by frame.
type wire struct{ *websocket.Conn }

func dial(t *testing.T, url string) wire { return dialBy(t, http.DefaultClient, url) }

func dialBy(t *testing.T, client *http.Client, url string) wire {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(8 << 20)
	return wire{conn}
}

// listen dials and shows the token of a secret.
func listen(t *testing.T, url, secret, wishes string) wire {
	return listenBy(t, http.DefaultClient, url, secret, wishes)
}

func listenBy(t *testing.T, client *http.Client, url, secret, wishes string) wire {
	t.Helper()
	w := dialBy(t, client, url)
	w.send(t, `{"type":"start","version":1,"data":{"token":"`+tokenOf(t, secret)+`"`+wishes+`}}`)
	if got := w.receive(t); got.Type != "start" || got.Version != 1 {
		t.Fatalf("the relay began with %+v", got)
	}
	return w
}

func tokenOf(t *testing.T, secret string) string {
	t.Helper()
	key, err := signature.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key.ListenToken()
}

func (w wire) send(t *testing.T, frame string) {
	t.Helper()
	if err := w.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

type frame struct {
	Type    string
	Version int
	Data    struct {
		ID, Method string
		Headers    map[string]string
		Body       []byte
	}
}

func (w wire) receive(t *testing.T) (f frame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, data, err := w.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// closed returns why the relay has closed the connection.
func (w wire) closed(t *testing.T) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	for {
		_, _, err := w.Read(ctx)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			t.Fatal("the relay did not close the connection")
		}
		var closed websocket.CloseError
		if !asCloseError(err, &closed) {
			closed.Code = websocket.StatusAbnormalClosure
		}
		return closed
	}
}

func asCloseError(err error, target *websocket.CloseError) bool {
	if websocket.CloseStatus(err) < 0 {
		return false
	}
	*target = websocket.CloseError{Code: websocket.CloseStatus(err), Reason: err.Error()}
	return true
}

// answer sends an answer to a delivery.
func (w wire) answer(t *testing.T, f frame, status int, body string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"id": f.Data.ID, "status": status, "headers": map[string]string{"x-backend": "mine"}, "body": []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	w.send(t, `{"type":"event","version":1,"data":`+string(data)+`}`)
}

// deliver sends a genuine delivery and returns a channel with its answer.
func deliver(t *testing.T, url, body string) <-chan testcaddy.Answer {
	t.Helper()
	r := testcaddy.SignedRequest(t, url, testcaddy.Secret, body)
	answers := make(chan testcaddy.Answer, 1)
	go func() { answers <- testcaddy.Send(t, testcaddy.NewConnections, r) }()
	return answers
}

const userDeleted = `{"data":{"id":"user_1","deleted":true},"type":"user.deleted"}`
