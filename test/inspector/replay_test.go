package inspector_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestReplayIsTheSameDeliverySignedAnew(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "handled") })
	d := openDesk(t, "deduplicate", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, age: 4 * time.Minute, header: http.Header{"X-Trace": {"7"}}})
	original := d.last(t)
	first := testcaddy.OnlyRequest(t, backend)

	s := d.act(t, original.ID, "replay", nil)
	if !s.Guarded || !s.Signed || s.Secret != "production" || s.Outcome != "forwarded" || s.ReplayOf != original.ID || s.MessageID != "msg_1" {
		t.Errorf("the API tells %+v", s)
	}
	if s.Answer.Status != 200 || s.Answer.Body.Text != "handled" {
		t.Errorf("its answer is %+v", s.Answer)
	}
	second := testcaddy.OnlyRequest(t, backend)
	if string(second.Payload) != testcaddy.UserCreated || second.Header.Get("Svix-Id") != "msg_1" || second.Header.Get("X-Trace") != "7" {
		t.Errorf("the backend got %s %v", second.Payload, second.Header)
	}
	if second.Header.Get("Svix-Timestamp") <= first.Header.Get("Svix-Timestamp") {
		t.Error("its timestamp is not of now")
	}
	if got, want := second.Header.Get("X-Forwarded-For"), first.Header.Get("X-Forwarded-For"); got != want {
		t.Errorf("it comes from %s, and the original from %s", got, want)
	}
	replay := d.one(t, s.Entry)
	if replay.Origin != "replay" || replay.ReplayOf != original.ID || replay.RemoteAddr != original.RemoteAddr || !replay.Verified {
		t.Errorf("it is recorded as %+v", replay)
	}
	if replay.DurationMS != s.DurationMS {
		t.Errorf("it took %v ms in the list, and %v ms in the answer of the call", replay.DurationMS, s.DurationMS)
	}
	if got := d.one(t, original.ID).Replays; !slices.Equal(got, []string{s.Entry}) {
		t.Errorf("replays of the original: %v", got)
	}
	if a := d.deliver(t, message{body: testcaddy.UserCreated}); !strings.HasPrefix(a.Text, "Duplicate") {
		t.Errorf("a copy that is no replay got %d %s", a.StatusCode, a.Text)
	}
}

func TestReplayEndsWhenItsCallerGoes(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	var isReplay atomic.Bool
	backend := testcaddy.NewBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		if !isReplay.Load() {
			return
		}
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated})
	isReplay.Store(true)

	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.inspector+"/api/entries/"+d.last(t).ID+"/replay", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	go func() {
		if a, err := d.client.Do(r); err == nil {
			a.Body.Close()
		}
	}()
	for _, awaited := range []chan struct{}{arrived, ended} {
		select {
		case <-awaited:
		case <-time.After(10 * time.Second):
			t.Fatal("the replay does not arrive, or does not end")
		}
		hangUp()
	}
}

func TestReplayWithEdits(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{"X-Trace": {"7"}, "X-Gone": {"yes"}}})
	testcaddy.OnlyRequest(t, backend)
	id := d.last(t).ID

	for _, test := range []struct {
		name  string
		edits map[string]any
		body  string
		newID bool
	}{
		{"none", nil, testcaddy.UserCreated, false},
		{"the body", map[string]any{"body": `{"type":"x"}`}, `{"type":"x"}`, false},
		{"an empty body", map[string]any{"body": ""}, "", false},
		{"a body that is not JSON", map[string]any{"body": "{"}, "{", false},
		{"the type", map[string]any{"type": "user.deleted"}, `{"data":{"id":"user_1"},"type":"user.deleted"}`, false},
		{"a type that looks like JSON", map[string]any{"type": "true"}, `{"data":{"id":"user_1"},"type":"true"}`, false},
		{"body and type", map[string]any{"body": `{"type":"x","n":1}`, "type": "y"}, `{"type":"y","n":1}`, false},
		{"the last of two types, which counts", map[string]any{"body": ` {"type":"a","data":{"type":"b"},"ty\u0070e":"c"}`, "type": "y"}, ` {"type":"a","data":{"type":"b"},"ty\u0070e":"y"}`, false},
		{"the id", map[string]any{"new_id": true}, testcaddy.UserCreated, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			edits := map[string]any{"headers": map[string]any{"x-trace": "8", "X-Gone": nil, "X-New": "n"}}
			maps.Copy(edits, test.edits)
			if s := d.act(t, id, "replay", edits); s.Outcome != "forwarded" || !s.Signed {
				t.Fatalf("%+v", s)
			}
			got := testcaddy.OnlyRequest(t, backend)
			if string(got.Payload) != test.body {
				t.Errorf("body %s, want %s", got.Payload, test.body)
			}
			if h := got.Header; h.Get("X-Trace") != "8" || h.Get("X-Gone") != "" || h.Get("X-New") != "n" {
				t.Errorf("headers %v", h)
			}
			if isNew := got.Header.Get("Svix-Id") != "msg_1"; isNew != test.newID || !strings.HasPrefix(got.Header.Get("Svix-Id"), "msg_") {
				t.Errorf("id %s", got.Header.Get("Svix-Id"))
			}
		})
	}
}

