package clerkwebhook_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// sent is what the API tells of a replay or an example.
type sent struct {
	Entry     string
	ReplayOf  string `json:"replay_of"`
	MessageID string `json:"message_id"`
	Signed    bool
	Secret    string
	Guarded   bool
	Outcome   string
	Reason    string
	Note      string
	Answer    entryAnswer
}

// act makes the call about the entry, which must succeed.
func (d *desk) act(t testing.TB, id, call string, body map[string]any) (s sent) {
	t.Helper()
	if body == nil {
		body = map[string]any{}
	}
	d.call(t, http.MethodPost, "api/entries/"+id+"/"+call, body, http.StatusOK, &s)
	return s
}

// refusal makes a call that must be refused, and returns the code.
func (d *desk) refusal(t testing.TB, method, path string, body any, status int) string {
	t.Helper()
	var r struct{ Code, Error string }
	d.call(t, method, path, body, status, &r)
	if r.Error == "" {
		t.Errorf("the refusal %s says nothing", r.Code)
	}
	return r.Code
}

func TestReplayIsTheSameDeliverySignedAnew(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "handled") })
	d := openDesk(t, "deduplicate", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: userCreated, age: 4 * time.Minute, header: http.Header{"X-Trace": {"7"}}})
	original := d.last(t)
	first := onlyRequest(t, backend)

	s := d.act(t, original.ID, "replay", nil)
	if !s.Guarded || !s.Signed || s.Secret != "production" || s.Outcome != "forwarded" || s.ReplayOf != original.ID || s.MessageID != "msg_1" {
		t.Errorf("the API tells %+v", s)
	}
	if s.Answer.Status != 200 || s.Answer.Body.Text != "handled" {
		t.Errorf("its answer is %+v", s.Answer)
	}
	second := onlyRequest(t, backend)
	if string(second.Payload) != userCreated || second.Header.Get("Svix-Id") != "msg_1" || second.Header.Get("X-Trace") != "7" {
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
	if got := d.one(t, original.ID).Replays; !slices.Equal(got, []string{s.Entry}) {
		t.Errorf("replays of the original: %v", got)
	}
	if a := d.deliver(t, message{body: userCreated}); !strings.HasPrefix(a.text, "Duplicate") {
		t.Errorf("a copy that is no replay got %d %s", a.StatusCode, a.text)
	}
}

