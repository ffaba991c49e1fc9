package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const (
	tryClone = "git clone https://github.com/caddyclerk/caddy-clerk-webhook\ncd caddy-clerk-webhook\n"
	tryProxy = "go run ./cmd/caddy clerk-webhook proxy\n"
	trySend  = "go run ./cmd/caddy clerk-webhook send user.created --secret whsec_…\n"

	// provenCause is what the inspector finds out about --invalid reformatted.
	provenCause = "the body was parsed and encoded again on its way"
)

// checkTry knows the commands of "Try it". The line to send is printed by the
// proxy, so both run together.
func checkTry(t *testing.T, commands string) {
	switch commands {
	case tryClone:
		checkClone(t)
	case tryProxy:
		// It runs until it is stopped: see the line that it prints.
	case trySend:
		checkPrintedLine(t)
	default:
		t.Error("nothing is known about these commands")
	}
}

// checkClone clones another repository of the same name, because a test needs no
// network.
func checkClone(t *testing.T) {
	origin := filepath.Join(t.TempDir(), "caddy-clerk-webhook")
	clone := testcaddy.Replace(t, tryClone, "https://github.com/caddyclerk/caddy-clerk-webhook", origin)
	line := "set -e\ngit init -q " + origin + "\ncd " + t.TempDir() + "\n" + clone + "pwd"
	if output, code := testcaddy.RunLine(t, line); code != 0 || !strings.HasSuffix(output, "/caddy-clerk-webhook\n") {
		t.Errorf("exit code %d: %s", code, output)
	}
}

func checkPrintedLine(t *testing.T) {
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", "") // as for somebody who is new
	url := "http://" + testcaddy.FreeAddress(t)
	p := startProxy(t, strings.TrimSpace(tryProxy)+" --from "+url, "\n\n  go run ")
	line := regexp.MustCompile(`(?m)^  (go run .*)$`).FindStringSubmatch(p.String())
	if line == nil {
		t.Fatalf("no line to try it:\n%s", p)
	}
	shown := strings.Replace(line[1], " --to "+url+"/api/webhooks", "", 1) + "\n"
	if shown = regexp.MustCompile(`whsec_\S+`).ReplaceAllString(shown, "whsec_…"); shown != trySend {
		t.Errorf("it prints %q", shown)
	}
	if output, code := testcaddy.RunLine(t, line[1]); code != 0 || !strings.Contains(output, "200  ") {
		t.Errorf("exit code %d: %s", code, output)
	}
	p.WaitFor(t, "  user.created          Nadia Okafor, ")
	output, code := testcaddy.RunLine(t, line[1]+" --invalid reformatted")
	if code != 1 || !strings.HasPrefix(output, "403  ") || !strings.Contains(output, provenCause) {
		t.Errorf("reformatted after signing: exit code %d: %s", code, output)
	}
}

// documentedLines says what becomes of each line of the sections on the command.
var documentedLines = map[string]struct {
	code     int
	prints   string
	arrivals int // at the backend
}{
	"caddy clerk-webhook proxy --to localhost:3000 --config-only=caddyfile":                           {prints: "\t\tclerk_webhook {\n"},
	"caddy clerk-webhook send user.created user.updated user.deleted":                                 {prints: "3 of 3 accepted\n", arrivals: 3},
	"caddy clerk-webhook send user.created --set data.first_name=Ada":                                 {prints: "200  ", arrivals: 1},
	"caddy clerk-webhook send --data payload.json":                                                    {prints: "200  ", arrivals: 1},
	"caddy clerk-webhook send user.created --count 10000 --concurrency 32":                            {prints: "10000 of 10000 accepted", arrivals: 10000},
	"caddy clerk-webhook send user.created --invalid reformatted":                                     {code: 1, prints: "403  "},
	"caddy clerk-webhook send user.created --invalid signature --to https://example.com/api/webhooks": {code: 1, prints: "403  "},
	"caddy clerk-webhook secret --listen-token":                                                       {prints: "c_"},
	"caddy clerk-webhook events":                                                                      {prints: "user.created\n"},
	"caddy clerk-webhook events user.created":                                                         {prints: `"type": "user.created"`},
	"caddy clerk-webhook verify --request delivery.http":                                              {code: 1, prints: "body_newline_added (proven)\n"},
	"caddy clerk-webhook sign --data payload.json --curl http://localhost:8080/api/webhooks":          {prints: "curl "},
}

const proxyLine = "caddy clerk-webhook proxy --to localhost:3000"

// checkLine runs a line in front of a backend, or behind the proxy that the
// documentation puts there, and looks at what it says and does.
func checkLine(t *testing.T, line string) {
	if strings.Contains(line, "clerk-webhook listen") {
		checkListen(t, line)
		return
	}
	if strings.HasPrefix(line, "caddy clerk-webhook backfill ") {
		if !strings.Contains(testcaddy.ReadFile(t, "docs/backfill.md"), "\n"+line) { // whose commands are run
			t.Error("docs/backfill.md does not have this command")
		}
		return
	}
	expected, ok := documentedLines[line]
	if !ok && line != proxyLine {
		t.Fatal("nothing is known about this command")
	}
	if expected.arrivals == 10_000 && !testcaddy.Long {
		line = testcaddy.Replace(t, line, "10000", "1000")
		expected.prints, expected.arrivals = "1000 of 1000 accepted", 1000
	}
	testcaddy.InstallCaddy(t)
	backend := testcaddy.NewBackend(t, nil)
	url := "http://" + testcaddy.FreeAddress(t)
	startProxy(t, testcaddy.Replace(t, proxyLine, "localhost:3000", backend.Address)+" --from "+url, "Guarding "+url)
	if line == proxyLine {
		line = "caddy clerk-webhook send user.deleted"
		expected.arrivals = 1
	}

	line = strings.Replace(line, " --to https://example.com/api/webhooks", "", 1)
	line = strings.Replace(line, "clerk-webhook send ", "clerk-webhook send --to "+url+"/api/webhooks ", 1)
	output, code := testcaddy.RunLine(t, line)
	if code != expected.code || !strings.Contains(output, expected.prints) {
		t.Errorf("exit code %d: %s", code, output)
	}
	if strings.Contains(line, "--curl") {
		output, code = testcaddy.RunLine(t, testcaddy.Replace(t, line, "http://localhost:8080", url)+" | sh")
		if code != 0 || output != "" {
			t.Errorf("what it prints ends with exit code %d: %s", code, output)
		}
		expected.arrivals = 1
	}
	if got := len(backend.Take()); got != expected.arrivals {
		t.Errorf("%d requests reached the backend", got)
	}
}

// startProxy runs a line until the test ends and returns all that it prints,
// once that contains the given text.
func startProxy(t testing.TB, line, text string) *testcaddy.Buffer {
	t.Helper()
	printed := &testcaddy.Buffer{}
	cmd := testcaddy.Shell(t, line)
	// "go run" leaves it to the terminal to interrupt the program as well: all
	// are in a process group, as there.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	wait := testcaddy.Start(t, cmd, printed, printed)
	t.Cleanup(func() { _ = wait() }) // the test's context has interrupted it
	printed.WaitFor(t, text)
	return printed
}
