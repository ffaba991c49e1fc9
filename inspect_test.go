package clerkwebhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// desk is a guarded site and an inspector, in one Caddy.
type desk struct {
	hooks, inspector string // addresses
	scheme           string // of the inspector, "http" if empty
	client           *http.Client
}

const hookPath = "/webhooks/clerk"

// openDesk starts Caddy with these options of the guard and these directives
// behind it.
func openDesk(t testing.TB, options, behind string) *desk {
	t.Helper()
	d := &desk{hooks: testcaddy.FreeAddress(t), inspector: testcaddy.FreeAddress(t)}
	d.client = &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(d.client.CloseIdleConnections)
	testcaddy.Run(t, d.caddyfile(options, behind))
	return d
}

func (d *desk) reload(t testing.TB, options, behind string) {
	t.Helper()
	d.load(t, d.caddyfile(options, behind))
}

// load changes the whole configuration.
func (d *desk) load(t testing.TB, config string) {
	t.Helper()
	testcaddy.Reload(t, config)
	d.client.CloseIdleConnections() // which are those of the old configuration
}

func (d *desk) caddyfile(options, behind string) string {
	return fmt.Sprintf(`
http://%s {
	handle /webhooks/* {
		clerk_webhook {
			secret production %s
			inspect
			%s
		}
		%s
	}
}
http://%s {
	clerk_webhook_inspector
}
`, d.hooks, testSecret, options, behind, d.inspector)
}

// message is a delivery to be sent.
type message struct {
	method, id, secret, body string
	age                      time.Duration
	header                   http.Header
}

// deliver sends a message to the guarded site.
func (d *desk) deliver(t testing.TB, m message) answer {
	t.Helper()
	return send(t, d.client, d.request(t, m))
}

func (d *desk) request(t testing.TB, m message) *http.Request {
	t.Helper()
	if m.method == "" {
		m.method = http.MethodPost
	}
	if m.id == "" {
		m.id = "msg_1"
	}
	if m.secret == "" {
		m.secret = testSecret
	}
	r, err := http.NewRequestWithContext(t.Context(), m.method, "http://"+d.hooks+hookPath, strings.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	timestamp, signature := sign(t, m.secret, m.id, time.Now().Add(-m.age), m.body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Svix-Id", m.id)
	r.Header.Set("Svix-Timestamp", timestamp)
	r.Header.Set("Svix-Signature", signature)
	for name, values := range m.header {
		r.Header[name] = values
		if values == nil {
			delete(r.Header, name)
		}
	}
	return r
}

// call asks the inspector's API and decodes its answer, which must have the
// status.
func (d *desk) call(t testing.TB, method, path string, body any, status int, into any) {
	t.Helper()
	text := d.callText(t, method, path, body, status)
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

func (d *desk) callText(t testing.TB, method, path string, body any, status int) string {
	t.Helper()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.inspector+"/"+path, content)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a := send(t, d.client, r)
	if a.StatusCode != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, a.StatusCode, status, a.text)
	}
	return a.text
}

// entry is what the tests read of an entry.
type entry struct {
	ID         string
	State      string
	Origin     string
	ReplayOf   string `json:"replay_of"`
	Endpoint   string
	Method     string
	URL        string
	RemoteAddr string `json:"remote_addr"`
	Outcome    string
	Reason     string
	Verified   bool
	Type       string
	MessageID  string `json:"message_id"`
	Secret     string
	Size       int64
	Status     int
	DurationMS float64 `json:"duration_ms"`

	SignedAt *time.Time `json:"signed_at"`
	AgeMS    float64    `json:"age_ms"`
	Stages   []struct {
		Name       string
		StartMS    float64 `json:"start_ms"`
		DurationMS float64 `json:"duration_ms"`
	}
	Request struct {
		Protocol string
		TLS      string
		Headers  []entryField
		Body     entryBody
	}
	Answer entryAnswer
	Replay struct {
		Possible, Signs bool
		Secret          string
		WhyNot          string `json:"why_not"`
	}
	Replays   []string
	Diagnosis *struct {
		Verified bool
		Secret   string
		Findings []struct {
			Code, Message string
			Proven        bool
		}
	}
}

type entryAnswer struct {
	State   string
	Status  int
	Headers []entryField
	Body    entryBody
}

type entryField struct {
	Name, Value        string
	Verified, Redacted bool
}

type entryBody struct {
	State  string
	Size   int64
	Text   string
	Base64 []byte
	JSON   struct {
		Valid                bool
		Message              string
		Offset, Line, Column int
	}
}