func TestReplayWithEdits(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: userCreated, header: http.Header{"X-Trace": {"7"}, "X-Gone": {"yes"}}})
	onlyRequest(t, backend)
	id := d.last(t).ID

	for _, test := range []struct {
		name  string
		edits map[string]any
		body  string
		newID bool
	}{
		{"none", nil, userCreated, false},
		{"the body", map[string]any{"body": `{"type":"x"}`}, `{"type":"x"}`, false},
		{"an empty body", map[string]any{"body": ""}, "", false},
		{"a body that is not JSON", map[string]any{"body": "{"}, "{", false},
		{"the type", map[string]any{"type": "user.deleted"}, `{"data":{"id":"user_1"},"type":"user.deleted"}`, false},
		{"a type that looks like JSON", map[string]any{"type": "true"}, `{"data":{"id":"user_1"},"type":"true"}`, false},
		{"body and type", map[string]any{"body": `{"type":"x","n":1}`, "type": "y"}, `{"type":"y","n":1}`, false},
		{"the id", map[string]any{"new_id": true}, userCreated, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			edits := map[string]any{"headers": map[string]any{"x-trace": "8", "X-Gone": nil, "X-New": "n"}}
			maps.Copy(edits, test.edits)
			if s := d.act(t, id, "replay", edits); s.Outcome != "forwarded" || !s.Signed {
				t.Fatalf("%+v", s)
			}
			got := onlyRequest(t, backend)
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
	for _, test := range []struct {
		name string
		call any
	}{
		{"an id of one's own", map[string]any{"headers": map[string]any{"svix-id": "msg_2"}}},
		{"a signature of one's own", map[string]any{"headers": map[string]any{"Webhook-Signature": "v1,"}}},
		{"another length", map[string]any{"headers": map[string]any{"Content-Length": "1"}}},
		{"another host", map[string]any{"headers": map[string]any{"Host": "example.com"}}},
		{"a name that is none", map[string]any{"headers": map[string]any{"A B": "1"}}},
		{"two lines in one header", map[string]any{"headers": map[string]any{"A": "1\r\nB: 2"}}},
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
	d.deliver(t, message{body: userCreated, secret: otherSecret})
	forged := d.last(t)
	s := d.act(t, forged.ID, "replay", nil)
	if s.Signed || !s.Guarded || s.Outcome != "rejected" || s.Reason != "signature_mismatch" || s.Answer.Status != 403 {
		t.Errorf("the replay of a forgery: %+v", s)
	}
	wantNothing(t, backend)

	s = d.act(t, forged.ID, "sign-and-replay", map[string]any{"secret": "production"})
	if !s.Signed || s.Outcome != "forwarded" || s.MessageID != "msg_1" {
		t.Errorf("signed: %+v", s)
	}
	if got := onlyRequest(t, backend); string(got.Payload) != userCreated {
		t.Errorf("the backend got %s", got.Payload)
	}
	if code := d.refusal(t, http.MethodPost, "api/entries/"+forged.ID+"/sign-and-replay", map[string]any{"secret": "none"}, http.StatusConflict); code != "cannot_sign" {
		t.Errorf("with a secret that is not there: %s", code)
	}
}

func TestReplayOfWhatWasNotReadNeedsABody(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: userCreated, age: time.Hour})
	e := d.last(t)
	if e.Replay.Possible || e.Replay.WhyNot == "" {
		t.Errorf("replay: %+v", e.Replay)
	}
	for _, call := range []string{"replay", "sign-and-replay"} {
		if code := d.refusal(t, http.MethodPost, "api/entries/"+e.ID+"/"+call, struct{}{}, http.StatusConflict); code != "body_cut" {
			t.Errorf("%s: %s", call, code)
		}
	}
	if s := d.act(t, e.ID, "sign-and-replay", map[string]any{"body": userCreated}); s.Outcome != "forwarded" {
		t.Errorf("with a body: %+v", s)
	}
	onlyRequest(t, backend)
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
	d.deliver(t, message{body: userCreated, header: http.Header{
		"Svix-Timestamp": {fmt.Sprint(now.Unix())},
		"Svix-Signature": {signEd25519(private, "msg_1", now, userCreated)},
	}})
	onlyRequest(t, backend)
	e := d.last(t)
	if e.Secret != "partner" || !e.Replay.Possible || e.Replay.Signs {
		t.Fatalf("%s, replay %+v", e.Secret, e.Replay)
	}
	if s := d.act(t, e.ID, "replay", nil); s.Signed || s.Outcome != "forwarded" {
		t.Errorf("as it was: %+v", s)
	}
	onlyRequest(t, backend)
	if s := d.act(t, e.ID, "replay", map[string]any{"body": "{}"}); s.Signed || s.Reason != "signature_mismatch" {
		t.Errorf("edited: %+v", s)
	}
	if s := d.act(t, e.ID, "sign-and-replay", map[string]any{"body": "{}"}); !s.Signed || s.Secret != "production" || s.Outcome != "forwarded" {
		t.Errorf("signed with another secret: %+v", s)
	}
}

func TestReplayGoesThroughTheConfigurationOfNow(t *testing.T) {
	d := openDesk(t, "", "respond before")
	d.deliver(t, message{body: userCreated})
	id := d.last(t).ID

	d.reload(t, "", "respond after")
	if s := d.act(t, id, "replay", nil); s.Answer.Body.Text != "after" {
		t.Errorf("after a reload it is answered with %q", s.Answer.Body.Text)
	}

	d.reload(t, "events session.*", "respond after")
	if s := d.act(t, id, "replay", nil); s.Outcome != "filtered" || s.Answer.Status != 204 {
		t.Errorf("with other events: %+v", s)
	}

	d.load(t, strings.ReplaceAll(d.caddyfile("", "respond ok"), testSecret, otherSecret))
	if code := d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", struct{}{}, http.StatusConflict); code != "cannot_sign" {
		t.Errorf("without the secret: %s", code)
	}
}

func TestReplayPassesWhatStandsInFrontOfTheGuard(t *testing.T) {
	d := openDesk(t, "", "respond {http.request.remote.host}:{http.request.orig_uri}")
	config := strings.Replace(d.caddyfile("", "respond {http.request.orig_uri.path}|{http.request.uri.path}|{http.request.remote.host}"), "handle /webhooks/*", "handle_path /webhooks*", 1)
	d.load(t, config)
	first := d.deliver(t, message{body: userCreated})
	if s := d.act(t, d.last(t).ID, "replay", nil); s.Answer.Body.Text != first.text || !strings.Contains(first.text, "/clerk|127.0.0.1") {
		t.Errorf("the original got %q, its replay %q", first.text, s.Answer.Body.Text)
	}
}

