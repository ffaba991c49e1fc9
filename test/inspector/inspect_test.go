package inspector_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectRecordsWhatBecameOfARequest(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.Header.Get("X-Answer"))
		if err != nil {
			status = http.StatusOK
		}
		w.WriteHeader(status)
	})
	d := openDesk(t, "events user.*\nmax_body 1KiB", "reverse_proxy "+backend.Address)
	large := `{"type":"user.created","data":"` + strings.Repeat("x", 2000) + `"}`

	for _, test := range []struct {
		name string
		sent message
		want entry
	}{
		{"forwarded", message{body: testcaddy.UserCreated}, entry{Outcome: "forwarded", Verified: true, Type: "user.created", MessageID: "msg_1", Secret: "production", Size: int64(len(testcaddy.UserCreated)), Status: 200}},
		{"refused by the backend", message{body: testcaddy.UserCreated, header: http.Header{"X-Answer": {"503"}}}, entry{Outcome: "forwarded", Verified: true, Type: "user.created", MessageID: "msg_1", Secret: "production", Size: int64(len(testcaddy.UserCreated)), Status: 503}},
		{"not wanted", message{body: `{"type":"session.created"}`}, entry{Outcome: "filtered", Verified: true, Type: "session.created", MessageID: "msg_1", Secret: "production", Size: 26, Status: 204}},
		{"forged", message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret}, entry{Outcome: "rejected", Reason: "signature_mismatch", MessageID: "msg_1", Size: int64(len(testcaddy.UserCreated)), Status: 403}},
		{"old", message{body: testcaddy.UserCreated, age: 372 * time.Second}, entry{Outcome: "rejected", Reason: "timestamp_too_old", MessageID: "msg_1", Status: 403}},
		{"without headers", message{body: testcaddy.UserCreated, header: http.Header{"Svix-Id": nil}}, entry{Outcome: "rejected", Reason: "missing_header", Status: 400}},
		{"no delivery", message{method: http.MethodGet}, entry{Outcome: "rejected", Reason: "method_not_allowed", Status: 405}},
		{"too large", message{body: large}, entry{Outcome: "rejected", Reason: "body_too_large", MessageID: "msg_1", Status: 413}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := d.deliver(t, test.sent)
			got := d.list(t, "limit=1")[0]
			want := test.want
			if a.StatusCode != want.Status {
				t.Errorf("the sender got %d, want %d", a.StatusCode, want.Status)
			}
			want.State, want.Origin, want.Endpoint, want.Passed = "done", "received", "default", want.Outcome == "forwarded"
			want.Method, want.URL = http.MethodPost, "http://"+d.hooks+hookPath
			if test.sent.method != "" {
				want.Method = test.sent.method
			}
			want.ID, want.RemoteAddr, want.ClientIP, want.DurationMS = got.ID, got.RemoteAddr, "127.0.0.1", got.DurationMS
			want.Subject = got.Subject
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("recorded %+v\nwant %+v", got, want)
			}
			if !strings.HasPrefix(got.RemoteAddr, "127.0.0.1:") || got.DurationMS <= 0 {
				t.Errorf("remote address %q, duration %v", got.RemoteAddr, got.DurationMS)
			}
		})
	}
}

