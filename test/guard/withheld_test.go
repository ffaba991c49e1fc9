package guard_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// A handler in front can have a copy of the request. An error route behind it must get
// nothing of the body, also where the guard stops dropping it: the server has read a
// little further by then.
func TestCopiesOfARejectedRequestHaveNoBody(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	backend := testcaddy.NewBackend(t, nil)
	reached := 0
	login := testcaddy.NewBackend(t, nil)
	for name, test := range map[string]struct {
		front   string
		dropped int // how much the guard, or a limit in front of it, reads of a body
	}{
		"tracing":              {"tracing", 2 << 20},
		"tracing and timeouts": {"timeouts {\nread_timeout 20s\n}\ntracing", 2 << 20},
		"tracing and a limit":  {"tracing\nrequest_body {\nmax_size 1KB\n}", 1001},
		"forward_auth":         {"forward_auth " + login.Address + " {\nuri /\ncopy_headers X-Role\n}", 2 << 20},
	} {
		site := testcaddy.RunSite(t, test.front+"\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nrespond 204\nhandle_errors {\nreverse_proxy "+backend.Address+"\n}", "")
		for method, header := range map[string]string{
			http.MethodPost: "",
			http.MethodPut:  "Trailer: Svix-Id\r\n",
		} {
			t.Run(name+"/"+method, func(t *testing.T) {
				backend.Take()
				sendRaw(t, site.Plain, method+" /hooks HTTP/1.1\r\nHost: "+site.Plain+"\r\nTransfer-Encoding: chunked\r\n"+header+"\r\n"+
					strings.Repeat(chunk(strings.Repeat(" ", 1000)), test.dropped/1000)+
					chunk(strings.Repeat(" ", test.dropped%1000))+chunk(testcaddy.UserCreated)+"0\r\nSvix-Id: msg_1\r\n\r\n")
				for _, got := range backend.Take() { // none if the route gives up before
					reached++
					checkNothingOfADelivery(t, got)
				}
			})
		}
	}
	if reached == 0 {
		t.Error("no request reached the error route")
	}
}

// A placeholder in front can have read the whole body into memory. It keeps that in the
// first request. An error route must get nothing of it, wherever the guard's copy of the
// request was made.
func TestBuffersOfARejectedRequestReachNoErrorRoute(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	backend := testcaddy.NewBackend(t, nil)
	login := testcaddy.NewBackend(t, nil)
	const buffer = "vars seen {http.request.body}\n"
	login200 := "forward_auth " + login.Address + " {\nuri /\n}\n"
	large := strings.Repeat(" ", 3<<20) + testcaddy.UserCreated
	for name, front := range map[string]struct {
		directives string
		reaches    bool // the error route
	}{
		"a copy of the buffered request": {buffer + login200, true},
		"a buffer of the first request":  {"tracing\n" + buffer, false},
		"the same behind forward_auth":   {login200 + buffer, false},
	} {
		site := testcaddy.RunSite(t, "route {\n"+front.directives+"clerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nrespond 204\n}\n"+
			"handle_errors {\nreverse_proxy "+backend.Address+"\n}", "")
		for _, client := range site.Clients {
			reached := 0
			for kind, request := range map[string]*http.Request{
				"unsigned":            unsignedRequest(t, client.URL, testcaddy.UserCreated),
				"forged":              testcaddy.SignedRequest(t, client.URL, testcaddy.OtherSecret, testcaddy.UserCreated),
				"too large":           testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, large),
				"unsigned and large":  unsignedRequest(t, client.URL, large),
				"large, in chunks":    inChunks(unsignedRequest(t, client.URL, large)),
				"with an expectation": expectant(unsignedRequest(t, client.URL, testcaddy.UserCreated)),
			} {
				t.Run(name+"/"+client.Name+"/"+kind, func(t *testing.T) {
					answer := testcaddy.Send(t, client.Client, request)
					for _, got := range backend.Take() { // none if the route gives up before
						reached++
						checkNothingOfADelivery(t, got)
					}
					if reached == 0 && answer.StatusCode < 400 {
						t.Errorf("the answer is %d", answer.StatusCode)
					}
				})
			}
			if reached == 0 && front.reaches {
				t.Errorf("%s, %s: no request reached the error route", name, client.Name)
			}
		}
	}
}

func unsignedRequest(t *testing.T, url, payload string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url+"/hooks", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func inChunks(r *http.Request) *http.Request {
	r.ContentLength, r.GetBody = -1, nil
	return r
}

func expectant(r *http.Request) *http.Request {
	r.Header.Set("Expect", "100-continue")
	return r
}

func chunk(data string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(data), data) }

// sendRaw sends a request and waits for the end of the connection.
func sendRaw(t *testing.T, address, request string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, request) // the server may close before it has read all
	_, _ = io.Copy(io.Discard, conn)
}

// A placeholder in front keeps the error of a broken body to itself. The guard sees that
// bytes are missing, and what follows is not read as the next request.
func TestBodyThatBreaksOffInFrontIsIncomplete(t *testing.T) {
	for option, status := range map[string]int{"": http.StatusBadRequest, "report_only": http.StatusOK} {
		t.Run(option, func(t *testing.T) {
			site := testcaddy.RunSite(t, "route {\nvars seen {http.request.body}\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n"+option+"\n}\nrespond ok\n}",
				"timeouts {\nread_body_idle 300ms\n}")
			r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
			r.set("Content-Length", "1000")
			conn := dial(t, site.Plain)
			if err := letGo(conn, r.head()+strings.Repeat("x", 500), status); err != nil {
				t.Error(err)
			}
		})
	}
}