func TestReplayOfADeliveryWhoseRouteIsGone(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: userCreated})
	id := d.last(t).ID
	inspector := "http://" + d.inspector + " {\nclerk_webhook_inspector\n}\n"
	elsewhere := fmt.Sprintf("http://%s {\nclerk_webhook {\nsecret production %s\ninspect\n}\n}\n", testcaddy.FreeAddress(t), testSecret)

	d.load(t, inspector+elsewhere+"http://"+d.hooks+" {\nrespond /webhooks/* \"no guard here\" 404\n}\n")
	s := d.act(t, id, "replay", nil)
	if s.Guarded || s.Entry != "" || !strings.Contains(s.Note, "gone") || s.Answer.Status != 404 || s.Answer.Body.Text != "no guard here" {
		t.Errorf("without a guard: %+v", s)
	}

	d.load(t, inspector+elsewhere)
	if code := d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", struct{}{}, http.StatusConflict); code != "route_gone" {
		t.Errorf("without a site: %s", code)
	}
}

func TestReplayCarriesTheTLSStateOfTheOriginal(t *testing.T) {
	inspector := testcaddy.FreeAddress(t)
	site := testcaddy.RunSite(t, fmt.Sprintf("route {\nclerk_webhook {\nsecret production %s\ninspect\n}\nrespond \"{http.request.scheme} {http.request.tls.version} {http.request.proto}\"\n}", testSecret), "")
	d := &desk{inspector: inspector, client: site.Clients[0].Client}
	site.Reload(t, fmt.Sprintf("handle /inspect/* {\nuri strip_prefix /inspect\nclerk_webhook_inspector\n}\nroute {\nclerk_webhook {\nsecret production %s\ninspect\n}\nrespond \"{http.request.scheme} {http.request.tls.version} {http.request.proto}\"\n}", testSecret))
	d.inspector = strings.TrimPrefix(site.Clients[0].URL, "http://") + "/inspect"
	for _, client := range site.Clients {
		t.Run(client.Name, func(t *testing.T) {
			client.CloseIdleConnections()
			first := send(t, client.Client, signedRequest(t, client.URL+"/hook", testSecret, userCreated))
			if first.StatusCode != 200 {
				t.Fatalf("%d %s", first.StatusCode, first.text)
			}
			if s := d.act(t, d.last(t).ID, "replay", nil); s.Answer.Body.Text != first.text {
				t.Errorf("the original got %q, its replay %q", first.text, s.Answer.Body.Text)
			}
		})
	}
}

func TestReplaySurvivesHandlersThatMisbehave(t *testing.T) {
	for _, behind := range []string{"abort", "clerk_webhook_test_panic"} {
		t.Run(behind, func(t *testing.T) {
			d := openDesk(t, "", "respond ok")
			d.deliver(t, message{body: userCreated})
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
	d.deliver(t, message{body: userCreated})
	id.Store(d.last(t).ID)
	d.act(t, d.last(t).ID, "replay", nil)
	if n := replays.Load(); n != 8 {
		t.Errorf("it was replayed %d times, want as often as may be at once", n)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestReplayDoesNotReachTheInspector(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: userCreated})
	id := d.last(t).ID
	d.reload(t, "", "uri replace "+hookPath+" /api/entries\nroute {\nclerk_webhook_inspector {\nallow_remote\n}\n}")
	s := d.act(t, id, "replay", nil)
	if s.Answer.Status != http.StatusLoopDetected || !strings.Contains(s.Answer.Body.Text, `"loop"`) {
		t.Errorf("%+v", s.Answer)
	}
}

func TestSendAnExample(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	for _, test := range []struct {
		name   string
		call   map[string]any
		body   string // or the beginning
		wantID string
	}{
		{"of the catalogue", map[string]any{"type": "user.created"}, `{"data":{`, ""},
		{"to a named endpoint", map[string]any{"type": "user.created", "endpoint": "default"}, `{"data":{`, ""},
		{"with a payload", map[string]any{"payload": userCreated, "message_id": "msg_mine"}, userCreated, "msg_mine"},
		{"with another secret", map[string]any{"type": "session.ended", "secret": "previous"}, `{"data":{`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, "secret previous "+otherSecret, "reverse_proxy "+backend.Address)
			var s sent
			d.call(t, http.MethodPost, "api/send", test.call, http.StatusOK, &s)
			got := onlyRequest(t, backend)
			if !strings.HasPrefix(string(got.Payload), test.body) || got.URL.Path != "/webhooks/" || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("the backend got %s at %s with %v", got.Payload, got.URL, got.Header)
			}
			if id := got.Header.Get("Svix-Id"); id != s.MessageID || test.wantID != "" && id != test.wantID {
				t.Errorf("its id is %s", id)
			}
			e := d.one(t, s.Entry)
			want := cmp.Or(fmt.Sprint(test.call["secret"]), "production")
			if test.call["secret"] == nil {
				want = "production"
			}
			if e.Origin != "example" || e.Outcome != "forwarded" || e.Secret != want {
				t.Errorf("it is recorded as %s, %s, %s", e.Origin, e.Outcome, e.Secret)
			}
		})
	}
}