func TestReplayRefusesEdits(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: "[]"})
	id := d.last(t).ID
	many := make(map[string]any)
	for n := range 201 {
		many[fmt.Sprint("X-", n)] = "1"
	}
	for _, test := range []struct {
		name string
		call any
	}{
		{"too many headers", map[string]any{"headers": many}},
		{"an id of one's own", map[string]any{"headers": map[string]any{"svix-id": "msg_2"}}},
		{"a signature of one's own", map[string]any{"headers": map[string]any{"Webhook-Signature": "v1,"}}},
		{"another length", map[string]any{"headers": map[string]any{"Content-Length": "1"}}},
		{"another host", map[string]any{"headers": map[string]any{"Host": "example.com"}}},
		{"a name that is none", map[string]any{"headers": map[string]any{"A B": "1"}}},
		{"two lines in one header", map[string]any{"headers": map[string]any{"A": "1\r\nB: 2"}}},
		{"an escape character", map[string]any{"headers": map[string]any{"A": "\x1b[2J"}}},
		{"one header in two spellings", map[string]any{"headers": map[string]any{"x-a": "1", "X-A": "2"}}},
		{"an expectation", map[string]any{"headers": map[string]any{"Expect": "100-continue"}}},
		{"a trailer", map[string]any{"headers": map[string]any{"trailer": "X-A"}}},
		{"another transfer encoding", map[string]any{"headers": map[string]any{"transfer-encoding": "chunked"}}},
		{"the signature away", map[string]any{"headers": map[string]any{"SVIX-SIGNATURE": nil}}},
		{"a body that is no text", map[string]any{"body": 7}},
		{"a type in a body too deep to read", map[string]any{"type": "user.created", "body": strings.Repeat("[", 1<<20)}},
		{"a type in what is no object", map[string]any{"type": "user.created"}},
		{"an unknown member", map[string]any{"boby": "{}"}},
		{"no object", []string{"body"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if code := d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", test.call, http.StatusBadRequest); code != "bad_request" {
				t.Errorf("code %s", code)
			}
		})
	}
	if entries := d.list(t, "origin=replay"); len(entries) != 0 {
		t.Errorf("%d replays all the same", len(entries))
	}
}

func TestReplayOfARejectedDeliveryIsRejectedAgain(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	forged := d.last(t)
	s := d.act(t, forged.ID, "replay", nil)
	if s.Signed || !s.Guarded || s.Outcome != "rejected" || s.Reason != "signature_mismatch" || s.Answer.Status != 403 {
		t.Errorf("the replay of a forgery: %+v", s)
	}
	testcaddy.WantNothing(t, backend)

	s = d.act(t, forged.ID, "sign-and-replay", map[string]any{"secret": "production"})
	if !s.Signed || s.Outcome != "forwarded" || s.MessageID != "msg_1" {
		t.Errorf("signed: %+v", s)
	}
	if got := testcaddy.OnlyRequest(t, backend); string(got.Payload) != testcaddy.UserCreated {
		t.Errorf("the backend got %s", got.Payload)
	}
	if code := d.refusal(t, http.MethodPost, "api/entries/"+forged.ID+"/sign-and-replay", map[string]any{"secret": "none"}, http.StatusConflict); code != "cannot_sign" {
		t.Errorf("with a secret that is not there: %s", code)
	}
}

