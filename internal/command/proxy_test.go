package command_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// runningProxy is a proxy command that serves.
type runningProxy struct {
	cmd            *exec.Cmd
	wait           func() error // for its end
	url            string
	stdout, stderr *testcaddy.Buffer
}

// startProxy starts a proxy and waits until it says where it listens. The proxy stops
// with the test. It has no inspector unless the arguments ask for one.
func startProxy(t testing.TB, variables []string, args ...string) *runningProxy {
	t.Helper()
	p := &runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}
	if !slices.Contains(args, "--inspect") {
		args = append(args, "--inspect=off")
	}
	return p.start(t, "proxy", variables, args...)
}

func (p *runningProxy) start(t testing.TB, subcommand string, variables []string, args ...string) *runningProxy {
	t.Helper()
	p.launch(t, subcommand, variables, args...)
	p.stdout.WaitFor(t, "\n  paths ")
	return p
}

func (p *runningProxy) launch(t testing.TB, subcommand string, variables []string, args ...string) {
	t.Helper()
	p.cmd = caddy(t, append([]string{"clerk-webhook", subcommand, "--from", p.url}, args...)...)
	p.cmd.Env = append(p.cmd.Env, variables...)
	p.wait = testcaddy.Start(t, p.cmd, p.stdout, p.stderr)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.wait()
		if t.Failed() {
			t.Logf("its standard error:\n%s", p.stderr)
		}
	})
}

// stop interrupts the proxy and returns its exit code.
func (p *runningProxy) stop(t testing.TB) int {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = p.wait() // the exit code is checked
	return p.cmd.ProcessState.ExitCode()
}

func post(t testing.TB, url string, header http.Header, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(content)
}

var secretVariables = []string{"CLERK_WEBHOOK_SIGNING_SECRET=" + sendSecret}