func TestSendGoesWhereTheLastDeliveryCameIn(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: userCreated})
	onlyRequest(t, backend)
	d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created"}, http.StatusOK, nil)
	if got := onlyRequest(t, backend); got.URL.Path != hookPath {
		t.Errorf("it went to %s", got.URL.Path)
	}
	d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created", "url": "http://" + d.hooks + "/webhooks/other"}, http.StatusOK, nil)
	if got := onlyRequest(t, backend); got.URL.Path != "/webhooks/other" {
		t.Errorf("it went to %s", got.URL.Path)
	}
}

func TestSendRefuses(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, test := range []struct {
		name, code string
		call       map[string]any
		status     int
	}{
		{"an unknown type without a payload", "bad_request", map[string]any{"type": "user.exploded"}, 400},
		{"an unknown endpoint", "unknown_endpoint", map[string]any{"type": "user.created", "endpoint": "other"}, 409},
		{"an unknown secret", "cannot_sign", map[string]any{"type": "user.created", "secret": "other"}, 409},
		{"an id that cannot be one", "bad_request", map[string]any{"type": "user.created", "message_id": "a b"}, 400},
		{"another host", "bad_request", map[string]any{"type": "user.created", "url": "http://192.0.2.1/"}, 400},
		{"another scheme", "bad_request", map[string]any{"type": "user.created", "url": "file:///etc/passwd"}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			if code := d.refusal(t, http.MethodPost, "api/send", test.call, test.status); code != test.code {
				t.Errorf("code %s, want %s", code, test.code)
			}
		})
	}
}

func TestSendFindsEndpointsInTheConfiguration(t *testing.T) {
	address, inspector := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	guard := func(name string) string {
		return fmt.Sprintf("clerk_webhook {\nname %s\nsecret %s\ninspect\n}\nrespond ok\n", name, testSecret)
	}
	testcaddy.Run(t, fmt.Sprintf(`
http://%s {
	handle_path /prefix/* {
		handle /deep/hook {
			%s
		}
		handle {
			%s
		}
	}
	@special path /special/one /special/two
	handle @special {
		%s
	}
	handle {
		%s
	}
}
http://%s {
	clerk_webhook_inspector
}
`, address, guard("deep"), guard("prefix"), guard("special"), guard("rest"), inspector))
	d := &desk{inspector: inspector, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	var status struct{ Endpoints []struct{ Name, URL string } }
	d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
	got := map[string]string{}
	for _, e := range status.Endpoints {
		got[e.Name] = strings.TrimPrefix(e.URL, "http://"+address)
		var s sent
		d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created", "endpoint": e.Name}, http.StatusOK, &s)
		if !s.Guarded || d.one(t, s.Entry).Endpoint != e.Name {
			t.Errorf("%s was sent to %s, but %+v", e.Name, e.URL, s)
		}
	}
	want := map[string]string{"deep": "/prefix/deep/hook", "prefix": "/prefix/", "special": "/special/one", "rest": "/"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestExports(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	body := `{"type":"user.created","data":"it's $(touch /tmp/no) ` + "`id`" + ` & <script>"}`
	d.deliver(t, message{body: body, header: http.Header{"X-Quote": {"it's; $HOME"}, "Authorization": {"Bearer x"}}})
	first := d.last(t)

	t.Run("curl sends the same request", func(t *testing.T) {
		command := d.callText(t, http.MethodGet, "api/entries/"+first.ID+"/curl", nil, http.StatusOK)
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		again := d.last(t)
		if again.ID == first.ID || again.Outcome != "forwarded" || again.Request.Body.Text != body || fieldOf(again.Request.Headers, "X-Quote").Value != "it's; $HOME" {
			t.Errorf("%s, %+v", again.Outcome, again.Request)
		}
		if fieldOf(again.Request.Headers, "Authorization").Name != "" {
			t.Error("a redacted header was sent")
		}
	})
	t.Run("curl sends bytes that are no text", func(t *testing.T) {
		d.deliver(t, message{body: "\x00\xff'"})
		binary := d.last(t)
		command := d.callText(t, http.MethodGet, "api/entries/"+binary.ID+"/curl", nil, http.StatusOK)
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again := d.last(t); again.ID == binary.ID || again.Outcome != "forwarded" {
			t.Errorf("%+v", again)
		}
	})
	t.Run("HAR", func(t *testing.T) {
		var har struct {
			Log struct {
				Version string
				Entries []struct {
					StartedDateTime time.Time
					Request         struct {
						Method, URL string
						PostData    struct{ MimeType, Text string }
					}
					Response struct {
						Status  int
						Content struct{ Text string }
					}
					Delivery entry `json:"_delivery"`
				}
			}
		}
		d.call(t, http.MethodGet, "api/har?id="+first.ID, nil, http.StatusOK, &har)
		if har.Log.Version != "1.2" || len(har.Log.Entries) != 1 {
			t.Fatalf("%+v", har)
		}
		e := har.Log.Entries[0]
		if e.Request.Method != "POST" || e.Request.URL != first.URL || e.Request.PostData.Text != body || e.Response.Status != 200 || e.Response.Content.Text != "ok" || e.Delivery.ID != first.ID || e.StartedDateTime.IsZero() {
			t.Errorf("%+v", e)
		}
	})
}

func TestJSONHoldsNoMarkup(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: `{"type":"user.created","data":"</script><script>alert(1)</script>"}`, header: http.Header{"X-Evil": {"<img src=x onerror=alert(1)>"}}})
	id := d.last(t).ID
	for _, path := range []string{"api/entries", "api/entries/" + id, "api/entries/" + id + "/har", "api/entries?type=<script>", "api/messages/<script>"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.inspector+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := send(t, d.client, r)
		if strings.ContainsAny(a.text, "<>") || a.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %s %s", path, a.Header.Get("Content-Type"), a.text)
		}
	}
}