// A Connection header that names a header of the signature has it refused.
func TestSigningMakesADeliveryGenuineWhateverItWas(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{"Connection": {"svix-id"}}})
	e := d.last(t)
	if s := d.act(t, e.ID, "sign-and-replay", map[string]any{"body": testcaddy.UserCreated}); e.Reason != "malformed_header" || s.Outcome != "forwarded" {
		t.Errorf("the original is %s, its replay %+v", e.Reason, s)
	}
}

func TestReplayOfWhatWasNotReadNeedsABody(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, age: time.Hour})
	e := d.last(t)
	if e.Replay.Possible || e.Replay.WhyNot == "" {
		t.Errorf("replay: %+v", e.Replay)
	}
	for _, call := range []string{"replay", "sign-and-replay"} {
		if code := d.refusal(t, http.MethodPost, "api/entries/"+e.ID+"/"+call, struct{}{}, http.StatusConflict); code != "body_cut" {
			t.Errorf("%s: %s", call, code)
		}
	}
	for _, export := range []string{"curl", "http"} {
		if code := d.refusal(t, http.MethodGet, "api/entries/"+e.ID+"/"+export, nil, http.StatusConflict); code != "body_cut" {
			t.Errorf("%s: %s", export, code)
		}
	}
	if s := d.act(t, e.ID, "sign-and-replay", map[string]any{"body": testcaddy.UserCreated}); s.Outcome != "forwarded" {
		t.Errorf("with a body: %+v", s)
	}
	testcaddy.OnlyRequest(t, backend)
}

// ed25519Pair returns a new public key, as a sender shows it, and its private
// one.
func ed25519Pair(t testing.TB) (string, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return "whpk_" + base64.StdEncoding.EncodeToString(public), private
}

func signEd25519(key ed25519.PrivateKey, id string, at time.Time, body string) string {
	signed := ed25519.Sign(key, fmt.Appendf(nil, "%s.%d.%s", id, at.Unix(), body))
	return "v1a," + base64.StdEncoding.EncodeToString(signed)
}

func TestReplayOfWhatAPublicKeyVerified(t *testing.T) {
	public, private := ed25519Pair(t)
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "secret partner "+public, "reverse_proxy "+backend.Address)
	now := time.Now()
	d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{
		"Svix-Timestamp": {fmt.Sprint(now.Unix())},
		"Svix-Signature": {signEd25519(private, "msg_1", now, testcaddy.UserCreated)},
	}})
	testcaddy.OnlyRequest(t, backend)
	e := d.last(t)
	if e.Secret != "partner" || !e.Replay.Possible || e.Replay.Signs {
		t.Fatalf("%s, replay %+v", e.Secret, e.Replay)
	}
	if s := d.act(t, e.ID, "replay", nil); s.Signed || s.Outcome != "forwarded" {
		t.Errorf("as it was: %+v", s)
	}
	testcaddy.OnlyRequest(t, backend)
	if s := d.act(t, e.ID, "replay", map[string]any{"body": "{}"}); s.Signed || s.Reason != "signature_mismatch" {
		t.Errorf("edited: %+v", s)
	}
	if s := d.act(t, e.ID, "sign-and-replay", map[string]any{"body": "{}"}); !s.Signed || s.Secret != "production" || s.Outcome != "forwarded" {
		t.Errorf("signed with another secret: %+v", s)
	}
}

func TestReplayGoesThroughTheConfigurationOfNow(t *testing.T) {
	d := openDesk(t, "", "respond before")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID

	d.reload(t, "", "respond after")
	if s := d.act(t, id, "replay", nil); s.Answer.Body.Text != "after" {
		t.Errorf("after a reload it is answered with %q", s.Answer.Body.Text)
	}

	d.reload(t, "events session.*", "respond after")
	if s := d.act(t, id, "replay", nil); s.Outcome != "filtered" || s.Answer.Status != 204 {
		t.Errorf("with other events: %+v", s)
	}

	d.load(t, strings.ReplaceAll(d.caddyfile("", "respond ok"), testcaddy.Secret, testcaddy.OtherSecret))
	if code := d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", struct{}{}, http.StatusConflict); code != "cannot_sign" {
		t.Errorf("without the secret: %s", code)
	}
}