func fieldOf(fields []entryField, name string) entryField {
	for _, f := range fields {
		if f.Name == name {
			return f
		}
	}
	return entryField{}
}

// list returns the entries that the parameters select, the newest first.
func (d *desk) list(t testing.TB, parameters string) []entry {
	t.Helper()
	var list struct{ Entries []entry }
	d.call(t, http.MethodGet, "api/entries?"+parameters, nil, http.StatusOK, &list)
	return list.Entries
}

// last returns all that is told about the newest entry.
func (d *desk) last(t testing.TB) entry {
	t.Helper()
	list := d.list(t, "limit=1")
	if len(list) == 0 {
		t.Fatal("nothing was recorded")
	}
	return d.one(t, list[0].ID)
}

func (d *desk) one(t testing.TB, id string) (e entry) {
	t.Helper()
	d.call(t, http.MethodGet, "api/entries/"+id, nil, http.StatusOK, &e)
	return e
}

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
		{"forwarded", message{body: userCreated}, entry{Outcome: "forwarded", Verified: true, Type: "user.created", MessageID: "msg_1", Secret: "production", Size: int64(len(userCreated)), Status: 200}},
		{"refused by the backend", message{body: userCreated, header: http.Header{"X-Answer": {"503"}}}, entry{Outcome: "forwarded", Verified: true, Type: "user.created", MessageID: "msg_1", Secret: "production", Size: int64(len(userCreated)), Status: 503}},
		{"not wanted", message{body: `{"type":"session.created"}`}, entry{Outcome: "filtered", Verified: true, Type: "session.created", MessageID: "msg_1", Secret: "production", Size: 26, Status: 204}},
		{"forged", message{body: userCreated, secret: otherSecret}, entry{Outcome: "rejected", Reason: "signature_mismatch", MessageID: "msg_1", Size: int64(len(userCreated)), Status: 403}},
		{"old", message{body: userCreated, age: 372 * time.Second}, entry{Outcome: "rejected", Reason: "timestamp_too_old", MessageID: "msg_1", Status: 403}},
		{"without headers", message{body: userCreated, header: http.Header{"Svix-Id": nil}}, entry{Outcome: "rejected", Reason: "missing_header", Status: 400}},
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
			want.State, want.Origin, want.Endpoint = "done", "received", "default"
			want.Method, want.URL = http.MethodPost, "http://"+d.hooks+hookPath
			if test.sent.method != "" {
				want.Method = test.sent.method
			}
			want.ID, want.RemoteAddr, want.DurationMS = got.ID, got.RemoteAddr, got.DurationMS
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
	d.deliver(t, message{body: userCreated, header: http.Header{
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
	if e.Request.Body.Text != userCreated || e.Request.Body.State != "whole" || !e.Request.Body.JSON.Valid {
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
	for _, test := range []struct {
		name, behind string
		state        string
		status       int
		wantError    bool // of the sender's
	}{
		{"no handler", "", "answered", 200, false},
		{"an error", "error 418", "error", 418, false},
		{"an aborted answer", "abort", "aborted", 0, true},
		{"a panic", "clerk_webhook_test_panic", "aborted", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, "", test.behind)
			res, err := d.client.Do(d.request(t, message{body: userCreated}))
			if err == nil {
				res.Body.Close()
			}
			if (err != nil) != test.wantError {
				t.Fatalf("the sender got the error %v", err)
			}
			if e := d.last(t); e.State != "done" || e.Answer.State != test.state || e.Answer.Status != test.status || e.Outcome != "forwarded" {
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
	r := d.request(t, message{body: userCreated})
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
	if pending.State != "pending" || pending.Status != 0 || pending.Answer.State != "pending" || pending.Request.Body.Text != userCreated {
		t.Errorf("before the answer: %+v", pending)
	}
	if done := d.one(t, pending.ID); done.State != "done" || done.Status != 200 {
		t.Errorf("after the answer: %s %d", done.State, done.Status)
	}
}

func TestInspectKeepsEntriesOverReloads(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: userCreated, id: "msg_before"})
	before := d.last(t)
	d.reload(t, "tolerance 4m", "respond fine")
	d.deliver(t, message{body: userCreated, id: "msg_after"})

	entries := d.list(t, "")
	if len(entries) != 2 || entries[0].MessageID != "msg_after" || entries[1].ID != before.ID {
		t.Errorf("after the reload there are %+v", entries)
	}
}

func TestInspectForgetsWhenNothingUsesIt(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: userCreated})
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
	if a := d.deliver(t, message{body: body}); len(a.text) != 200_000 {
		t.Fatalf("the sender got %d bytes", len(a.text))
	}
	if got := onlyRequest(t, backend); string(got.Payload) != body {
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
	d.deliver(t, message{body: userCreated, id: "msg_genuine"})
	forgery := strings.Repeat("x", 200<<10)
	for range 60 {
		d.deliver(t, message{body: forgery, secret: otherSecret})
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

func TestInspectExplainsRejections(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, test := range []struct {
		name string
		sent message
		code string
		text string
	}{
		{"another secret", message{body: userCreated, secret: otherSecret}, "secret_unknown", "signing secret"},
		{"an old one", message{body: userCreated, age: 372 * time.Second}, "timestamp_too_old", "6m1"},
		{"one from the future", message{body: userCreated, age: -400 * time.Second}, "timestamp_too_new", "clock"},
		{"a missing header", message{body: userCreated, header: http.Header{"Svix-Signature": nil}}, "missing_header", "svix-signature"},
		{"no POST", message{method: http.MethodGet}, "method_not_allowed", "POST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.deliver(t, test.sent)
			e := d.last(t)
			if e.Diagnosis == nil || len(e.Diagnosis.Findings) == 0 {
				t.Fatal("there is no diagnosis")
			}
			if f := e.Diagnosis.Findings[0]; f.Code != test.code || !strings.Contains(f.Message, test.text) {
				t.Errorf("%s: %s", f.Code, f.Message)
			}
		})
	}
}

func TestInspectProvesThatABodyWasReserialised(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	timestamp, signature := sign(t, testSecret, "msg_1", time.Now(), userCreated)
	d.deliver(t, message{body: strings.ReplaceAll(userCreated, ":", ": "), header: http.Header{
		"Svix-Timestamp": {timestamp}, "Svix-Signature": {signature},
	}})
	e := d.last(t)
	if e.Diagnosis == nil || !e.Diagnosis.Verified || e.Diagnosis.Findings[0].Code != "json_spacing" || !e.Diagnosis.Findings[0].Proven {
		t.Errorf("diagnosis %+v", e.Diagnosis)
	}
}

func TestInspectTellsNoSecrets(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	testcaddy.Log.Reset() // in which Caddy has written the config
	d.deliver(t, message{body: userCreated})
	d.deliver(t, message{body: userCreated, secret: otherSecret})
	key := strings.TrimPrefix(testSecret, "whsec_")
	paths := []string{"api/status", "api/entries", "api/har", "api/events"}
	for _, e := range d.list(t, "") {
		paths = append(paths, "api/entries/"+e.ID, "api/entries/"+e.ID+"/curl", "api/entries/"+e.ID+"/har", "api/messages/"+e.MessageID)
	}
	for _, path := range paths {
		if text := d.callText(t, http.MethodGet, path, nil, http.StatusOK); strings.Contains(text, key) {
			t.Errorf("%s tells the secret", path)
		}
	}
	if strings.Contains(testcaddy.Log.String(), key) {
		t.Error("the log tells the secret")
	}
}

func TestInspectFilters(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, "answer of the Backend")
	})
	d := openDesk(t, "events user.* organization.*", "reverse_proxy "+backend.Address)
	start := time.Now()
	d.deliver(t, message{id: "msg_a", body: `{"type":"user.created","data":{"name":"Nadia"}}`})
	d.deliver(t, message{id: "msg_b", body: `{"type":"user.updated"}`, header: http.Header{"X-Fail": {"yes"}}})
	d.deliver(t, message{id: "msg_c", body: `{"type":"organization.created"}`, header: http.Header{"X-Trace": {"Needle"}}})
	d.deliver(t, message{id: "msg_d", body: `{"type":"session.created"}`})
	d.deliver(t, message{id: "msg_e", body: userCreated, secret: otherSecret})
	all := d.list(t, "")
	inTime := func(at time.Time) string { return url.QueryEscape(at.Format(time.RFC3339Nano)) }

	for _, test := range []struct{ parameters, want string }{
		{"", "e d c b a"},
		{"type=user.created", "a"},
		{"type=user.*", "b a"},
		{"type=user.created&type=organization*", "c a"},
		{"outcome=rejected", "e"},
		{"outcome=filtered&outcome=rejected", "e d"},
		{"reason=signature_mismatch", "e"},
		{"status=502", "b"},
		{"status=2xx", "d c a"},
		{"status=4xx&status=502", "e b"},
		{"endpoint=default", "e d c b a"},
		{"endpoint=other", ""},
		{"origin=replay", ""},
		{"id=msg_c", "c"},
		{"id=" + all[4].ID, "a"},
		{"text=nadia", "a"},
		{"text=x-trace:+needle", "c"},
		{"text=answer+of+the+backend", "c b a"},
		{"text=" + url.QueryEscape(hookPath), "e d c b a"},
		{"text=absent", ""},
		{"type=user.*&status=2xx", "a"},
		{"from=" + inTime(start), "e d c b a"},
		{"from=" + inTime(time.Now().Add(time.Hour)), ""},
		{"to=" + inTime(start), ""},
		{"limit=2", "e d"},
		{"before=" + all[1].ID, "c b a"},
		{"before=" + all[1].ID + "&limit=1", "c"},
	} {
		t.Run(test.parameters, func(t *testing.T) {
			var got []string
			for _, e := range d.list(t, test.parameters) {
				got = append(got, strings.TrimPrefix(e.MessageID, "msg_"))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
	for _, parameters := range []string{"typ=user.created", "type=user/created", "status=ok", "status=12xx", "from=yesterday", "limit=0", "limit=1001", "before=17", "id=a&id=b"} {
		t.Run("refuses "+parameters, func(t *testing.T) {
			var refusal struct{ Code, Error string }
			d.call(t, http.MethodGet, "api/entries?"+parameters, nil, http.StatusBadRequest, &refusal)
			if name, _, _ := strings.Cut(parameters, "="); refusal.Code != "bad_request" || !strings.HasPrefix(refusal.Error, name+":") {
				t.Errorf("%+v", refusal)
			}
		})
	}
}

func TestInspectPages(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for i := range 5 {
		d.deliver(t, message{body: userCreated, id: fmt.Sprintf("msg_%d", i)})
	}
	var seen []string
	for next := ""; ; {
		path := "api/entries?limit=2"
		if next != "" {
			path += "&before=" + next
		}
		var list struct {
			Entries []entry
			Next    string
		}
		d.call(t, http.MethodGet, path, nil, http.StatusOK, &list)
		for _, e := range list.Entries {
			seen = append(seen, e.MessageID)
		}
		if next = list.Next; next == "" {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "msg_4 msg_3 msg_2 msg_1 msg_0" {
		t.Errorf("the pages have %s", got)
	}
}

func TestInspectGathersTheAttemptsOfAMessage(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{id: "msg_retried", body: userCreated, secret: otherSecret})
	d.deliver(t, message{id: "msg_other", body: userCreated})
	d.deliver(t, message{id: "msg_retried", body: userCreated})
	var message struct{ Entries []entry }
	d.call(t, http.MethodGet, "api/messages/msg_retried", nil, http.StatusOK, &message)
	if e := message.Entries; len(e) != 2 || e[0].Outcome != "rejected" || e[1].Outcome != "forwarded" {
		t.Errorf("attempts %+v", e)
	}
	d.call(t, http.MethodGet, "api/messages/msg_unknown", nil, http.StatusNotFound, nil)
}

func TestInspectClears(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: userCreated})
	d.deliver(t, message{body: userCreated, secret: otherSecret})
	id := d.last(t).ID
	var cleared struct{ Cleared int }
	d.call(t, http.MethodDelete, "api/entries", nil, http.StatusOK, &cleared)
	if cleared.Cleared != 2 || len(d.list(t, "")) != 0 {
		t.Errorf("cleared %d, left %d", cleared.Cleared, len(d.list(t, "")))
	}
	d.call(t, http.MethodGet, "api/entries/"+id, nil, http.StatusNotFound, nil)
	d.deliver(t, message{body: userCreated})
	if e := d.last(t); e.ID == id {
		t.Errorf("the id %s was used again", id)
	}
}

func init() {
	caddy.RegisterModule(panicker{})
	httpcaddyfile.RegisterHandlerDirective("clerk_webhook_test_panic", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return panicker{}, panicker{}.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("clerk_webhook_test_panic", httpcaddyfile.Before, "respond")
}

// panicker is a handler with a bug.
type panicker struct{}

func (panicker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.clerk_webhook_test_panic", New: func() caddy.Module { return new(panicker) }}
}

func (panicker) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { d.Next(); return nil }

func (panicker) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	panic("a bug in a handler behind")
}