func TestInspectorAnswersThisMachineOnly(t *testing.T) {
	local, open := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	_, port, _ := strings.Cut(local, ":")
	_, openPort, _ := strings.Cut(open, ":")
	// Sites without a host, so that the inspector alone decides about names.
	testcaddy.Run(t, "http://:"+port+" {\nclerk_webhook_inspector\n}\nhttp://:"+openPort+" {\nclerk_webhook_inspector {\nallow_remote\n}\n}\n", "default_bind 127.0.0.1")
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for _, test := range []struct {
		name, host string
		header     http.Header
		status     int
		remoteIs   int // the status with allow_remote
	}{
		{"by IPv4 address", "127.0.0.1:" + port, nil, 200, 200},
		{"by IPv6 address", "[::1]:" + port, nil, 200, 200},
		{"by IPv6 address without a port", "[::1]", nil, 200, 200},
		{"by name", "localhost:" + port, nil, 200, 200},
		{"by name in capitals", "LOCALHOST", nil, 200, 200},
		{"rebound name", "evil.example:" + port, nil, 403, 200},
		{"name below localhost", "evil.localhost", nil, 403, 200},
		{"name that begins with it", "localhost.evil.example", nil, 403, 200},
		{"another loopback address", "127.0.0.2", nil, 403, 200},
		{"forwarded by a proxy", "localhost", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, 403, 200},
		{"forwarded by a tunnel", "localhost", http.Header{"Forwarded": {"for=192.0.2.1"}}, 403, 200},
		{"forwarded by a cache", "localhost", http.Header{"Via": {"1.1 cache"}}, 403, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, path := range []string{"/", "/api/status", "/api/stream", "/api/nothing"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+local+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = test.host
				maps.Copy(r.Header, test.header)
				want := test.status
				if path == "/api/nothing" && want == 200 {
					want = 404
				}
				if a := send(t, client, r); a.StatusCode != want {
					t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
				}
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+open+"/api/status", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = test.host
			maps.Copy(r.Header, test.header)
			if a := send(t, client, r); a.StatusCode != test.remoteIs {
				t.Errorf("with allow_remote: %d, want %d", a.StatusCode, test.remoteIs)
			}
		})
	}
}