func TestInspectRecordsTheWholeExchange(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Backend", "yes")
		w.Header().Set("Set-Cookie", "session=very-secret")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thank you")
	})
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{
		"Authorization":       {"Bearer very-secret"},
		"Cookie":              {"a=very-secret"},
		"Proxy-Authorization": {"Basic very-secret"},
		"X-Twice":             {"one", "two"},
	}})
	e := d.last(t)

	for _, name := range []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"} {
		if f := fieldOf(e.Request.Headers, name); !f.Verified || f.Value == "" {
			t.Errorf("%s is %+v, want a verified one", name, f)
		}
	}
	for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
		if f := fieldOf(e.Request.Headers, name); !f.Redacted || f.Value != "" {
			t.Errorf("%s is %+v, want a redacted one", name, f)
		}
	}
	if f := fieldOf(e.Answer.Headers, "Set-Cookie"); !f.Redacted {
		t.Errorf("Set-Cookie is %+v, want a redacted one", f)
	}
	if strings.Contains(d.callText(t, http.MethodGet, "api/entries/"+e.ID, nil, http.StatusOK), "very-secret") {
		t.Error("credentials are told")
	}
	if f := fieldOf(e.Request.Headers, "Content-Type"); f.Verified || f.Value != "application/json" {
		t.Errorf("Content-Type is %+v", f)
	}
	if e.Request.Body.Text != testcaddy.UserCreated || e.Request.Body.State != "whole" || !e.Request.Body.JSON.Valid {
		t.Errorf("request body %+v", e.Request.Body)
	}
	if e.Answer.State != "answered" || e.Answer.Status != 202 || e.Answer.Body.Text != "thank you" || fieldOf(e.Answer.Headers, "X-Backend").Value != "yes" {
		t.Errorf("answer %+v", e.Answer)
	}
	if j := e.Answer.Body.JSON; j.Valid || j.Line != 1 || j.Column != 2 {
		t.Errorf("the place of the syntax error is %+v, want line 1, column 2", j)
	}
	var stages []string
	for _, stage := range e.Stages {
		stages = append(stages, stage.Name)
	}
	if got := strings.Join(stages, " "); got != "receive verify upstream" {
		t.Errorf("stages %q", got)
	}
	if e.SignedAt == nil || e.AgeMS < 0 || e.AgeMS > 60_000 {
		t.Errorf("signed at %v, %v ms old", e.SignedAt, e.AgeMS)
	}
}

func TestInspectRecordsAnswersThatAreNotWritten(t *testing.T) {
	testcaddy.Behave(func(http.ResponseWriter, *http.Request) error { panic("a bug in a handler behind") })
	for _, test := range []struct {
		name, behind string
		state        string
		status       int
		cause        string
		wantError    bool // of the sender's
	}{
		{"no handler", "", "error", 502, "no handler answered", false},
		{"an error", `error "no tea" 418`, "error", 418, "no tea", false},
		{"no backend", "reverse_proxy 127.0.0.1:1", "error", 502, "connection refused", false},
		{"an aborted answer", "abort", "aborted", 0, "", true},
		{"a panic", "test_handler", "aborted", 0, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, "", test.behind)
			res, err := d.client.Do(d.request(t, message{body: testcaddy.UserCreated}))
			if err == nil {
				res.Body.Close()
			}
			if (err != nil) != test.wantError {
				t.Fatalf("the sender got the error %v", err)
			}
			if e := d.last(t); e.State != "done" || e.Answer.State != test.state || e.Answer.Status != test.status || !strings.Contains(e.Answer.Error, test.cause) || e.Outcome != "forwarded" {
				t.Errorf("%s, %s, answer %+v", e.State, e.Outcome, e.Answer)
			}
		})
	}
}

func TestInspectShowsADeliveryBeforeItIsAnswered(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-goOn
	})
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	answered := make(chan struct{})
	r := d.request(t, message{body: testcaddy.UserCreated})
	go func() {
		defer close(answered)
		if res, err := d.client.Do(r); err == nil {
			res.Body.Close()
		}
	}()
	<-arrived
	pending := d.last(t)
	close(goOn)
	<-answered
	if pending.State != "pending" || pending.Status != 0 || pending.Answer.State != "pending" || pending.Request.Body.Text != testcaddy.UserCreated {
		t.Errorf("before the answer: %+v", pending)
	}
	if done := d.one(t, pending.ID); done.State != "done" || done.Status != 200 {
		t.Errorf("after the answer: %s %d", done.State, done.Status)
	}
}

func TestInspectKeepsEntriesOverReloads(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated, id: "msg_before"})
	before := d.last(t)
	d.reload(t, "tolerance 4m", "respond fine")
	d.deliver(t, message{body: testcaddy.UserCreated, id: "msg_after"})

	entries := d.list(t, "")
	if len(entries) != 2 || entries[0].MessageID != "msg_after" || entries[1].ID != before.ID {
		t.Errorf("after the reload there are %+v", entries)
	}
}

