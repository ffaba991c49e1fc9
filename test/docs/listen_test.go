package docs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestTeamExample(t *testing.T) {
	staging, anna, ben := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	e := openExample(t, "team", ":8080", on(staging), "8081", testcaddy.Port(anna), "8082", testcaddy.Port(ben))
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", testcaddy.Secret)
	e.start(t, "caddy run")
	atAnna := startProxy(t, e.line(t, "user_anna --from")+" --inspect=off", "Connected to the relay")
	atBen := startProxy(t, e.line(t, "session.*")+" --inspect=off", "Connected to the relay")
	send := strings.Replace(e.line(t, "send user.created"), "send ", "send --to http://"+staging+"/api/webhooks ", 1)
	if output, code := testcaddy.RunLine(t, send); code != 0 {
		t.Fatal(output)
	}
	atAnna.WaitFor(t, "  user.created          Nadia Okafor, ")
	// Ben's comes later than Anna's would have, had he got it.
	if output, code := testcaddy.RunLine(t, strings.Replace(send, "user.created", "session.created", 1)); code != 0 {
		t.Fatal(output)
	}
	atBen.WaitFor(t, "  session.created  ")
	if strings.Contains(atBen.String(), "  user.created  ") {
		t.Errorf("Ben got what is Anna's:\n%s", atBen.String())
	}
}

// checkListen runs a listener of the documentation at a relay on this machine.
func checkListen(t *testing.T, line string) {
	testcaddy.InstallCaddy(t)
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", testcaddy.Secret)
	if !strings.Contains(line, "wss://") {
		line = strings.Replace(line, "listen ", "listen "+publicRelay(t)+" ", 1)
	}
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook /api/webhooks* {\nsecret "+testcaddy.Secret+"\nrelay\n}\n}")
	line = strings.NewReplacer("wss://hooks.example.com", "ws://"+address, "wss://example.com", "ws://"+address).Replace(line)
	startProxy(t, line+" --inspect=off --from "+testcaddy.Port(testcaddy.FreeAddress(t)), "Connected to the relay")
}

// publicRelay plays the relay of Svix as far as a listener sees it at the start.
func publicRelay(t *testing.T) (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		_, start, err := conn.Read(r.Context())
		if err == nil && r.URL.Path == "/api/v1/listen/" {
			_ = conn.Write(r.Context(), websocket.MessageText, start)
		}
		_, _, _ = conn.Read(r.Context())
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http", "ws", 1) + "/api/v1/listen/"
}