func TestInspectorRefusesOtherSites(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: userCreated})
	id := d.last(t).ID
	for _, test := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"no browser", nil, 200},
		{"the page itself", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a site of the same domain", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"another site in an old browser", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"no origin", http.Header{"Origin": {"null"}}, 403},
		{"another port", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
		{"the page in an old browser", http.Header{"Origin": {"http://" + d.inspector}}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, call := range []struct{ method, path, body string }{
				{"POST", "api/entries/" + id + "/replay", "{}"},
				{"POST", "api/entries/" + id + "/sign-and-replay", "{}"},
				{"POST", "api/send", `{"type":"user.created"}`},
				{"DELETE", "api/entries?nothing", ""},
			} {
				if call.method == "DELETE" && test.status == 200 {
					continue // the entry is needed
				}
				r, err := http.NewRequestWithContext(t.Context(), call.method, "http://"+d.inspector+"/"+call.path, strings.NewReader(call.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				maps.Copy(r.Header, test.header)
				if a := send(t, d.client, r); a.StatusCode != test.status {
					t.Errorf("%s %s: %d, want %d: %s", call.method, call.path, a.StatusCode, test.status, a.text)
				}
			}
		})
	}
	t.Run("a form", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.inspector+"/api/send", strings.NewReader(`{"type":"user.created"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		if a := send(t, d.client, r); a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%d", a.StatusCode)
		}
	})
	t.Run("a call that is too large", func(t *testing.T) {
		if code := d.refusal(t, http.MethodPost, "api/send", map[string]string{"payload": strings.Repeat("x", 4<<20)}, http.StatusRequestEntityTooLarge); code != "too_large" {
			t.Errorf("code %s", code)
		}
	})
}

func TestEveryAnswerOfTheInspectorIsProtected(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, path := range []string{"/", "/api/status", "/api/entries/none", "/nothing"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.inspector+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := send(t, d.client, r)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-store",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "no-referrer",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s can be read by other sites", path)
		}
	}
}

func TestInspectorBelowAPath(t *testing.T) {
	for _, mount := range []string{"handle_path /tools/inspect*", "handle_path /tools/inspect/*"} {
		t.Run(mount, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\n"+mount+" {\nclerk_webhook_inspector\n}\n}\n")
			d := &desk{inspector: address + "/tools/inspect", client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
			d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, nil)
			if page := d.callText(t, http.MethodGet, "", nil, http.StatusOK); !strings.Contains(page, "<title>") {
				t.Errorf("the page is %s", page)
			}
			if mount != "handle_path /tools/inspect*" {
				return
			}
			res, err := d.client.Get("http://" + address + "/tools/inspect?type=user.*")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got := res.Request.URL.String(); got != "http://"+address+"/tools/inspect/?type=user.*" {
				t.Errorf("without the slash one ends at %s", got)
			}
		})
	}
}

func TestInspectorBehindBasicAuth(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	// The hash is that of "desk", at the lowest cost.
	testcaddy.Run(t, "http://"+address+" {\nbasic_auth {\nada $2a$04$ml06oNApvh8zKzJGw9D0KOs9rNsIHmkjOisUKE0oG/a85V2LuM6ty\n}\nclerk_webhook_inspector {\nallow_remote\n}\n}\n")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for password, status := range map[string]int{"": 401, "wrong": 401, "desk": 200} {
		for _, path := range []string{"/", "/api/status", "/api/stream"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+address+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if password != "" {
				r.SetBasicAuth("ada", password)
			}
			if a := send(t, client, r); a.StatusCode != status {
				t.Errorf("%s with the password %q: %d, want %d", path, password, a.StatusCode, status)
			}
		}
	}
}

// listener reads a live stream.
type listener struct {
	lines *bufio.Scanner
	close func()
}

type streamEvent struct {
	id, name, data string
}

// listen opens the stream. The first event of a new one only tells the cursor.
func (d *desk) listen(t testing.TB, lastEventID string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, cmp.Or(d.scheme, "http")+"://"+d.inspector+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := d.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	l := &listener{lines: bufio.NewScanner(res.Body), close: func() { cancel(); res.Body.Close() }}
	t.Cleanup(l.close)
	return l
}

// next returns the next event, and false when the stream has ended.
func (l *listener) next() (e streamEvent, ok bool) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			return e, true
		}
	}
	return e, false
}

// nextEntry returns the next event, which must be of an entry.
func (l *listener) nextEntry(t testing.TB) (entry, string) {
	t.Helper()
	e, ok := l.next()
	var one entry
	if !ok || e.name != "entry" {
		t.Fatalf("the stream goes on with %+v, %v", e, l.lines.Err())
	}
	if err := json.Unmarshal([]byte(e.data), &one); err != nil {
		t.Fatal(err)
	}
	return one, e.id
}

// nextDone skips what is not answered yet.
func (l *listener) nextDone(t testing.TB) (entry, string) {
	t.Helper()
	for {
		if e, id := l.nextEntry(t); e.State == "done" {
			return e, id
		}
	}
}

func TestStreamTellsWhatHappens(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	l := d.listen(t, "")
	if first, ok := l.next(); !ok || first.id == "" || first.data != "" {
		t.Fatalf("first comes %+v", first)
	}
	d.deliver(t, message{id: "msg_a", body: userCreated})
	if e, _ := l.nextDone(t); e.MessageID != "msg_a" || e.Status != 200 {
		t.Errorf("%+v", e)
	}
	d.deliver(t, message{id: "msg_b", body: userCreated, secret: otherSecret})
	e, last := l.nextDone(t)
	if e.MessageID != "msg_b" || e.Outcome != "rejected" {
		t.Errorf("%+v", e)
	}
	l.close()

	d.deliver(t, message{id: "msg_c", body: userCreated})
	resumed := d.listen(t, last)
	if e, _ := resumed.nextDone(t); e.MessageID != "msg_c" {
		t.Errorf("after the interruption comes %+v", e)
	}
	d.call(t, http.MethodDelete, "api/entries", nil, http.StatusOK, nil)
	if e, _ := resumed.next(); e.name != "clear" {
		t.Errorf("after clearing comes %+v", e)
	}
	d.deliver(t, message{id: "msg_d", body: userCreated})
	if e, _ := resumed.nextDone(t); e.MessageID != "msg_d" {
		t.Errorf("after that comes %+v", e)
	}
}

func TestStreamStaysOpenWhileNothingHappens(t *testing.T) {
	directives := fmt.Sprintf("handle /hook {\nclerk_webhook {\nsecret production %s\ninspect\n}\nrespond ok\n}\nhandle {\nclerk_webhook_inspector\n}", testSecret)
	site := testcaddy.RunSite(t, directives, "")
	var listeners []*listener
	for _, client := range site.Clients {
		scheme, address, _ := strings.Cut(client.URL, "://")
		d := &desk{inspector: address, scheme: scheme, client: client.Client}
		l := d.listen(t, "")
		l.next()
		listeners = append(listeners, l)
	}
	// Longer than a write may take: HTTP/2 resets a stream whose deadline for
	// writing has passed, also while nothing is written.
	<-time.After(2500 * time.Millisecond)
	send(t, site.Clients[0].Client, signedRequest(t, site.Clients[0].URL+"/hook", testSecret, userCreated))
	for i, l := range listeners {
		t.Run(site.Clients[i].Name, func(t *testing.T) {
			if e, _ := l.nextDone(t); e.Outcome != "forwarded" {
				t.Errorf("%+v", e)
			}
			l.close()
		})
	}
}

func TestStreamOfAnotherRunStartsAnew(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, cursor := range []string{"zzzzzz-3", "nonsense"} {
		if e, ok := d.listen(t, cursor).next(); !ok || e.name != "reset" {
			t.Errorf("%s: %+v", cursor, e)
		}
	}
}

func TestStreamShowsADeliveryTwice(t *testing.T) {
	goOn := make(chan struct{})
	backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { <-goOn })
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	l := d.listen(t, "")
	l.next()
	r := d.request(t, message{body: userCreated})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if res, err := d.client.Do(r); err == nil {
			res.Body.Close()
		}
	}()
	pending, _ := l.nextEntry(t)
	close(goOn)
	done, _ := l.nextEntry(t)
	<-answered
	if pending.State != "pending" || done.State != "done" || pending.ID != done.ID {
		t.Errorf("first %s, then %s", pending.State, done.State)
	}
}

func TestStreamEndsWithTheConfiguration(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	l := d.listen(t, "")
	l.next()
	d.reload(t, "tolerance 4m", "respond ok")
	if e, ok := l.next(); !ok || e.name != "end" {
		t.Errorf("it goes on with %+v", e)
	}
	if e, ok := l.next(); ok {
		t.Errorf("after the end comes %+v", e)
	}
}

func TestReloadsLeaveNoGoroutineBehind(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	// What ends does so in the background: the lowest count of a second is the
	// one that matters.
	count := func() int {
		d.client.CloseIdleConnections()
		lowest := runtime.NumGoroutine()
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for range 100 {
			<-ticks.C
			lowest = min(lowest, runtime.NumGoroutine())
		}
		return lowest
	}
	reload := func(i int) {
		l := d.listen(t, "")
		l.next()
		d.deliver(t, message{body: userCreated})
		d.reload(t, fmt.Sprintf("tolerance %dm", 1+i%5), "respond ok")
		for ok := true; ok; {
			_, ok = l.next()
		}
		l.close()
		d.client.CloseIdleConnections() // the stream's, which the old configuration closes
	}
	reload(0)
	before := count()
	for i := range 10 {
		reload(i + 1)
	}
	if after := count(); after > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before ten reloads, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// TestSIGTERMEndsStreams runs Caddy in a process of its own, which is this test
// again.
func TestSIGTERMEndsStreams(t *testing.T) {
	const variable = "CLERK_WEBHOOK_TEST_CADDYFILE"
	if file := os.Getenv(variable); file != "" {
		os.Args = []string{"caddy", "run", "--config", file, "--adapter", "caddyfile"}
		caddycmd.Main()
		return
	}
	d := &desk{inspector: testcaddy.FreeAddress(t), client: &http.Client{Transport: &http.Transport{}}}
	file := t.TempDir() + "/Caddyfile"
	config := "{\nadmin off\npersist_config off\ngrace_period 1m\n}\nhttp://" + d.inspector + " {\nclerk_webhook_inspector\n}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	caddy := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSIGTERMEndsStreams$")
	caddy.Env = append(os.Environ(), variable+"="+file, "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	log, err := caddy.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	for isRunning := false; !isRunning && lines.Scan(); {
		isRunning = strings.Contains(lines.Text(), "serving initial configuration")
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()

	l := d.listen(t, "")
	l.next()
	stuck := d.listen(t, "") // which never reads
	defer stuck.close()
	start := time.Now()
	if err := caddy.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e, _ := l.next(); e.name != "end" {
		t.Errorf("the stream goes on with %+v", e)
	}
	if err := caddy.Wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("with open streams it took %s to stop", took)
	}
}

func TestInspectorDirective(t *testing.T) {
	for _, test := range []struct{ name, directive, want string }{
		{"an argument", "clerk_webhook_inspector on", "takes a matcher and a block"},
		{"an unknown option", "clerk_webhook_inspector {\nalow_remote\n}", "unrecognized clerk_webhook_inspector option 'alow_remote': there is allow_remote"},
		{"an option twice", "clerk_webhook_inspector {\nallow_remote\nallow_remote\n}", "given twice"},
		{"an option with an argument", "clerk_webhook_inspector {\nallow_remote yes\n}", "wrong number of arguments"},
		{"a secret", "clerk_webhook_inspector " + testSecret, "a signing secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := testcaddy.Adapt("http://localhost:1 {\n" + test.directive + "\n}\n")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testSecret) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("comes before respond", func(t *testing.T) {
		config, err := testcaddy.Adapt("http://localhost:1 {\nrespond no\nclerk_webhook_inspector {\nallow_remote\n}\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		own := strings.Index(string(config), `"allow_remote":true,"handler":"clerk_webhook_inspector"`)
		if respond := strings.Index(string(config), "static_response"); own < 0 || respond < own {
			t.Errorf("%s", config)
		}
	})
}

// docCall finds the calls in the documentation and what they answer.
var docCall = regexp.MustCompile("(?s)```http\n(GET|POST|DELETE) (\\S+)\n(.*?)```(?:\n```json\n(.*?)```)?")

func TestEveryCallInTheDocumentationWorks(t *testing.T) {
	document, err := os.ReadFile("docs/inspector-api.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := docCall.FindAllStringSubmatch(string(document), -1)
	if len(calls) < 17 {
		t.Fatalf("only %d calls found", len(calls))
	}
	for _, call := range calls {
		method, path, rest, answer := call[1], call[2], call[3], call[4]
		t.Run(method+" "+path, func(t *testing.T) {
			d := openDesk(t, "", "respond ok")
			d.deliver(t, message{body: `{"data":{"first_name":"Nadia"},"type":"user.created"}`})
			accepted := d.last(t)
			d.act(t, accepted.ID, "replay", nil)
			d.deliver(t, message{body: userCreated, secret: otherSecret})
			rejected := d.last(t)
			path := strings.NewReplacer("{id}", accepted.ID, "{rejected_id}", rejected.ID, "{message_id}", accepted.MessageID).Replace(path)
			_, body, _ := strings.Cut(rest, "\n\n")
			r, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.inspector+"/"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(rest, "Content-Type: application/json") {
				r.Header.Set("Content-Type", "application/json")
			}
			if path == "api/stream" {
				d.listen(t, "").next()
				return
			}
			a := send(t, d.client, r)
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", a.StatusCode, a.text)
			}
			if strings.HasPrefix(path, "api/entries?") && !strings.Contains(a.text, accepted.ID) {
				t.Errorf("nothing was found: %s", a.text)
			}
			if answer != "" {
				compareShapes(t, "", decodeJSON(t, answer), decodeJSON(t, a.text))
			}
		})
	}
}

func decodeJSON(t testing.TB, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// compareShapes checks that both have the same members of the same kinds.
func compareShapes(t testing.TB, path string, documented, actual any) {
	t.Helper()
	switch d := documented.(type) {
	case map[string]any:
		a, ok := actual.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, and documented as an object", path, actual)
			return
		}
		if want, got := slices.Sorted(maps.Keys(d)), slices.Sorted(maps.Keys(a)); !slices.Equal(want, got) {
			t.Errorf("%s has %v, and documented are %v", path, got, want)
		}
		for name := range d {
			compareShapes(t, path+"."+name, d[name], a[name])
		}
	case []any:
		a, ok := actual.([]any)
		if !ok {
			t.Errorf("%s is %v, and documented as a list", path, actual)
			return
		}
		if len(d) > 0 && len(a) > 0 {
			compareShapes(t, path+"[]", d[0], a[0])
		}
	default:
		if fmt.Sprintf("%T", documented) != fmt.Sprintf("%T", actual) {
			t.Errorf("%s is %T, and documented as %T", path, actual, documented)
		}
	}
}
