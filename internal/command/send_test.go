package command_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const (
	sendSecret  = "whsec_b25seSB0aGUgdGVzdHMgb2YgY29tbWFuZHM="
	otherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// send runs the command with a secret in its environment.
func send(t testing.TB, args ...string) result {
	t.Helper()
	cmd := caddy(t, append([]string{"clerk-webhook", "send"}, args...)...)
	cmd.Env = append(cmd.Env, "CLERK_WEBHOOK_SIGNING_SECRET="+sendSecret)
	r := run(t, cmd, "")
	if strings.Contains(r.stdout+r.stderr, strings.TrimPrefix(sendSecret, "whsec_")) {
		t.Errorf("the secret is printed:\n%s%s", r.stdout, r.stderr)
	}
	return r
}

// recorded is a request to a recorder.
type recorded struct {
	header http.Header
	body   []byte
}

// recorder is a backend that keeps its requests and answers as the test says.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []recorded
}

func newRecorder(t testing.TB, answer http.HandlerFunc) *recorder {
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.requests = append(r.requests, recorded{req.Header, body})
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) all() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func ok(http.ResponseWriter, *http.Request) {}

// guard runs Caddy with a guard in front of nothing and returns the URL of its
// endpoint.
func guard(t testing.TB) string {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, `http://`+address+` {
	handle /api/webhooks {
		clerk_webhook {
			secret `+sendSecret+`
		}
		respond "got {http.clerk_webhook.type}"
	}
}`)
	return "http://" + address + "/api/webhooks"
}

// jsonLines parses the deliveries and the summary that --json prints.
func jsonLines(t *testing.T, output string) (deliveries []gjson.Result, summary gjson.Result) {
	t.Helper()
	for line := range strings.Lines(output) {
		if !gjson.Valid(line) {
			t.Fatalf("%q is not JSON", line)
		}
		if parsed := gjson.Parse(line); parsed.Get("summary").Exists() {
			summary = parsed.Get("summary")
		} else {
			deliveries = append(deliveries, parsed)
		}
	}
	return deliveries, summary
}

// typesSent are the types that Clerk still sends.
func typesSent() []string { return slices.DeleteFunc(event.Catalogue(), event.NoLongerSent) }

// What Clerk no longer sends needs its name.
func TestSendOfEventsThatClerkNoLongerSends(t *testing.T) {
	const stopped = "subscriptionItem.created"
	receiver := newRecorder(t, ok)
	if r := send(t, stopped, "--to", receiver.URL); r.code != 0 || len(receiver.all()) != 1 {
		t.Errorf("by its name: code %d, %d deliveries: %s", r.code, len(receiver.all()), r.stderr)
	}
	const want = "no event that matches subscriptionItem.cre* is still sent by Clerk: to send one of them, write its full name"
	if r := send(t, "subscriptionItem.cre*", "--to", receiver.URL); r.code != 2 || !strings.Contains(r.stderr, want) {
		t.Errorf("by a pattern: code %d: %s", r.code, r.stderr)
	}
}

func TestGuardForwardsEveryEventThatIsSent(t *testing.T) {
	r := send(t, "*", "--to", guard(t), "--json")
	deliveries, summary := jsonLines(t, r.stdout)
	if r.code != 0 || r.stderr != "" || len(deliveries) != len(typesSent()) {
		t.Fatalf("code %d, %d deliveries, %s", r.code, len(deliveries), r.stderr)
	}
	var types []string
	for _, d := range deliveries {
		types = append(types, d.Get("type").Str)
		if !d.Get("accepted").Bool() || d.Get("status").Int() != 200 || d.Get("answer").Str != "got "+d.Get("type").Str {
			t.Errorf("got %s", d.Raw)
		}
	}
	slices.Sort(types)
	if !slices.Equal(types, typesSent()) {
		t.Errorf("sent %v", types)
	}
	if n := int64(len(types)); summary.Get("sent").Int() != n || summary.Get("accepted").Int() != n || summary.Get("statuses.200").Int() != n {
		t.Errorf("the summary is %s", summary.Raw)
	}
}