func TestReplayPassesWhatStandsInFrontOfTheGuard(t *testing.T) {
	d := openDesk(t, "", "respond {http.request.remote.host}:{http.request.orig_uri}")
	config := strings.Replace(d.caddyfile("", "respond {http.request.orig_uri.path}|{http.request.uri.path}|{http.request.remote.host}"), "handle /webhooks/*", "handle_path /webhooks*", 1)
	d.load(t, config)
	first := d.deliver(t, message{body: testcaddy.UserCreated})
	if s := d.act(t, d.last(t).ID, "replay", nil); s.Answer.Body.Text != first.Text || !strings.Contains(first.Text, "/clerk|127.0.0.1") {
		t.Errorf("the original got %q, its replay %q", first.Text, s.Answer.Body.Text)
	}
}

func TestReplayOfADeliveryWhoseRouteIsGone(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	inspector := "http://" + d.inspector + " {\nclerk_webhook_inspector\n}\n"
	elsewhere := fmt.Sprintf("http://%s {\nclerk_webhook {\nsecret production %s\ninspect\n}\n}\n", testcaddy.FreeAddress(t), testcaddy.Secret)

	d.load(t, inspector+elsewhere+"http://"+d.hooks+" {\nrespond /webhooks/* \"no guard here\" 404\n}\n")
	if code := d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", struct{}{}, http.StatusConflict); code != "not_guarded" {
		t.Errorf("without a guard: %s", code)
	}

	d.load(t, inspector+elsewhere)
	if code := d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", struct{}{}, http.StatusConflict); code != "route_gone" {
		t.Errorf("without a site: %s", code)
	}
}

func TestReplayCarriesTheTLSStateOfTheOriginal(t *testing.T) {
	site := testcaddy.RunSite(t, fmt.Sprintf("handle /inspect/* {\nuri strip_prefix /inspect\nclerk_webhook_inspector\n}\nroute {\nclerk_webhook {\nsecret production %s\ninspect\n}\nrespond \"{http.request.scheme} {http.request.tls.version} {http.request.proto}\"\n}", testcaddy.Secret), "")
	d := &desk{inspector: site.Plain + "/inspect", client: site.Clients[0].Client}
	for _, client := range site.Clients {
		t.Run(client.Name, func(t *testing.T) {
			first := testcaddy.Send(t, client.Client, testcaddy.SignedRequest(t, client.URL+"/hook", testcaddy.Secret, testcaddy.UserCreated))
			if first.StatusCode != 200 {
				t.Fatalf("%d %s", first.StatusCode, first.Text)
			}
			if s := d.act(t, d.last(t).ID, "replay", nil); s.Answer.Body.Text != first.Text {
				t.Errorf("the original got %q, its replay %q", first.Text, s.Answer.Body.Text)
			}
		})
	}
}

func TestReplaySurvivesHandlersThatMisbehave(t *testing.T) {
	testcaddy.Behave(func(http.ResponseWriter, *http.Request) error { panic("a bug in a handler behind") })
	for _, behind := range []string{"abort", "test_handler"} {
		t.Run(behind, func(t *testing.T) {
			d := openDesk(t, "", "respond ok")
			d.deliver(t, message{body: testcaddy.UserCreated})
			id := d.last(t).ID
			d.reload(t, "", behind)
			if s := d.act(t, id, "replay", nil); !s.Guarded || s.Answer.State != "aborted" {
				t.Errorf("%+v", s)
			}
			if s := d.act(t, id, "replay", nil); s.Answer.State != "aborted" {
				t.Errorf("the second time %+v", s)
			}
		})
	}
}

