package command_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// checkSigned fails unless Svix's library verifies the headers and the body.
func checkSigned(t *testing.T, header http.Header, body string) {
	t.Helper()
	wh, err := svix.NewWebhook(productionSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify([]byte(body), header); err != nil {
		t.Errorf("%v: %v", err, header)
	}
}

func TestSignPrintsHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body.json")
	const fileBody = "{\"type\": \"user.created\"}\r\n"
	if err := os.WriteFile(file, []byte(fileBody), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, data, stdin, body string
	}{
		{"JSON as it is written", `{ "type":"x" }`, "", `{ "type":"x" }`},
		{"file byte for byte", file, "", fileBody},
		{"standard input byte for byte", "-", "\ufeff{\"a\":\"\\u003c\"}\n\n", "\ufeff{\"a\":\"\\u003c\"}\n\n"},
		{"empty body", "-", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := run(t, caddy(t, "clerk-webhook", "sign", "--secret", productionSecret, "--data", tt.data), tt.stdin)
			if res.code != 0 {
				t.Fatalf("exit code %d: %s", res.code, res.stderr)
			}
			header := make(http.Header)
			for line := range strings.Lines(res.stdout) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
				header.Add(name, value)
			}
			if len(header) != 3 {
				t.Errorf("got %s", res.stdout)
			}
			checkSigned(t, header, tt.body)
		})
	}
}

func TestSignPrintsJSON(t *testing.T) {
	res := run(t, caddy(t, "clerk-webhook", "sign", "--secret", productionSecret, "--data", "{}",
		"--id", "msg_1", "--timestamp", "1773651845", "--json"), "")
	var got map[string]string
	if err := json.Unmarshal([]byte(res.stdout), &got); err != nil {
		t.Fatalf("%v: %s%s", err, res.stdout, res.stderr)
	}
	want := svixSignature(t, productionSecret, "msg_1", 1773651845, "{}")
	if len(got) != 3 || got["svix-id"] != "msg_1" || got["svix-timestamp"] != "1773651845" || got["svix-signature"] != want {
		t.Errorf("got %s", res.stdout)
	}
}

func TestSignWithSeveralSecrets(t *testing.T) {
	res := run(t, caddy(t, "clerk-webhook", "sign", "--data", "{}", "--id", "msg_1", "--timestamp", "1773651845",
		"--secret", "old="+developmentSecret, "--secret", "new="+productionSecret), "")
	want := "svix-signature: " + svixSignature(t, developmentSecret, "msg_1", 1773651845, "{}") +
		" " + svixSignature(t, productionSecret, "msg_1", 1773651845, "{}") + "\n"
	if !strings.HasSuffix(res.stdout, want) {
		t.Errorf("got %s", res.stdout)
	}
}

func TestSignedCurlCommandSendsTheBody(t *testing.T) {
	t.Parallel()
	type request struct {
		header http.Header
		uri    string
		body   string
	}
	requests := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- request{r.Header, r.RequestURI, string(body)}
	}))
	defer server.Close()

	big := `{"a":"` + strings.Repeat("x", 300<<10) + `"}`
	tests := []struct{ name, body string }{
		{"plain", `{"type":"user.created"}`},
		{"quotes, dollars, backslashes and backquotes", `{"a":"it's '$HOME' \\ \" $(date) ` + "`date`" + ` !! %s"}`},
		{"line ends at its end", "{}\r\n\n\n"},
		{"an @ at its start", "@/etc/hostname"},
		{"not UTF-8", "\xff\xfe\x80"},
		{"empty", ""},
		{"zero bytes", "a\x00b"},
		{"more than fits into an argument", big},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "the 'body'.json")
			if err := os.WriteFile(file, []byte(tt.body), 0o600); err != nil {
				t.Fatal(err)
			}
			res := run(t, caddy(t, "clerk-webhook", "sign", "--secret", productionSecret, "--data", file,
				"--curl", server.URL+"/api/webhooks?a=1&b='2'"), "")
			if res.code != 0 {
				t.Fatalf("exit code %d: %s", res.code, res.stderr)
			}
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", res.stdout).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\n%s", err, out, res.stdout)
			}
			got := <-requests
			if got.body != tt.body {
				t.Errorf("body %.200q, want %.200q", got.body, tt.body)
			}
			if got.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(got.uri, "/api/webhooks?a=1&b=") {
				t.Errorf("uri %q, headers %v", got.uri, got.header)
			}
			checkSigned(t, got.header, tt.body)
		})
	}
}

func TestSignErrors(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing to sign", []string{"--secret", productionSecret}, "--data"},
		{"no secret", []string{"--data", "{}"}, "no signing secret"},
		{"broken secret", []string{"--data", "{}", "--secret", "mine='" + productionSecret + "'"}, "quotation marks"},
		{"public key", []string{"--data", "{}", "--secret", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}, "can verify but not sign"},
		{"an id that no guard accepts", []string{"--data", "{}", "--secret", productionSecret, "--id", "a\nb"}, "svix-id"},
		{"not a timestamp", []string{"--data", "{}", "--secret", productionSecret, "--timestamp", "noon"}, "noon"},
		{"timestamp in milliseconds", []string{"--data", "{}", "--secret", productionSecret, "--timestamp", "1773651845000"}, "--timestamp 1773651845000 is in milliseconds: give seconds"},
		{"curl and JSON", []string{"--data", "{}", "--secret", productionSecret, "--curl", "http://localhost", "--json"}, "not both"},
		{"not a URL", []string{"--data", "{}", "--secret", productionSecret, "--curl", "ftp://localhost"}, "--curl"},
		{"more JSON than fits into an argument", []string{"--data", `{"a":"` + strings.Repeat("x", 100<<10) + `"}`, "--secret", productionSecret, "--curl", "http://localhost"}, "give its file with --data"},
		{"zero bytes from standard input", []string{"--data", "-", "--secret", productionSecret, "--curl", "http://localhost"}, "cannot be part of a command"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := run(t, caddy(t, append([]string{"clerk-webhook", "sign"}, tt.args...)...), "\x00")
			if res.code != 2 || !strings.Contains(res.stderr, tt.want) || res.stdout != "" {
				t.Errorf("exit code %d, want 2; stderr %q, want %q in it; stdout %q", res.code, res.stderr, tt.want, res.stdout)
			}
			checkNoSecret(t, res)
		})
	}
}