func TestInspectForgetsWhenNothingUsesIt(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	d.load(t, "http://"+d.hooks+" {\nrespond ok\n}\n")
	d.reload(t, "", "respond ok")
	if entries := d.list(t, ""); len(entries) != 0 {
		t.Errorf("%d entries have outlived a configuration without inspect", len(entries))
	}
}

func TestInspectCutsLargeBodies(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("é", 100_000))
	})
	d := openDesk(t, "max_body 4MiB", "reverse_proxy "+backend.Address)
	body := `{"type":"user.created","data":"` + strings.Repeat("é", 1_000_000) + `"}`
	if a := d.deliver(t, message{body: body}); len(a.Text) != 200_000 {
		t.Fatalf("the sender got %d bytes", len(a.Text))
	}
	if got := testcaddy.OnlyRequest(t, backend); string(got.Payload) != body {
		t.Error("the backend got another body")
	}
	e := d.last(t)
	if b := e.Request.Body; b.State != "cut" || b.Size != int64(len(body)) || !strings.HasPrefix(body, b.Text) || len(b.Text) < 1<<20-2 || len(b.Text) > 1<<20 {
		t.Errorf("request body: %s, %d bytes of %d", b.State, len(b.Text), b.Size)
	}
	if b := e.Answer.Body; b.State != "cut" || b.Size != 200_000 || len(b.Text) > 64<<10 || len(b.Text) < 64<<10-2 {
		t.Errorf("answer: %s, %d bytes of %d", b.State, len(b.Text), b.Size)
	}
	if e.Replay.Possible {
		t.Error("half a body can be replayed")
	}
}

func TestInspectKeepsBytesThatAreNoText(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	body := "\xff\x00\xfe{}"
	d.deliver(t, message{body: body})
	if b := d.last(t).Request.Body; string(b.Base64) != body || b.Text != "" {
		t.Errorf("body %+v", b)
	}
}

func TestFloodOfForgeriesPushesOutNoGenuineDelivery(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated, id: "msg_genuine"})
	forgery := strings.Repeat("x", 200<<10)
	for range 60 {
		d.deliver(t, message{body: forgery, secret: testcaddy.OtherSecret})
	}
	if genuine := d.list(t, "id=msg_genuine"); len(genuine) != 1 {
		t.Error("the genuine delivery is gone")
	}
	var status struct {
		Verified, Rejected struct {
			Entries  int
			Bytes    int64
			MaxBytes int64 `json:"max_bytes"`
			Evicted  int
		}
	}
	d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
	if r := status.Rejected; r.Evicted == 0 || r.Bytes > r.MaxBytes || r.Entries+r.Evicted != 60 {
		t.Errorf("of the forgeries %+v", r)
	}
	if v := status.Verified; v.Entries != 1 || v.Evicted != 0 {
		t.Errorf("of the genuine %+v", v)
	}
}

// While Caddy starts a server with several listeners, the first already accept.
func TestInspectWhileListenersStart(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // or they hardly ever do both at once
	addresses := []string{testcaddy.FreeAddress(t), testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)}
	config := func(minutes int) []byte {
		return fmt.Appendf(nil, `{"admin": {"disabled": true, "config": {"persist": false}}, "apps": {"http": {"servers": {"s": {
			"listen": ["%s"], "automatic_https": {"disable": true},
			"routes": [{"handle": [{"handler": "clerk_webhook", "secret": [{"value": "%s"}], "inspect": true, "tolerance": "%dm"}]}]
		}}}}}`, strings.Join(addresses, `", "`), testcaddy.Secret, minutes)
	}
	testcaddy.Run(t, "")
	ctx, stop := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for _, address := range addresses {
		senders.Go(func() {
			for ctx.Err() == nil {
				if res, err := testcaddy.NewConnections.Post("http://"+address, "", nil); err == nil {
					res.Body.Close()
				}
			}
		})
	}
	for minutes := range 30 {
		if err := testcaddy.TryRunJSON(t, config(1+minutes)); err != nil {
			t.Error(err)
		}
	}
	stop()
	senders.Wait()
}