func TestGuardRefusesInvalidDeliveries(t *testing.T) {
	endpoint := guard(t)
	for _, tt := range []struct {
		kind, reason string
		status       int
	}{
		{"signature", "signature_mismatch", 403},
		{"timestamp", "timestamp_too_old", 403},
		{"missing-header", "missing_header", 400},
		{"body", "signature_mismatch", 403},
		{"reformatted", "signature_mismatch", 403},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			testcaddy.Log.Reset()
			r := send(t, "user.created", "--to", endpoint, "--invalid", tt.kind, "--json")
			deliveries, _ := jsonLines(t, r.stdout)
			if r.code != 1 || len(deliveries) != 1 || deliveries[0].Get("status").Int() != int64(tt.status) || deliveries[0].Get("accepted").Bool() {
				t.Errorf("code %d: %s", r.code, r.stdout)
			}
			entries := testcaddy.Log.Entries(t, "delivery rejected")
			if len(entries) != 1 || entries[0]["reason"] != tt.reason {
				t.Errorf("the guard logged %v", entries)
			}
		})
	}
}

func TestTheCauseOfAReformattedDeliveryIsProven(t *testing.T) {
	receiver := newRecorder(t, ok)
	if r := send(t, "*", "--to", receiver.URL, "--invalid", "reformatted"); r.code != 0 {
		t.Fatalf("code %d: %s", r.code, r.stdout)
	}
	received := receiver.all()
	if len(received) != len(typesSent()) {
		t.Errorf("%d deliveries", len(received))
	}
	for _, delivery := range received {
		result := diagnosis.Diagnose(diagnosis.Delivery{
			Headers: delivery.header, Body: delivery.body, Received: time.Now(),
			Secrets: []diagnosis.Secret{diagnosis.NewSecret("1", sendSecret)},
		})
		if f := result.Findings; len(f) != 1 || f[0].Code != diagnosis.JSONSpacing || !f[0].Proven {
			t.Errorf("%s: findings %v", result.Type, f)
		}
	}
}

// Published requests of Svix have header names in small letters, a User-Agent of this
// form, and no other headers.
func TestSendLooksLikeSvix(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	raw := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var text bytes.Buffer
		req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &text)))
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		raw <- text.String()
	}()
	if r := send(t, "user.created", "--to", "http://"+listener.Addr().String()+"/api/webhooks"); r.code != 0 {
		t.Fatalf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}

	head, body, _ := strings.Cut(<-raw, "\r\n\r\n")
	wanted := []string{
		`POST /api/webhooks HTTP/1\.1`,
		`Host: 127\.0\.0\.1:\d+`,
		`User-Agent: Svix-Webhooks/1\.\d+\.\d+ \(sender-[A-Za-z0-9]+; \+https://www\.svix\.com/http-sender/\)`,
		`Content-Length: ` + strconv.Itoa(len(body)),
		`Accept: \*/\*`,
		`Content-Type: application/json`,
		`svix-id: msg_[0-9A-Za-z]{27}`,
		`svix-signature: v1,[A-Za-z0-9+/]{43}=`,
		`svix-timestamp: \d{10}`,
	}
	lines := strings.Split(head, "\r\n")
	for _, pattern := range wanted {
		if !slices.ContainsFunc(lines, regexp.MustCompile("^"+pattern+"$").MatchString) {
			t.Errorf("no line is %s:\n%s", pattern, head)
		}
	}
	if len(lines) != len(wanted) {
		t.Errorf("there are %d lines, not %d:\n%s", len(lines), len(wanted), head)
	}
}

