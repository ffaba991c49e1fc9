package docs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// A collector of OpenTelemetry gets text as it is, within a binary message.
func TestDocumentedSpansSayWhatTheGuardHasFound(t *testing.T) {
	var spans testcaddy.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&spans, r.Body)
	}))
	t.Cleanup(collector.Close) // after Caddy has stopped
	s := newSite(t, blockUnder(t, "Traces with OpenTelemetry").text)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // milliseconds
	s.run(t)

	s.keep(t, promise{id: "msg_genuine", status: 200, backend: "localhost:3000"})
	for _, attribute := range []string{"webhook.id", "msg_genuine", "webhook.type", "user.created", "webhook.outcome", "forwarded"} {
		spans.WaitFor(t, attribute)
	}
	s.keep(t, promise{id: "msg_forged", secret: unknownSecret, status: 403})
	for _, attribute := range []string{"msg_forged", "rejected", "webhook.reason", "signature_mismatch"} {
		spans.WaitFor(t, attribute)
	}
	if strings.Contains(spans.String(), "user_1") {
		t.Error("a span has a value of the payload")
	}

	testcaddy.Send(t, testcaddy.NewConnections, s.request(t, promise{}))
	if got := testcaddy.OnlyRequest(t, s.backends["localhost:3000"]).Header.Get("Traceparent"); got == "" {
		t.Error("the application gets no Traceparent")
	}
}

func TestDocumentedLogFieldsSayWhatTheGuardHasFound(t *testing.T) {
	s := newSite(t, blockUnder(t, "Fields in the access log").text)
	s.run(t)
	s.keep(t, promise{id: "msg_genuine", status: 200, backend: "localhost:3000"})
	s.keep(t, promise{id: "msg_forged", secret: unknownSecret, status: 403})
	testcaddy.Await(t, "two lines in the access log", func() bool { return len(testcaddy.Log.Entries(t, "handled request")) == 2 })
	lines := testcaddy.Log.Entries(t, "handled request")
	for i, want := range []map[string]string{
		{"webhook_id": "msg_genuine", "webhook_type": "user.created", "webhook_outcome": "forwarded", "webhook_reason": ""},
		{"webhook_id": "msg_forged", "webhook_type": "", "webhook_outcome": "rejected", "webhook_reason": "signature_mismatch"},
	} {
		for field, value := range want {
			if lines[i][field] != value {
				t.Errorf("line %d has %s %#v, want %q", i+1, field, lines[i][field], value)
			}
		}
	}
}

func TestDocumentedErrorRouteTellsTheReason(t *testing.T) {
	s := newSite(t, blockUnder(t, "The reason in Clerk's message attempts").text)
	s.run(t)
	for want, p := range map[string]promise{
		"403 signature_mismatch": {secret: unknownSecret},
		"405 method_not_allowed": {method: http.MethodPut},
	} {
		if a := testcaddy.Send(t, testcaddy.NewConnections, s.request(t, p)); a.Text != want {
			t.Errorf("got %q, want %q", a.Text, want)
		}
	}
	down := testcaddy.Replace(t, s.caddyfile, s.backends["localhost:3000"].Address, testcaddy.FreeAddress(t))
	testcaddy.Reload(t, down, s.options)
	if a := testcaddy.Send(t, testcaddy.NewConnections, s.request(t, promise{})); a.Text != "502 Bad Gateway" {
		t.Errorf("the application is down, and the answer is %q", a.Text)
	}
}

// checkTextSecret lets a sender sign with a text, as Svix's library can.
func checkTextSecret(t *testing.T, command string) {
	t.Helper()
	key := regexp.MustCompile(`%s '([^']+)'`).FindStringSubmatch(command)[1]
	secret, code := testcaddy.RunLine(t, command)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, secret)
	}
	sender, err := svix.NewWebhookRaw([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := sender.Sign("msg_1", now, []byte(testcaddy.UserCreated))
	if err != nil {
		t.Fatal(err)
	}
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+strings.TrimSpace(secret)+"\n}\nrespond 200\n}\n")
	if log := testcaddy.Log.String(); strings.Contains(log, "this signing secret") {
		t.Errorf("the secret is warned about: %s", log)
	}
	r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)
	for text, want := range map[string]int{signature: 200, r.Header.Get("Svix-Signature"): 403} {
		r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)
		timestamp, _ := testcaddy.Sign(t, testcaddy.Secret, "msg_1", now, testcaddy.UserCreated)
		r.Header.Set("Svix-Timestamp", timestamp)
		r.Header.Set("Svix-Signature", text)
		if a := testcaddy.Send(t, testcaddy.NewConnections, r); a.StatusCode != want {
			t.Errorf("got %s, want %d", a.Status, want)
		}
	}
}

// checkRelay forwards what Clerk's relay does: the signed headers, the body, and
// headers of the relay's own client. The relay itself needs the internet.
func checkRelay(t *testing.T, commands string) {
	t.Helper()
	proxy, relay, _ := strings.Cut(commands, "\n")
	target := regexp.MustCompile(`^clerk webhooks listen --forward-to (http://localhost:8080\S+)\n$`).FindStringSubmatch(relay)
	if target == nil {
		t.Fatalf("the relay's command is %q", relay)
	}
	testcaddy.InstallCaddy(t)
	backend := testcaddy.NewBackend(t, nil)
	address := testcaddy.FreeAddress(t)
	startProxy(t, testcaddy.Replace(t, proxy, "localhost:3000", backend.Address)+" --inspect=off --from http://"+address, "Guarding ")
	for secret, want := range map[string]int{testcaddy.Secret: 200, testcaddy.OtherSecret: 403} {
		r := testcaddy.SignedRequest(t, strings.Replace(target[1], "localhost:8080", address, 1), secret, testcaddy.UserCreated)
		r.Host = "localhost:8080"
		r.Header.Set("User-Agent", "Svix-Webhooks/1.0")
		r.Header.Set("Accept", "*/*")
		r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
		if a := testcaddy.Send(t, testcaddy.NewConnections, r); a.StatusCode != want {
			t.Errorf("got %s, want %d", a.Status, want)
		}
	}
	if got := string(testcaddy.OnlyRequest(t, backend).Payload); got != testcaddy.UserCreated {
		t.Errorf("the backend got %q", got)
	}
}