func TestProxyPrintsACommandThatSendsAnEvent(t *testing.T) {
	p := startProxy(t, nil)
	p.stdout.WaitFor(t, " clerk-webhook send ")
	line := regexp.MustCompile(`(?m)^  (.* clerk-webhook (send user\.created .*))$`).FindStringSubmatch(p.stdout.String())
	if line == nil {
		t.Fatalf("no line to try it:\n%s", p.stdout.String())
	}
	secret := regexp.MustCompile(`(?m)secrets +(whsec_\S+) \(generated\)$`).FindStringSubmatch(p.stdout.String())
	if secret == nil || !strings.Contains(line[1], secret[1]) {
		t.Errorf("the secret is not in both lines:\n%s", p.stdout.String())
	}

	// A test binary is in a folder of the go command, so the line begins with
	// "go run", which TestStartedAs covers.
	sender := caddy(t)
	shell := exec.CommandContext(t.Context(), "sh", "-c", `"$SELF" clerk-webhook `+line[2])
	shell.Env = append(shell.Env, sender.Env...)
	shell.Env = append(shell.Env, "SELF="+sender.Path)
	if output, err := shell.CombinedOutput(); err != nil || !strings.Contains(string(output), "200") {
		t.Fatalf("%v: %s", err, output)
	}
	p.stdout.WaitFor(t, "nadia.okafor+")
	if row := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  200  +[0-9.]+[mµ]?s  user\.created +Nadia Okafor, nadia\.okafor\+\w+@example\.com$`); !row.MatchString(p.stdout.String()) {
		t.Errorf("no row for the delivery in\n%s", p.stdout.String())
	}
	if log := p.stderr.String(); log != "" {
		t.Errorf("there is noise:\n%s", log)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("it ended with code %d:\n%s", code, p.stderr.String())
	}
}

func TestProxyEscapesControlCharacters(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables)
	if r := send(t, "user.created", "--to", p.url+"/api/webhooks", "--set", "data.first_name=a\x1b[31mb\r\nc\u202e"); r.code != 0 {
		t.Fatal(r.stdout)
	}
	p.stdout.WaitFor(t, `a\x1b[31mb\r\nc\u202e`)
	if strings.ContainsAny(p.stdout.String(), "\x1b\r\u202e") {
		t.Errorf("printed %q", p.stdout.String())
	}
}

func TestProxyDeduplicates(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables, "--deduplicate")
	for _, want := range []string{"200", "Duplicate: this delivery was handled at"} {
		if r := send(t, "user.created", "--to", p.url+"/api/webhooks", "--id", "msg_twice"); r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("want %q, got %d: %s", want, r.code, r.stdout)
		}
	}
}

// The guard tells the backend that prints by headers what it has found.
func TestProxyEchoTrustsOnlyTheGuard(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables, "--report-only")
	forged := http.Header{"Clerk-Webhook-Outcome": {"forwarded"}, "Clerk-Webhook-Secret": {"production"}}
	for path, want := range map[string]string{"/elsewhere": "not guarded\n", "/api/webhooks": "not genuine\n"} {
		if status, answer := post(t, p.url+path, forged.Clone(), `{"type":"user.created"}`); status != 200 || answer != want {
			t.Errorf("%s: got %d %q", path, status, answer)
		}
	}
	p.stdout.WaitFor(t, "not guarded: POST /elsewhere\n")
	p.stdout.WaitFor(t, "  rejected              let through by --report-only, missing_header: svix-id is missing or empty\n")
}

func TestProxyInFrontOfABackend(t *testing.T) {
	t.Parallel()
	secretFile := filepath.Join(t.TempDir(), "secret with space")
	if err := os.WriteFile(secretFile, []byte(otherSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		variables []string
		args      []string
		sendArgs  []string
		status    int // of what is sent
		forwarded bool
		elsewhere int // status of another path
	}{
		{"forwards genuine deliveries", secretVariables, nil, []string{"user.created"}, 200, true, 200},
		{"refuses other deliveries", secretVariables, nil, []string{"user.created", "--invalid", "signature"}, 403, false, 200},
		{"refuses other paths", secretVariables, []string{"--only"}, []string{"user.created"}, 200, true, 404},
		{"takes a secret from a flag", nil, []string{"--secret", sendSecret}, []string{"user.created"}, 200, true, 200},
		{"takes a secret from a file", nil, []string{"--secret-file", secretFile}, []string{"user.created", "--secret", otherSecret}, 200, true, 200},
		{"accepts the second of several secrets", nil, []string{"--secret", "a=" + otherSecret, "--secret", "b=" + sendSecret}, []string{"user.created"}, 200, true, 200},
		{"ignores the variable's secret if a flag gives one", secretVariables, []string{"--secret", otherSecret}, []string{"user.created"}, 403, false, 200},
		{"filters events", secretVariables, []string{"--event", "session.*", "--event", "user.deleted"}, []string{"user.created"}, 204, false, 200},
		{"forwards the wanted events", secretVariables, []string{"--event", "session.*", "--event", "user.deleted"}, []string{"user.deleted"}, 200, true, 200},
		{"only reports", secretVariables, []string{"--report-only"}, []string{"user.created", "--invalid", "body"}, 200, true, 200},
		{"guards another path", secretVariables, []string{"--path", "/hooks/clerk"}, []string{"user.created", "--invalid", "signature"}, 200, true, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backend := newRecorder(t, ok)
			p := startProxy(t, tt.variables, append(tt.args, "--to", strings.TrimPrefix(backend.URL, "http://"))...)
			r := send(t, append(tt.sendArgs, "--to", p.url+"/api/webhooks", "--json")...)
			deliveries, _ := jsonLines(t, r.stdout)
			if len(deliveries) != 1 || deliveries[0].Get("status").Int() != int64(tt.status) {
				t.Errorf("sent: %s%s", r.stdout, r.stderr)
			}
			if got := len(backend.all()) == 1; got != tt.forwarded {
				t.Errorf("the backend has had %d requests", len(backend.all()))
			}
			if status, _ := post(t, p.url+"/elsewhere", nil, "x"); status != tt.elsewhere {
				t.Errorf("another path is answered with %d", status)
			}
			for _, secret := range []string{sendSecret, otherSecret} {
				if strings.Contains(p.stdout.String()+p.stderr.String(), secret[6:]) {
					t.Errorf("a secret is printed:\n%s%s", p.stdout.String(), p.stderr.String())
				}
			}
		})
	}
}

// Many backends take more than the path itself for their webhook: a path with a slash,
// a format or a parameter at its end.
func TestProxyGuardsEachPathThatBeginsSo(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		path            string
		guarded         []string
		printed, others string // the path in the URL, and what is said of other paths
	}{
		{"/api/webhooks", []string{"/api/webhooks", "/api/webhooks/", "/api/webhooks//", "/api/webhooks.json", "/api/webhooks;x", "/api/webhooks%20", "/api/webhooks/extra", "/api/webhooks?token=abc", "/API/Webhooks", "/api/webhooks/../x", "/api/webhooks/%2e%2e/x", "/api/webhooks%2f..%2fx", "/API/webhooks/./../x"}, "/api/webhooks", "are not verified"},
		{"/hooks/", []string{"/hooks", "/hooks/", "/hooks//", "/hooks.json", "/hooks/extra"}, "/hooks/", "are not verified"},
		{"/hooks*", []string{"/hooks", "/hooks/", "/hooksextra"}, "/hooks", "are not verified"},
		{"/a b", []string{"/a%20b", "/a%20b/"}, "/a%20b", "are not verified"},
		{"/a%20b", []string{"/a%20b", "/a%20b/"}, "/a%20b", "are not verified"},
		{"/a\u2003b", []string{"/a%E2%80%83b"}, "/a%E2%80%83b", "are not verified"},
		{"/.a..b", []string{"/.a..b", "/.a..b.", "/.a..b%20/x"}, "/.a..b", "are not verified"},
		{"/café", []string{"/caf%C3%A9", "/caf%C3%A9.json"}, "/caf%C3%A9", "are not verified"},
		{"/caf%c3%a9", []string{"/caf%C3%A9", "/caf%C3%A9.json"}, "/caf%C3%A9", "are not verified"},
		{`/a1b"c"^`, []string{"/a1b%22c%22%5E"}, "/a1b%22c%22%5E", "are not verified"},
		{"/a%3Fb%23c", []string{"/a%3Fb%23c", "/a%3Fb%23c/"}, "/a%3Fb%23c", "are not verified"},
		{"/a,b=c@d,e!&+~'", []string{"/a,b=c@d,e!&+~'"}, "/a,b=c@d,e%21&+~%27", "are not verified"},
		{"/", []string{"/", "//", "/elsewhere", "/extra"}, "/", "all are guarded"},
	} {
		if !isDue(i, 3) {
			continue
		}
		t.Run(tt.path, func(t *testing.T) {
			backend := newRecorder(t, ok)
			p := startProxy(t, secretVariables, "--to", backend.URL, "--path", tt.path)
			if !strings.HasPrefix(p.stdout.String(), "Guarding "+p.url+tt.printed+", ") || !strings.Contains(p.stdout.String(), tt.others) {
				t.Errorf("it says\n%s", p.stdout.String())
			}
			for _, target := range tt.guarded {
				if status, _ := post(t, p.url+target, nil, "x"); status != 400 {
					t.Errorf("%s is answered with %d", target, status)
				}
			}
			if got := len(backend.all()); got != 0 {
				t.Fatalf("%d requests have reached the backend", got)
			}
			if tt.path == "/" {
				return
			}
			if status, _ := post(t, p.url+"/elsewhere", nil, "x"); status != 200 || len(backend.all()) != 1 {
				t.Errorf("another path is answered with %d", status)
			}
		})
	}
}

func TestProxyDoesNotSayThatReportOnlyGuards(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL, "--report-only")
	p.stdout.WaitFor(t, "Try it")
	for _, says := range []string{"Watching " + p.url + "/api/webhooks, ", "was not tried at the start"} {
		if !strings.Contains(p.stdout.String(), says) {
			t.Errorf("it does not say %q:\n%s", says, p.stdout.String())
		}
	}
	if got := len(backend.all()); got != 0 {
		t.Errorf("%d requests have reached the backend", got)
	}
}

// A tunnel sends requests under its own public name.
func TestProxyTakesAnyHost(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/elsewhere", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "a1b2.tunnel.example"
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || len(backend.all()) != 1 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// Svix would take Caddy's empty 200 for other hosts for an answer of the backend.
func TestProxyAnswersAnErrorToHostsThatItDoesNotServe(t *testing.T) {
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", sendSecret)
	backend := newRecorder(t, ok)
	for from, hosts := range map[string]map[string]int{
		"http://hooks.example":  {"hooks.example": 200, "HOOKS.example": 200, "hooks.example.": 421, "other.example": 421, "127.0.0.1": 421},
		"https://hooks.example": {"hooks.example": 200, "HOOKS.example": 200, "hooks.example.": 421, "other.example": 421, "127.0.0.1": 421},
		"https://localhost":     {"localhost": 200, "localhost.": 421, "127.0.0.1": 421},
		"https://127.0.0.1":     {"127.0.0.1": 200, "localhost": 421},
		"http://127.0.0.1":      {"127.0.0.1": 200, "localhost.": 200, "a1b2.tunnel.example": 200},
	} {
		t.Run(from, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			site := from + ":" + testcaddy.Port(address)
			printed := run(t, caddy(t, "clerk-webhook", "proxy", "--config-only=caddyfile", "--inspect=off", "--from", site, "--to", backend.URL), "")
			_, sites, _ := strings.Cut(printed.stdout, "\n}\n")
			testcaddy.Run(t, sites, "local_certs")
			client := toAddress(address)
			defer client.CloseIdleConnections()
			testcaddy.Await(t, "the certificate", func() bool {
				res, err := client.Get(site)
				if err == nil {
					_ = res.Body.Close()
				}
				return err == nil
			})
			for host, want := range hosts {
				r := testcaddy.SignedRequest(t, site+"/api/webhooks", sendSecret, testcaddy.UserCreated)
				r.Host = host + ":" + testcaddy.Port(address)
				seen := len(backend.all())
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if delivered := len(backend.all()) > seen; res.StatusCode != want || delivered != (want == 200) {
					t.Errorf("%s is answered with %d, and the backend has the delivery: %v", host, res.StatusCode, delivered)
				}
			}
		})
	}
}

// toAddress returns a client that connects to the address, whatever the URL says.
func toAddress(address string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // Caddy has just made the certificate
	}}
}

func TestProxyNamesTheSendCommandForItsEvents(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables, "--event", "organization*", "--path", "/hooks")
	p.stdout.WaitFor(t, " clerk-webhook send organization.created --to "+p.url+"/hooks\n")
	if strings.Contains(p.stdout.String(), "whsec_") {
		t.Errorf("a secret is printed:\n%s", p.stdout.String())
	}
	if r := send(t, "organization.created", "--to", p.url+"/hooks"); r.code != 0 {
		t.Error(r.stdout)
	}
}

func TestProxyStopsGracefully(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		fmt.Fprint(w, "finished")
	}))
	defer backend.Close()
	p := startProxy(t, secretVariables, "--to", backend.URL)
	answers := make(chan string, 1)
	go func() {
		_, answer := post(t, p.url+"/slow", nil, "x")
		answers <- answer
	}()
	<-reached
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.stderr.WaitFor(t, "exiting")
	close(release)
	if answer := <-answers; answer != "finished" {
		t.Errorf("the request under way got %q", answer)
	}
	if err := p.wait(); err != nil {
		t.Errorf("%v:\n%s", err, p.stderr.String())
	}
}

func TestProxyAccessLogHasNoSignatures(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables, "--access-log")
	if r := send(t, "user.created", "--to", p.url+"/api/webhooks"); r.code != 0 {
		t.Fatal(r.stdout)
	}
	p.stderr.WaitFor(t, "handled request")
	if log := p.stderr.String(); strings.Contains(log, "v1,") || strings.Count(log, "\n") != 1 || !strings.Contains(log, "Svix-Id") {
		t.Errorf("the log is\n%s", log)
	}
}

// If a backend fails, Caddy logs the request with its headers in the error log, not
// in the access log.
func TestProxyLogsFailuresWithoutSignatures(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--access-log"}, {"--debug"}, {"--access-log", "--debug"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			p := startProxy(t, secretVariables, append(args, "--to", testcaddy.FreeAddress(t))...)
			if r := send(t, "user.created", "--to", p.url+"/api/webhooks"); !strings.Contains(r.stdout, "502") {
				t.Fatal(r.stdout)
			}
			p.stderr.WaitFor(t, "http.log.error")
			if code := p.stop(t); code != 0 {
				t.Errorf("it ended with code %d", code)
			}
			if log := p.stderr.String(); strings.Contains(log, "v1,") || !strings.Contains(log, "Svix-Id") {
				t.Errorf("the log is\n%s", log)
			}
		})
	}
}

func TestProxyStartErrors(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	_, takenPort, _ := net.SplitHostPort(taken.Addr().String())
	for i, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"a port in use", []string{"--from", "http://localhost:" + takenPort}, "another program listens on 127.0.0.1:" + takenPort},
		{"an address with a path", []string{"--from", "http://localhost:8080/hooks"}, "--path"},
		{"not an address", []string{"--from", "a b"}, "give an address such as"},
		{"HTTPS without a domain", []string{"--from", "https://:8443"}, "needs a domain"},
		{"a port that is not a number", []string{"--from", "http://localhost:http8080"}, "port"},
		{"a number above the highest port", []string{"--from", "90000", "--config-only"}, "from 1 to 65535"},
		{"a port in place of a host", []string{"--from", "http://9000", "--config-only"}, "such as localhost:8080"},
		{"brackets that do not close", []string{"--from", "http://[::1", "--config-only"}, "give an address such as"},
		{"brackets that do not open", []string{"--from", "http://::1]:9000", "--config-only"}, "give an address such as"},
		{"port 0", []string{"--from", "0", "--config-only"}, "from 1 to 65535"},
		{"port 0 of a host", []string{"--from", "localhost:0", "--config-only"}, "from 1 to 65535"},
		{"a backend at a number above the highest port", []string{"--to", "90000", "--config-only"}, "--to \"90000\": 90000 is not a port: give a number from 1 to 65535"},
		{"an upstream with a path", []string{"--to", "localhost:3000/api"}, "a host and a port only"},
		{"an upstream that is not an address", []string{"--to", "local host"}, "give a host and a port only"},
		{"an empty upstream", []string{"--to", ""}, "--to is empty"},
		{"an upstream that is the proxy", []string{"--to", "localhost:8080"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, in capitals", []string{"--to", "LOCALHOST:8080", "--config-only"}, "is the address of the proxy itself"},
		{"a path without a slash", []string{"--path", "api"}, "begin it with a slash"},
		{"a path with a query", []string{"--path", "/api/webhooks?token=abc"}, "write --path /api/webhooks, without the ? and what follows it"},
		{"a path with a fragment", []string{"--path", "/api/webhooks#a"}, "write --path /api/webhooks, without the # and what follows it"},
		{"a path with a wildcard in it", []string{"--path", "/api/*/webhooks", "--config-only"}, "Write only the part before it: --path /api/. It guards each path that begins with this part"},
		{"a path with two wildcards at its end", []string{"--path", "/api/**", "--config-only"}, "Write only the part before it: --path /api/."},
		{"a path with a placeholder", []string{"--path", "/hooks/{id}", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path with a parameter of Express", []string{"--path", "/hooks/:id", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path that is a parameter", []string{"--path", "/:id", "--config-only"}, "Write only the part before it: --path /."},
		{"a path with a parameter of Next.js", []string{"--path", "/hooks/[id]", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path with a parameter of Flask", []string{"--path", "/hooks/<id>", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path with a parameter within a part", []string{"--path", "/api/v:version/hooks", "--config-only"}, "Write only the part before it: --path /api/v."},
		{"a path with a parameter at the end of a part", []string{"--path", "/hooks-:id", "--config-only"}, "Write only the part before it: --path /hooks-."},
		{"a path with a parameter of Flask at the end of a part", []string{"--path", "/hooks<id>", "--config-only"}, "Write only the part before it: --path /hooks."},
		{"a path with a parameter of Remix", []string{"--path", "/hooks/$id", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path that is a file of Next.js", []string{"--path", "/hooks/[id].ts", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path with a group of routes", []string{"--path", "/api/(hooks)/clerk", "--config-only"}, "Write only the part before it: --path /api/."},
		{"a path that is a regular expression", []string{"--path", "^/api/webhooks", "--config-only"}, "begin it with a slash"},
		{"a path with the end of a regular expression", []string{"--path", "/api/webhooks$", "--config-only"}, "Write only the part before it: --path /api/webhooks."},
		{"a path with a path parameter", []string{"--path", "/api/webhooks;x", "--config-only"}, "Write only the part before it: --path /api/webhooks."},
		{"a path with alternatives", []string{"--path", "/hooks/(a|b)", "--config-only"}, "Write only the part before it: --path /hooks/."},
		{"a path with an encoded wildcard", []string{"--path", "/hooks/a%2Ab", "--config-only"}, "Write only the part before it: --path /hooks/a."},
		{"a path with an encoded percent sign", []string{"--path", "/hooks/a%25b", "--config-only"}, "Write only the part before it: --path /hooks/a."},
		{"a path with a line break", []string{"--path", "/hooks\n", "--config-only"}, "Write only the part before it: --path /hooks."},
		{"a path with an encoded NUL", []string{"--path", "/hooks%00", "--config-only"}, "Write only the part before it: --path /hooks."},
		{"a path that is not UTF-8", []string{"--path", "/hooks%ff", "--config-only"}, "Write only the part before it: --path /hooks."},
		{"a path with a percent sign", []string{"--path", "/hooks/100%", "--config-only"}, "write %25 for a percent sign"},
		{"a path with a doubled slash", []string{"--path", "//api//webhooks", "--config-only"}, "write --path /api/webhooks"},
		{"a path with dots", []string{"--path", "/x/../api/./webhooks/", "--config-only"}, "write --path /api/webhooks/"},
		{"a name that no Caddyfile can hold", []string{"--name", "a`\\", "--config-only"}, "remove one of them"},
		{"a path with a backslash", []string{"--path", `/api\webhooks`, "--config-only"}, "Write only the part before it: --path /api."},
		{"a path that ends with a dot", []string{"--path", "/a.", "--config-only"}, "Write only the part before it: --path /a."},
		{"a path that has a part that ends with a space", []string{"--path", "/a%20/b", "--config-only"}, "Write only the part before it: --path /a."},
		{"a path with a part of dots", []string{"--path", "/a/.../b", "--config-only"}, "Write only the part before it: --path /a/."},
		{"a name that a Caddyfile replaces", []string{"--name", "{$HOME}", "--config-only"}, "--name cannot have a {"},
		{"a name that is a placeholder", []string{"--name", "{env.HOME}", "--config-only"}, "--name cannot have a {"},
		{"all hosts as backend", []string{"--to", "*", "--config-only"}, "give a host and a port only"},
		{"a matcher as backend", []string{"--to", "@dots", "--config-only"}, "give a host and a port only"},
		{"a user in the backend's address", []string{"--to", "https://user@app.example.com", "--config-only"}, "give a host and a port only"},
		{"two backends", []string{"--to", "localhost:3000,localhost:3001", "--config-only"}, "give a host and a port only"},
		{"two backends with a wide space between them", []string{"--to", "localhost:3000\u2003localhost:3001", "--config-only"}, "give a host and a port only"},
		{"a backend with a query", []string{"--to", "localhost:3000?x", "--config-only"}, "give a host and a port only"},
		{"two addresses", []string{"--from", "a.example.com,b.example.com", "--config-only"}, "give an address such as"},
		{"two addresses with a wide space between them", []string{"--from", "a.example.com\u2003b.example.com", "--config-only"}, "give an address such as"},
		{"an address with a query", []string{"--from", "a.example.com?x", "--config-only"}, "give an address such as"},
		{"an address with a user", []string{"--from", "http://user@a.example.com", "--config-only"}, "give an address such as"},
		{"an address of another scheme", []string{"--from", "ftp://a.example.com", "--config-only"}, "give an address such as"},
		{"an address with a backquote", []string{"--from", "a`b", "--config-only"}, "give an address such as"},
		{"an address of nothing", []string{"--from", "", "--config-only"}, "give an address such as"},
		{"an address without a host and a port", []string{"--from", "http://", "--config-only"}, "give an address such as"},
		{"an address of a colon", []string{"--from", ":", "--config-only"}, "give an address such as"},
		{"a short IP address", []string{"--from", "127.1:8080", "--config-only"}, "127.1 is no IP address"},
		{"an IP address with a zero in front", []string{"--from", "127.0.0.01", "--config-only"}, "127.0.0.01 is no IP address"},
		{"an octal IP address", []string{"--from", "0177.0.0.1:8080", "--config-only"}, "0177.0.0.1 is no IP address"},
		{"a hexadecimal IP address", []string{"--from", "http://0x7F.1", "--config-only"}, "0x7F.1 is no IP address"},
		{"a name that ends in a hexadecimal number", []string{"--from", "a.0x", "--config-only"}, "a.0x is no IP address"},
		{"a name that ends in a number", []string{"--from", "a.b.9", "--config-only"}, "write an IP address in full, such as 127.0.0.1"},
		{"an IP address as one number", []string{"--from", "http://2130706433", "--config-only"}, "2130706433 is no IP address"},
		{"an IP address in wide digits", []string{"--from", "\uff11\uff12\uff17.0.0.1:8080", "--config-only"}, "is no IP address"},
		{"this machine with a dot at its end", []string{"--from", "http://localhost.:8080", "--config-only"}, "write localhost, without the dot at its end"},
		{"this machine with a wide dot at its end", []string{"--from", "localhost\u3002:8080", "--config-only"}, "write localhost, without the dot at its end"},
		{"an IP address with a dot at its end", []string{"--from", "http://1.2.3.4.:80", "--config-only"}, "write 1.2.3.4, without the dot at its end"},
		{"an IP address with a zone", []string{"--from", "[::1%lo]:8080", "--config-only"}, "write ::1, without the zone"},
		{"an IP address with an encoded zone", []string{"--from", "[::1%25lo]:8080", "--config-only"}, "write ::1, without the zone"},
		{"a domain with an empty part", []string{"--from", "a..example.com", "--config-only"}, "give an address such as"},
		{"a flag as address", []string{"--from", "-x", "--config-only"}, "give an address such as"},
		{"a port with a sign", []string{"--from", "localhost:+80", "--config-only"}, "from 1 to 65535"},

		{"an upstream that is the proxy, with a zero in front of the port", []string{"--to", "localhost:08080", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, as IPv6", []string{"--to", "[::ffff:127.0.0.1]:8080", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, as any address", []string{"--to", "http://0.0.0.0:8080", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, as a port with a colon", []string{"--to", ":8080", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, under another name", []string{"--to", "app.localhost:8080", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, in wide letters", []string{"--to", "\uff4c\uff4fcalhost:8080", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, at the port of HTTP", []string{"--from", "80", "--to", "http://localhost", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, at the port of HTTPS", []string{"--from", "hooks.example.com", "--to", "https://Hooks.example.com", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream that is the proxy, at all interfaces", []string{"--from", ":9000", "--to", "127.0.0.2:9000", "--config-only"}, "is the address of the proxy itself"},
		{"an upstream with a short IP address", []string{"--to", "127.1:8080", "--config-only"}, "127.1 is no IP address"},
		{"an upstream with a dot at its end", []string{"--to", "localhost.:8080", "--config-only"}, "write localhost, without the dot at its end"},
		{"an upstream of many ports", []string{"--to", "localhost:8080-8081", "--config-only"}, "give a host and a port only"},
		{"an upstream without a host", []string{"--to", "http://", "--config-only"}, "give a host and a port only"},
		{"an upstream of a colon", []string{"--to", ":", "--config-only"}, "give a host and a port only"},
		{"an upstream that is a flag", []string{"--to", "-x", "--config-only"}, "give a host and a port only"},
		{"an upstream with a zone", []string{"--to", "http://[::1%25lo]:8080", "--config-only"}, "write ::1, without the zone"},
		{"port 0 of an upstream", []string{"--to", "localhost:0", "--config-only"}, "from 1 to 65535"},
		{"an upstream above the highest port", []string{"--to", "localhost:65536", "--config-only"}, "from 1 to 65535"},
		{"an upstream of another scheme", []string{"--to", "ftp://localhost:3000", "--config-only"}, "a backend speaks http://, https:// or h2c://, not ftp://"},
		{"a socket without a path", []string{"--to", "unix/", "--config-only"}, "give a host and a port only"},
		{"a broken secret", []string{"--secret", "whsec_tooshort"}, `secret "1"`},
		{"an event that cannot exist", []string{"--event", "user created"}, "event pattern"},
		{"an inspector whose port is in use", []string{"--from", "http://" + testcaddy.FreeAddress(t), "--inspect", takenPort}, "another program listens on 127.0.0.1:" + takenPort + ": stop it, or choose another port with --inspect"},
		{"an inspector for other machines", []string{"--inspect", ":4040"}, "personal data"},
		{"an inspector on the port of the proxy", []string{"--inspect", "localhost:8080"}, "--inspect=off"},
		{"an inspector on the port of the backend", []string{"--to", "localhost:14050", "--inspect", "14050", "--config-only"}, "--inspect http://localhost:14050 has the same port as --to"},
		{"an inspector on the port of the proxy, with a zero in front", []string{"--from", "18080", "--inspect=localhost:018080", "--config-only"}, "--inspect=off"},
		{"an inspector on the port of the backend, with a zero in front", []string{"--to", "localhost:014050", "--inspect=14050", "--config-only"}, "--inspect http://localhost:14050 has the same port as --to"},
		{"an inspector under an address to which it does not answer", []string{"--inspect=127.0.0.2:4040", "--config-only"}, "give one of these, such as localhost:4040"},
		{"an inspector under a name to which it does not answer", []string{"--inspect=https://foo.localhost:4040", "--config-only"}, "give one of these, such as https://localhost:4040"},
		{"HTTP at the port of HTTPS", []string{"--from", "http://localhost:443", "--config-only"}, "--from http://localhost:443: 443 is the port of HTTPS: begin with https://, or give another port"},
		{"HTTPS at the port of HTTP", []string{"--from", "https://hooks.example.com:080", "--config-only"}, "80 is the port of HTTP: begin with http://, or give another port"},
		{"an inspector with HTTP at the port of HTTPS", []string{"--inspect=http://localhost:443", "--config-only"}, "begin with https://"},
		{"an upstream with HTTP at the port of HTTPS", []string{"--to", "http://localhost:443", "--config-only"}, "begin with https://"},
		{"an upstream with HTTP/2 at the port of HTTPS", []string{"--to", "h2c://app.example.com:443", "--config-only"}, "begin with https://"},
		{"an upstream with HTTPS at the port of HTTP", []string{"--to", "https://localhost:80", "--config-only"}, "begin with http://"},
		{"an inspector address that is not one", []string{"--inspect=a b"}, "give an address such as"},
		{"two addresses of an inspector", []string{"--inspect", "localhost:4041", "localhost:4042"}, "unknown command"},
		{"an unknown form of the config", []string{"--config-only=yaml"}, "caddyfile or json"},
		{"quiet and JSON", []string{"--quiet", "--json"}, "--quiet and --json: give one of them"},
		{"an argument", []string{"localhost:3000"}, "unknown command"},
	} {
		if !isDue(i, 4) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, caddy(t, append([]string{"clerk-webhook", "proxy"}, tt.args...)...), "")
			if r.code != 2 || r.stdout != "" {
				t.Errorf("code %d: %s", r.code, r.stdout)
			}
			var entry struct{ Msg string }
			if err := json.Unmarshal([]byte(r.stderr), &entry); err != nil || !strings.Contains(entry.Msg, tt.says) {
				t.Errorf("there is no %q in %s", tt.says, r.stderr)
			}
		})
	}
}

func TestProxyConfigOnly(t *testing.T) {
	t.Parallel()
	secretFile := filepath.Join(t.TempDir(), "secret")
	oddFile := secretFile + "`\\\""
	for _, file := range []string{secretFile, oddFile} {
		if err := os.WriteFile(file, []byte(otherSecret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, tt := range []struct {
		name string
		args []string
		has  []string
	}{
		{"nothing given", nil, []string{"http://:8080 {", "bind 127.0.0.1", "handle /api/webhooks* {", "secret {env.CLERK_WEBHOOK_SIGNING_SECRET}", "reverse_proxy localhost:3000", "level WARN", "\tinspect\n", "http://:4040 {\n\tbind 127.0.0.1", "\tclerk_webhook_inspector\n"}},
		{"everything given", []string{
			"--to", "4000", "--from", "127.0.0.1:9000", "--path", "/a b/c", "--name", `my "shop"`, "--event", "user.*", "--event", "session.created",
			"--secret", "new=" + sendSecret, "--secret", otherSecret, "--secret-file", secretFile, "--report-only", "--deduplicate", "--only", "--access-log", "--debug", "--inspect", "[::1]:5050",
		}, []string{
			"http://:9000 {", "bind 127.0.0.1\n", `handle "/a b/c*" {`, `name "my \"shop\""`, "events user.* session.created",
			"secret new {env.CLERK_WEBHOOK_SIGNING_SECRET}", "secret {env.CLERK_WEBHOOK_SIGNING_SECRET_2}", "secret {file." + secretFile + "}",
			"report_only", "deduplicate\n", "respond 404", "Svix-Signature delete", "reverse_proxy localhost:4000", "\tdebug\n", "http://:5050 {\n\tbind ::1\n",
		}},
		{"a secret file whose name no Caddyfile can hold", []string{"--secret-file", oddFile}, []string{"secret {env.CLERK_WEBHOOK_SIGNING_SECRET}"}},
		{"a path that ends with a slash", []string{"--path", "/hooks/"}, []string{"handle /hooks* {"}},
		{"a path with a wildcard", []string{"--path", "/hooks*"}, []string{"handle /hooks* {"}},
		{"the root", []string{"--path", "/"}, []string{"handle /* {"}},
		{"a domain", []string{"--from", "hooks.example.com"}, []string{"https://hooks.example.com {", "\tlog {\n\t\tformat filter {\n\t\t\trequest>headers>Svix-Signature delete\n"}},
		{"a domain and a port", []string{"--from", "hooks.example.com:8443"}, []string{"https://hooks.example.com:8443 {"}},
		{"a domain without HTTPS", []string{"--from", "http://hooks.example.com"}, []string{"http://hooks.example.com:80 {\n\thandle /api", "http://:80 {\n\trespond"}},
		{"all interfaces", []string{"--from", ":9000"}, []string{"http://:9000 {\n\thandle /api"}},
		{"HTTPS on this machine", []string{"--from", "https://localhost:8443"}, []string{"https://localhost:8443 {", "bind 127.0.0.1", "https://:8443 {\n\tbind 127.0.0.1"}},
		{"an access log of a domain", []string{"--from", "hooks.example.com", "--access-log"}, []string{"https://hooks.example.com {\n\tlog {", "https://:443 {\n\tlog {"}},
		{"the port of the inspector", []string{"--from", "localhost:4040"}, []string{"http://:4040 {", "http://:4041 {"}},
		{"a port alone", []string{"--from", "9000"}, []string{"http://:9000 {", "bind 127.0.0.1"}},
		{"this machine in capitals", []string{"--from", "HTTP://LOCALHOST:9000"}, []string{"http://:9000 {", "bind 127.0.0.1"}},
		{"HTTPS on this machine in capitals", []string{"--from", "HTTPS://Localhost:8443"}, []string{"https://localhost:8443 {", "bind 127.0.0.1"}},
		{"a domain in capitals", []string{"--from", "HTTP://Hooks.Example.com"}, []string{"http://hooks.example.com:80 {"}},
		{"the port of the inspector for the backend", []string{"--to", "localhost:4040"}, []string{"reverse_proxy localhost:4040\n", "http://:4041 {"}},
		{"the port of the inspector for a backend with a scheme", []string{"--to", "http://127.0.0.1:4040"}, []string{"http://:4041 {"}},
		{"the ports after it for the proxy and the backend", []string{"--to", "4040", "--from", "4041"}, []string{"http://:4041 {", "http://:4042 {"}},
		{"the same the other way round", []string{"--to", "4041", "--from", "4040"}, []string{"http://:4040 {", "http://:4042 {"}},
		{"the port of the inspector on another machine", []string{"--to", "app.example.com:4040"}, []string{"http://:4040 {"}},
		{"another name of this machine", []string{"--from", "foo.localhost"}, []string{"http://:8080 {\n\tbind 127.0.0.1"}},
		{"another name of this machine with HTTPS", []string{"--from", "https://foo.localhost:8443"}, []string{"https://foo.localhost:8443 {\n\tbind 127.0.0.1"}},
		{"this machine in wide letters", []string{"--from", "\uff4c\uff4fcalhost:9000"}, []string{"http://:9000 {\n\tbind 127.0.0.1"}},
		{"IPv4 as IPv6", []string{"--from", "[::ffff:127.0.0.1]:8080"}, []string{"http://:8080 {\n\tbind 127.0.0.1\n"}},
		{"a port with a zero in front", []string{"--from", "08081"}, []string{"http://:8081 {\n\tbind 127.0.0.1"}},
		{"a domain in another script", []string{"--from", "b\u00fccher.example"}, []string{"https://xn--bcher-kva.example {"}},
		{"a backend without a port", []string{"--to", "app.example.com"}, []string{"reverse_proxy app.example.com:80\n"}},
		{"a backend with HTTPS", []string{"--to", "https://app.example.com"}, []string{"reverse_proxy https://app.example.com:443\n"}},
		{"a backend with HTTP/2", []string{"--to", "h2c://my_app:3000"}, []string{"reverse_proxy h2c://my_app:3000\n"}},
		{"a backend with IPv6", []string{"--to", "[::1]:3000"}, []string{"reverse_proxy [::1]:3000\n"}},
		{"a backend with a port and a colon", []string{"--to", ":3000"}, []string{"reverse_proxy localhost:3000\n"}},
		{"a backend at a socket", []string{"--to", "unix//run/app.sock"}, []string{"reverse_proxy unix//run/app.sock\n"}},
		{"a backend at the port of the proxy, with another address", []string{"--to", "127.0.0.2:8080"}, []string{"reverse_proxy 127.0.0.2:8080\n"}},
		{"IPv6", []string{"--from", "http://[::1]:9000"}, []string{"http://:9000 {", "bind ::1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			printed := func(form string) string {
				r := run(t, caddy(t, append([]string{"clerk-webhook", "proxy", "--config-only" + form}, tt.args...)...), "")
				if r.code != 0 || r.stderr != "" {
					t.Fatalf("code %d: %s", r.code, r.stderr)
				}
				if strings.Contains(r.stdout, sendSecret[6:]) || strings.Contains(r.stdout, otherSecret[6:]) || strings.Contains(r.stdout, "whsec_") {
					t.Errorf("a secret is printed:\n%s", r.stdout)
				}
				return r.stdout
			}
			text, config, hasBoth := strings.Cut(printed(""), "\n# The same as JSON:\n")
			if !hasBoth {
				t.Errorf("only one form is printed:\n%s", text)
			}
			if testcaddy.Long || i == 0 {
				if printed("=caddyfile") != text || printed("=json") != config {
					t.Error("a form alone is not what it is beside the other")
				}
			}
			for _, part := range tt.has {
				if !strings.Contains(text, part) {
					t.Errorf("there is no %q in\n%s", part, text)
				}
			}
			if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
				t.Errorf("'caddy fmt' writes\n%s\nof\n%s", formatted, text)
			}
			adapted, err := testcaddy.Adapt(text)
			if err != nil {
				t.Fatal(err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(config)); err != nil {
				t.Fatal(err)
			}
			if compact.String() != string(adapted) {
				t.Errorf("the Caddyfile is\n%s\nbut the JSON\n%s", adapted, compact.String())
			}
		})
	}
}

// Caddy's adapter reads the printed Caddyfile and must find the values of the flags.
func TestProxyQuotesValuesInTheCaddyfile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for i, value := range []string{
		`a\b`, `\a`, `a\`, `a\\`, `\\server\share`, `a \"b\"`, `a\ "b"`, `a "b`, "a`b", "`a`", "a\\`b \"c\"", `#a`, `a#b`, `<<a`, `a b`, "a\tb", `é\ü`,
	} {
		if !isDue(i, 3) {
			continue
		}
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(folder, value)
			if err := os.WriteFile(file, []byte(otherSecret), 0o600); err != nil {
				t.Fatal(err)
			}
			path := strings.NewReplacer("\t", " ", `\`, "", "<", "").Replace(value) // a path has none of them
			placeholder := "{file." + file + "}"
			if strings.HasSuffix(value, `\`) { // it would escape the closing brace
				placeholder = "{env.CLERK_WEBHOOK_SIGNING_SECRET}"
			}
			r := run(t, caddy(t, "clerk-webhook", "proxy", "--config-only=caddyfile", "--inspect=off", "--name", value, "--path", "/"+url.PathEscape(path), "--secret-file", file), "")
			if r.code != 0 {
				t.Fatalf("code %d: %s", r.code, r.stderr)
			}
			config, err := testcaddy.Adapt(r.stdout)
			if err != nil {
				t.Fatalf("%v in\n%s", err, r.stdout)
			}
			route := gjson.GetBytes(config, "apps.http.servers.srv0.routes.0")
			guard := route.Get("handle.0.routes.0.handle.0")
			for what, got := range map[string][2]string{
				"path":   {route.Get("match.0.path.0").Str, "/" + path + "*"},
				"name":   {guard.Get("name").Str, value},
				"secret": {guard.Get("secret.0.value").Str, placeholder},
			} {
				if got[0] != got[1] {
					t.Errorf("the %s is %q, not %q", what, got[0], got[1])
				}
			}
		})
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../event/examples/user.created.json")
	if err != nil {
		t.Fatal(err)
	}
	stopped, err := os.ReadFile("../event/examples/subscriptionItem.created.json")
	if err != nil {
		t.Fatal(err)
	}
	const stoppedNote = "Note: Clerk no longer sends subscriptionItem.created.\n"
	var compact bytes.Buffer
	if err := json.Compact(&compact, example); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../event/examples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		all = append(all, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	allJSON, _ := json.Marshal(all)
	for _, tt := range []struct {
		name         string
		args         []string
		code         int
		stdout, says string
	}{
		{"the catalogue", nil, 0, strings.Join(all, "\n") + "\n", stoppedNote},
		{"the catalogue as JSON", []string{"--json"}, 0, string(allJSON) + "\n", stoppedNote},
		{"a family", []string{"user.*"}, 0, "user.created\nuser.deleted\nuser.updated\n", ""},
		{"an example as it is", []string{"user.created"}, 0, string(example), ""},
		{"an example in one line", []string{"user.created", "--json"}, 0, compact.String() + "\n", ""},
		{"an event that Clerk no longer sends", []string{"subscriptionItem.created"}, 0, string(stopped), stoppedNote},
		{"an unknown event", []string{"user.creatd"}, 2, "", "did you mean user.created?"},
		{"two events", []string{"user.created", "user.deleted"}, 2, "", "at most 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, caddy(t, append([]string{"clerk-webhook", "events"}, tt.args...)...), "")
			if r.code != tt.code || r.stdout != tt.stdout || !strings.Contains(r.stderr, tt.says) {
				t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
			}
			if noted := strings.Contains(r.stderr, stoppedNote); noted != (tt.says == stoppedNote) {
				t.Errorf("it must name only listed events that Clerk no longer sends: %s", r.stderr)
			}
		})
	}
}
