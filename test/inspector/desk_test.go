package inspector_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

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
	d := newDesk(t)
	testcaddy.Run(t, d.caddyfile(options, behind))
	return d
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{hooks: testcaddy.FreeAddress(t), inspector: testcaddy.FreeAddress(t)}
	d.client = &http.Client{Transport: testcaddy.NewConnections.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
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
`, d.hooks, testcaddy.Secret, options, behind, d.inspector)
}

// message is a delivery to be sent.
type message struct {
	method, id, secret, body string
	age                      time.Duration
	header                   http.Header
}

// deliver sends a message to the guarded site.
func (d *desk) deliver(t testing.TB, m message) testcaddy.Answer {
	t.Helper()
	return testcaddy.Send(t, d.client, d.request(t, m))
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
		m.secret = testcaddy.Secret
	}
	r, err := http.NewRequestWithContext(t.Context(), m.method, "http://"+d.hooks+hookPath, strings.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	timestamp, signature := testcaddy.Sign(t, m.secret, m.id, time.Now().Add(-m.age), m.body)
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
	a := testcaddy.Send(t, d.client, r)
	if a.StatusCode != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, a.StatusCode, status, a.Text)
	}
	return a.Text
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
	ClientIP   string `json:"client_ip"`
	Outcome    string
	Reason     string
	Verified   bool
	Type       string
	MessageID  string `json:"message_id"`
	Secret     string
	Subject    struct {
		Type, Text string
		ObjectID   string `json:"object_id"`
	}
	Size       int64
	Status     int
	DurationMS float64 `json:"duration_ms"`
	Passed     bool

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
	Notes     []struct{ Code, Message string }
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
	Error   string
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

	DurationMS float64 `json:"duration_ms"`
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