func TestReplayOfARouteThatReplaysItselfEnds(t *testing.T) {
	var (
		d       *desk
		id      atomic.Value
		replays atomic.Int32
	)
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		own, ok := id.Load().(string)
		if !ok {
			return
		}
		replays.Add(1)
		res, err := http.Post("http://"+d.inspector+"/api/entries/"+own+"/replay", "application/json", strings.NewReader("{}"))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
	})
	d = openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated})
	id.Store(d.last(t).ID)
	d.act(t, d.last(t).ID, "replay", nil)
	if n := replays.Load(); n != 8 {
		t.Errorf("it was replayed %d times, want as often as may be at once", n)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Reading a replay and preparing it take memory, too.
func TestReplaysThatStillArriveCountAsReplays(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	path := "api/entries/" + d.last(t).ID + "/replay"
	for range 8 {
		conn, err := net.Dial("tcp", d.inspector)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", path, d.inspector)
		// The server asks for the body when the inspector begins to read it.
		if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, " 100 ") {
			t.Fatalf("answered %q, %v", line, err)
		}
	}
	if code := d.refusal(t, http.MethodPost, path, nil, http.StatusTooManyRequests); code != "busy" {
		t.Errorf("code %s", code)
	}
}

func TestReplayDoesNotReachTheInspector(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	d.reload(t, "", "uri replace "+hookPath+" /api/entries\nroute {\nclerk_webhook_inspector {\nallow_remote\n}\n}")
	s := d.act(t, id, "replay", nil)
	if s.Answer.Status != http.StatusLoopDetected || !strings.Contains(s.Answer.Body.Text, `"loop"`) {
		t.Errorf("%+v", s.Answer)
	}
}

func TestReplaySendsNoCredentialsUnlessTheyAreGiven(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{"Authorization": {"Bearer mine"}, "Cookie": {"a=mine"}, "Proxy-Authorization": {"Basic mine"}}})
	if got := testcaddy.OnlyRequest(t, backend); got.Header.Get("Authorization") != "Bearer mine" {
		t.Errorf("the original has %v", got.Header)
	}
	id := d.last(t).ID
	d.act(t, id, "replay", nil)
	if got := testcaddy.OnlyRequest(t, backend); got.Header["Authorization"] != nil || got.Header["Cookie"] != nil || got.Header["Proxy-Authorization"] != nil {
		t.Errorf("the replay has %v", got.Header)
	}
	d.act(t, id, "replay", map[string]any{"headers": map[string]any{"Authorization": "Bearer other"}})
	if got := testcaddy.OnlyRequest(t, backend); got.Header.Get("Authorization") != "Bearer other" {
		t.Errorf("the edited replay has %v", got.Header)
	}
}

// What is sent inside the process has no connection to be taken over or closed.
func TestReplayWithHeadersOfTheConnection(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	})
	d := openDesk(t, "report_only", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret}) // whose headers go on as they are
	id := d.last(t).ID
	for _, headers := range []map[string]any{
		{"Connection": "Upgrade", "Upgrade": "websocket"},
		{"Connection": "close, Content-Length"},
		{"Te": "trailers"},
		{"Keep-Alive": "timeout=1", "Proxy-Connection": "close"},
	} {
		if s := d.act(t, id, "replay", map[string]any{"headers": headers}); !s.Guarded || s.Answer.Status == 0 {
			t.Errorf("%v: %+v", headers, s)
		}
	}
	if s := d.act(t, id, "replay", nil); s.Answer.Status != http.StatusOK {
		t.Errorf("afterwards %+v", s)
	}
}