func TestSendSignsWhatSvixsLibraryVerifies(t *testing.T) {
	backend := newRecorder(t, ok)
	before := time.Now().Truncate(time.Second)
	if r := send(t, "user.*", "session.created", "--to", backend.URL); r.code != 0 {
		t.Fatalf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	wh, err := svix.NewWebhook(sendSecret)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, request := range backend.all() {
		if err := wh.Verify(request.body, request.header); err != nil {
			t.Error(err)
		}
		id := request.header.Get("Svix-Id")
		if seen[id] {
			t.Errorf("the id %s is used twice", id)
		}
		seen[id] = true
		if at := gjson.GetBytes(request.body, "timestamp").Int(); at < before.UnixMilli() || at > time.Now().UnixMilli() {
			t.Errorf("the event's timestamp is %d", at)
		}
		if canonical, err := event.Canonical(request.body); err != nil || !bytes.Equal(canonical, request.body) {
			t.Errorf("JavaScript would change the body: %v", err)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d were sent", len(seen))
	}
}

func TestSendKeepsTheOrderOfEvents(t *testing.T) {
	backend := newRecorder(t, ok)
	r := send(t, "user.created", "user.updated", "user.deleted", "--to", backend.URL, "--count", "3")
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	requests := backend.all()
	if len(requests) != 9 {
		t.Fatalf("%d were sent", len(requests))
	}
	users := make(map[string]bool)
	for i := 0; i < len(requests); i += 3 {
		created, updated, deleted := gjson.ParseBytes(requests[i].body), gjson.ParseBytes(requests[i+1].body), gjson.ParseBytes(requests[i+2].body)
		if got := []string{created.Get("type").Str, updated.Get("type").Str, deleted.Get("type").Str}; !slices.Equal(got, []string{"user.created", "user.updated", "user.deleted"}) {
			t.Errorf("the order is %v", got)
		}
		id := created.Get("data.id").Str
		if updated.Get("data.id").Str != id || deleted.Get("data.id").Str != id || users[id] {
			t.Errorf("the users are %s, %s, %s", id, updated.Get("data.id"), deleted.Get("data.id"))
		}
		users[id] = true
		if created.Get("data.created_at").Int() != updated.Get("data.created_at").Int() || created.Get("data.updated_at").Int() >= updated.Get("data.updated_at").Int() {
			t.Errorf("created_at %s, %s, updated_at %s, %s", created.Get("data.created_at"), updated.Get("data.created_at"), created.Get("data.updated_at"), updated.Get("data.updated_at"))
		}
	}
}

func TestSendOrdersAPatternFromCreatedToDeleted(t *testing.T) {
	backend := newRecorder(t, ok)
	send(t, "organization*", "--to", backend.URL)
	var stages []string
	for _, request := range backend.all() {
		_, stage, _ := strings.Cut(gjson.GetBytes(request.body, "type").Str, ".")
		stages = append(stages, stage)
	}
	firstOther := slices.IndexFunc(stages, func(s string) bool { return s != "created" })
	firstDeleted := slices.Index(stages, "deleted")
	if len(stages) == 0 || slices.Contains(stages[firstOther:], "created") || slices.ContainsFunc(stages[firstDeleted:], func(s string) bool { return s != "deleted" }) {
		t.Errorf("the order is %v", stages)
	}
}

func TestSendOwnPayload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "payload.json")
	pretty := "{\n  \"data\": { \"id\": \"a\\/<b>\", \"n\": 1.50 },\n  \"type\": \"shop.opened\"\n}\n"
	compact := `{"data":{"id":"a/<b>","n":1.5},"type":"shop.opened"}`
	if err := os.WriteFile(file, []byte(pretty), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want        string
	}{
		{"of a file", "", []string{"--data", file}, compact},
		{"of standard input", pretty, []string{"--data", "-"}, compact},
		{"of the command line", "", []string{"--data", pretty}, compact},
		{"with its type named", "", []string{"shop.opened", "--data", file}, compact},
		{"with a value set", "", []string{"--data", file, "--set", "data.id=c"}, `{"data":{"id":"c","n":1.5},"type":"shop.opened"}`},
		{"with its type set", "", []string{"--data", file, "--set", "type=shop.closed"}, `{"data":{"id":"a/<b>","n":1.5},"type":"shop.closed"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backend := newRecorder(t, ok)
			cmd := caddy(t, append([]string{"clerk-webhook", "send", "--secret", sendSecret, "--to", backend.URL}, tt.args...)...)
			r := run(t, cmd, tt.stdin)
			if requests := backend.all(); r.code != 0 || len(requests) != 1 || string(requests[0].body) != tt.want {
				t.Errorf("code %d, sent %s\n%s", r.code, requests, r.stderr)
			}
		})
	}
}

func TestSendSetsValuesInExamples(t *testing.T) {
	backend := newRecorder(t, ok)
	r := send(t, "user.created", "user.updated", "--to", backend.URL,
		"--set", "data.id=user_123", "--set", "data.banned=true", "--set", "data.public_metadata.note=<x>=1")
	if r.code != 0 {
		t.Fatalf("code %d: %s", r.code, r.stderr)
	}
	for _, request := range backend.all() {
		if got := gjson.GetBytes(request.body, "data.id").Str; got != "user_123" {
			t.Errorf("the id is %s", got)
		}
		if !gjson.GetBytes(request.body, "data.banned").Bool() || !bytes.Contains(request.body, []byte(`"note":"<x>=1"`)) {
			t.Errorf("got %s", request.body)
		}
	}
}

func TestSendIDAndTimestamp(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	for _, tt := range []struct {
		name, timestamp string
		least, most     int64
	}{
		{"seconds", "1700000000", 1700000000, 1700000000},
		{"a time", "2026-03-16T09:04:05+01:00", 1773648245, 1773648245},
		{"the past", "-10m", now - 600, now - 540},
		{"the future", "+1h", now + 3600, now + 3660},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backend := newRecorder(t, ok)
			if r := send(t, "user.deleted", "--to", backend.URL, "--count", "2", "--id", "msg_again", "--timestamp", tt.timestamp); r.code != 0 {
				t.Fatalf("code %d: %s", r.code, r.stderr)
			}
			for _, request := range backend.all() {
				seconds, err := strconv.ParseInt(request.header.Get("Svix-Timestamp"), 10, 64)
				if err != nil || seconds < tt.least || seconds > tt.most || request.header.Get("Svix-Id") != "msg_again" {
					t.Errorf("got %s at %s", request.header.Get("Svix-Id"), request.header.Get("Svix-Timestamp"))
				}
			}
		})
	}
}

func TestSendWithSeveralSecretsSignsWithEach(t *testing.T) {
	backend := newRecorder(t, ok)
	cmd := caddy(t, "clerk-webhook", "send", "user.created", "--to", backend.URL, "--secret", sendSecret, "--secret", otherSecret)
	if r := run(t, cmd, ""); r.code != 0 {
		t.Fatalf("code %d: %s", r.code, r.stderr)
	}
	request := backend.all()[0]
	for _, secret := range []string{sendSecret, otherSecret} {
		wh, err := svix.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(request.body, request.header); err != nil {
			t.Error(err)
		}
	}
}

func TestSendExitCodes(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/302" {
			w.Header().Set("Location", "/200")
		}
		status, _ := strconv.Atoi(r.URL.Path[1:])
		w.WriteHeader(status)
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(backend.URL, "http://"))
	marked := filepath.Join(t.TempDir(), "marked.json")
	if err := os.WriteFile(marked, []byte("\ufeff{\"type\":\"user.created\"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := testcaddy.FreeAddress(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"200", []string{"user.created", "--to", backend.URL + "/200"}, 0, "200"},
		{"204", []string{"user.created", "--to", backend.URL + "/204"}, 0, "204"},
		{"a redirect is not followed", []string{"user.created", "--to", backend.URL + "/302"}, 1, "302"},
		{"a redirect is explained", []string{"user.created", "--to", backend.URL + "/302"}, 1, "  a redirect to /200, which Svix does not follow"},
		{"a redirect as JSON", []string{"user.created", "--to", backend.URL + "/302", "--json"}, 1, `"location":"/200"`},
		{"403", []string{"user.created", "--to", backend.URL + "/403"}, 1, "403"},
		{"403 without a reason", []string{"user.created", "--to", backend.URL + "/403"}, 1, "the guard's log and its inspector say why"},
		{"500", []string{"user.created", "--to", backend.URL + "/500"}, 1, "500"},
		{"a port alone", []string{"user.created", "--to", strings.TrimPrefix(closed, "127.0.0.1:")}, 1, "connection refused"},
		{"a port and a path", []string{"user.created", "--to", port + "/200"}, 0, "200"},
		{"nothing listens", []string{"user.created", "--to", "http://" + closed}, 1, "connection refused"},
		{"one of several is refused", []string{"user.created", "user.deleted", "--to", backend.URL + "/400"}, 1, "0 of 2 accepted"},
		{"no type", nil, 2, "name the event types"},
		{"an unknown type", []string{"user.creatd"}, 2, "did you mean user.created?"},
		{"an unknown pattern", []string{"usr.*"}, 2, "did you mean user.*?"},
		{"a number above the highest port", []string{"user.created", "--to", "90000"}, 2, "from 1 to 65535"},
		{"no endpoint", []string{"user.created", "--to", "ftp://x"}, 2, "not a URL"},
		{"an unknown kind of --invalid", []string{"user.created", "--invalid", "colour"}, 2, "signature, timestamp, missing-header, body, reformatted"},
		{"a change without a value", []string{"user.created", "--set", "data.id"}, 2, "path=value"},
		{"a change that is impossible", []string{"user.created", "--set", "data.id.x=1"}, 2, "no member"},
		{"a payload that is not JSON", []string{"--data", "{"}, 2, "not JSON"},
		{"a payload with a byte order mark", []string{"--data", marked}, 2, "--data: it begins with a byte order mark"},
		{"a payload that JavaScript changes", []string{"--data", `{"a":12345678901234567890}`}, 2, "send it as a string"},
		{"a payload of another type", []string{"user.created", "--data", `{"type":"a.b"}`}, 2, "remove user.created"},
		{"a payload file that is not there", []string{"--data", "/nonexistent/x.json"}, 2, "no such file"},
		{"not a timestamp", []string{"user.created", "--timestamp", "soon"}, 2, "give seconds since 1970"},
		{"a timestamp in milliseconds", []string{"user.created", "--timestamp", "1773651845000"}, 2, "is in milliseconds: give seconds"},
		{"a count of zero", []string{"user.created", "--count", "0"}, 2, "sends nothing"},
		{"a concurrency of zero", []string{"user.created", "--concurrency", "0"}, 2, "1 to 1000"},
		{"a public key", []string{"user.created", "--secret", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}, 2, "can verify but not sign"},
		{"a broken secret", []string{"user.created", "--secret", "whsec_short"}, 2, "secret"},
		{"an unknown flag", []string{"user.created", "--colour"}, 2, "unknown flag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := send(t, tt.args...); r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.says) {
				t.Errorf("code %d, want %d and %q:\n%s%s", r.code, tt.code, tt.says, r.stdout, r.stderr)
			}
		})
	}
	for _, request := range backend.all() {
		if request.header.Get("Referer") != "" {
			t.Error("a redirect was followed")
		}
	}
}

func TestSendNeedsASecretToSignWith(t *testing.T) {
	r := run(t, caddy(t, "clerk-webhook", "send", "user.created"), "")
	if r.code != 2 || !strings.Contains(r.stderr, "CLERK_WEBHOOK_SIGNING_SECRET") {
		t.Errorf("code %d: %s", r.code, r.stderr)
	}
	backend := newRecorder(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	r = run(t, caddy(t, "clerk-webhook", "send", "user.created", "--invalid", "signature", "--to", backend.URL), "")
	if r.code != 1 || len(backend.all()) != 1 {
		t.Errorf("with a wrong signature: code %d: %s", r.code, r.stderr)
	}
}

func TestSendShortensAndEscapesAnswers(t *testing.T) {
	backend := newRecorder(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "\x1b[31mred\r\nnext"+strings.Repeat("x", 1<<20))
	})
	r := send(t, "user.created", "--to", backend.URL)
	if r.code != 0 || !strings.Contains(r.stdout, `\x1b[31mred\r\nnext`) || strings.ContainsAny(r.stdout, "\x1b\r") || len(r.stdout) > 1000 {
		t.Errorf("code %d, printed %q", r.code, r.stdout)
	}
}

func TestSendManyPrintsASummary(t *testing.T) { sendMany(t, 500) }

// sendMany sends to a backend that refuses every tenth delivery, and returns
// the memory that the command took, in KiB.
func sendMany(t *testing.T, count int) (memory int64) {
	const concurrency = 32
	var requests, active, tooMany atomic.Int64
	allAtOnce := make(chan struct{}) // closed once this many requests are there at once
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if active.Add(1) > concurrency {
			tooMany.Add(1)
		}
		defer active.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body)
		n := requests.Add(1)
		if n == concurrency {
			close(allAtOnce)
		}
		select {
		case <-allAtOnce:
		case <-r.Context().Done():
		}
		if n%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer backend.Close()

	cmd := caddy(t, "clerk-webhook", "send", "user.created", "--to", backend.URL, "--secret", sendSecret,
		"--count", strconv.Itoa(count), "--concurrency", strconv.Itoa(concurrency))
	r := run(t, cmd, "")
	if r.code != 1 || r.stderr != "" || requests.Load() != int64(count) || tooMany.Load() != 0 {
		t.Fatalf("code %d, %d requests, %d of them more than %d at a time: %s", r.code, requests.Load(), tooMany.Load(), concurrency, r.stderr)
	}
	for _, line := range []string{
		fmt.Sprintf("%d of %d accepted", count*9/10, count),
		fmt.Sprintf("  200  %d\n", count*9/10), fmt.Sprintf("  503  %d\n", count/10),
		fmt.Sprintf("and %d more not accepted", count/10-5), "32 at a time", "p50", "p90", "p99",
	} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("there is no %q in\n%s", line, r.stdout)
		}
	}
	if lines := strings.Count(r.stdout, "\n"); lines > 12 {
		t.Errorf("there are %d lines:\n%s", lines, r.stdout)
	}
	return mostMemory(cmd)
}

func TestSendSummaryAsJSON(t *testing.T) {
	backend := newRecorder(t, ok)
	r := send(t, "user.created", "--to", backend.URL, "--count", "20", "--concurrency", "4", "--json")
	deliveries, _ := jsonLines(t, r.stdout)
	var last struct {
		Summary struct {
			Expected, Sent, Accepted int
			Statuses                 map[string]int
			P50                      float64 `json:"p50_ms"`
			P99                      float64 `json:"p99_ms"`
			Max                      float64 `json:"max_ms"`
			Rate                     float64 `json:"rate_per_s"`
		}
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	s := last.Summary
	if len(deliveries) != 20 || s.Expected != 20 || s.Sent != 20 || s.Accepted != 20 || s.Statuses["200"] != 20 || s.P50 <= 0 || s.P50 > s.P99 || s.P99 > s.Max || s.Rate <= 0 {
		t.Errorf("%d deliveries, %+v", len(deliveries), s)
	}
}

func TestInterruptedSendReportsWhatItSent(t *testing.T) {
	reached := make(chan struct{})
	release := make(chan struct{})
	var count atomic.Int64
	backend := newRecorder(t, func(_ http.ResponseWriter, r *http.Request) {
		if count.Add(1) == 8 {
			close(reached)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	})
	defer close(release)
	cmd := caddy(t, "clerk-webhook", "send", "user.created", "--to", backend.URL, "--secret", sendSecret, "--count", "1000")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code is checked
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stdout.String(), "7 of 7 accepted") || !strings.Contains(stderr.String(), "interrupted: 7 of 1000 sent") {
		t.Errorf("code %d:\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestSendTellsTheStoryAsItGoes(t *testing.T) {
	backend := newRecorder(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "noted") })
	r := send(t, "user.created", "organizationMembership.created", "user.deleted", "--to", backend.URL)
	want := regexp.MustCompile(`^200  +[0-9.]+[mµ]?s  user\.created                    (Nadia Okafor, nadia\.okafor\+\w+@example\.com)  noted
200  +[0-9.]+[mµ]?s  organizationMembership\.created  Tomas Lindqvist, \S+ in Bluefin Rowing Club  noted
200  +[0-9.]+[mµ]?s  user\.deleted                    user_\w+  noted

3 of 3 accepted
$`)
	if r.code != 0 || !want.MatchString(r.stdout) {
		t.Errorf("code %d:\n%s", r.code, r.stdout)
	}
}