func TestReplayOfATargetWithAHost(t *testing.T) {
	d := openDesk(t, "report_only", "respond {http.request.uri}")
	status, text := exchangeRaw(t, "tcp", d.hooks, "POST http://"+d.hooks+hookPath+"?a=%2f HTTP/1.1\r\nHost: other.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	e := d.last(t)
	if want := "http://" + d.hooks + hookPath + "?a=%2f"; e.URL != want {
		t.Errorf("its URL is %s, want %s", e.URL, want)
	}
	if s := d.act(t, e.ID, "replay", nil); s.Answer.Body.Text != text {
		t.Errorf("the original got %q, its replay %q", text, s.Answer.Body.Text)
	}
}

func TestReplayBehindALoadBalancer(t *testing.T) {
	d := newDesk(t)
	testcaddy.Run(t, d.caddyfile("report_only", "respond {http.request.remote}"), "servers "+d.hooks+" {\nlistener_wrappers {\nproxy_protocol {\nallow 127.0.0.1/32\n}\n}\n}")
	status, text := exchangeRaw(t, "tcp", d.hooks, "PROXY TCP4 198.51.100.7 203.0.113.9 4711 443\r\nPOST "+hookPath+" HTTP/1.1\r\nHost: "+d.hooks+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if status != http.StatusOK || text != "198.51.100.7:4711" {
		t.Fatalf("%d %s", status, text)
	}
	if s := d.act(t, d.last(t).ID, "replay", nil); s.Answer.Body.Text != text {
		t.Errorf("the original got %q, its replay %+v", text, s)
	}
}

func TestReplayOfWhatCameThroughASocket(t *testing.T) {
	socket := filepath.Join(testcaddy.StorageDir(t), "s")
	d := newDesk(t)
	testcaddy.Run(t, strings.Replace(d.caddyfile("report_only", "respond ok"), "http://"+d.hooks+" {", "http://localhost {\nbind unix/"+socket, 1))
	exchangeRaw(t, "unix", socket, "POST "+hookPath+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if s := d.act(t, d.last(t).ID, "replay", nil); !s.Guarded || s.Answer.Body.Text != "ok" {
		t.Errorf("%+v", s)
	}
}

// Everything at once: deliveries, replays, looks, streams, and reloads between.
func TestReloadsWhileEverythingIsUsed(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "deduplicate", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	ctx, stop := context.WithCancel(t.Context())
	var users sync.WaitGroup
	answered := make(chan struct{})
	use := func(method, path, body string) {
		users.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, method, "http://"+d.inspector+path, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				res, err := client.Do(r)
				if err != nil {
					continue // a listener that was just closed
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode == http.StatusInternalServerError {
					t.Errorf("%s %s: %d", method, path, res.StatusCode)
				}
				select {
				case answered <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	use(http.MethodPost, "/api/entries/"+id+"/replay", "{}")
	use(http.MethodPost, "/api/send", `{"type":"user.created"}`)
	use(http.MethodGet, "/api/entries?text=user", "")
	use(http.MethodGet, "/api/entries/"+id, "")
	use(http.MethodGet, "/api/status", "")
	use(http.MethodGet, "/api/stream", "")
	users.Go(func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for i := 0; ctx.Err() == nil; i++ {
			if res, err := client.Do(d.request(t, message{id: fmt.Sprint("msg_", i), body: testcaddy.UserCreated})); err == nil {
				res.Body.Close()
			}
		}
	})
	for i := range 10 {
		d.reload(t, fmt.Sprintf("deduplicate\ntolerance %dm", 3+i%2), "reverse_proxy "+backend.Address)
		for range 20 {
			<-answered
		}
	}
	stop()
	users.Wait()
	if s := d.act(t, id, "replay", nil); s.Outcome != "forwarded" {
		t.Errorf("afterwards %+v", s)
	}
}

func TestReplayOfATargetThatIsNoPath(t *testing.T) {
	d := newDesk(t)
	_, port, _ := strings.Cut(d.hooks, ":")
	testcaddy.Run(t, fmt.Sprintf("http://:%s {\nroute {\nclerk_webhook {\nsecret %s\ninspect\n}\n}\n}\nhttp://%s {\nclerk_webhook_inspector\n}\n", port, testcaddy.Secret, d.inspector))
	exchangeRaw(t, "tcp", d.hooks, "GET mailto:a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if code := d.refusal(t, http.MethodPost, "api/entries/"+d.last(t).ID+"/replay", struct{}{}, http.StatusBadRequest); code != "bad_request" {
		t.Error(code)
	}
}

// A replay is signed with the secret that verified the delivery, also if that is one of
// several on a line.
func TestReplayDuringARotation(t *testing.T) {
	const second = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "secret moving "+testcaddy.OtherSecret+" "+second, "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, secret: second})
	original := d.last(t)
	if original.Secret != "moving/2" || original.Replay.Secret != "moving/2" {
		t.Errorf("it was verified by %q, and a replay would be signed with %q", original.Secret, original.Replay.Secret)
	}
	testcaddy.OnlyRequest(t, backend)
	if s := d.act(t, original.ID, "replay", nil); !s.Signed || s.Secret != "moving/2" || s.Outcome != "forwarded" {
		t.Errorf("the API tells %+v", s)
	}
	testcaddy.OnlyRequest(t, backend)
}
