// Package examples runs the examples whose backends are other programs. It uses
// the commands of their READMEs and the first caddy in the PATH.
package examples

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

const (
	secret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// example is a copy of an example's folder that listens on free ports.
type example struct {
	folder, endpoint string
}

func open(t *testing.T, name string) *example {
	t.Helper()
	e := &example{folder: filepath.Join(t.TempDir(), name)}
	if err := os.CopyFS(e.folder, os.DirFS(filepath.Join("../../examples", name))); err != nil {
		t.Fatal(err)
	}
	for _, generated := range []string{"node_modules", ".next", "backend.sock"} { // from an earlier run
		if err := os.RemoveAll(filepath.Join(e.folder, generated)); err != nil {
			t.Fatal(err)
		}
	}
	front := freePort(t)
	e.endpoint = "http://localhost:" + front + "/api/webhooks"
	e.replace(t, "Caddyfile", ":8080", ":"+front)
	return e
}

func (e *example) read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.folder, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (e *example) replace(t *testing.T, file, old, replacement string) {
	t.Helper()
	text := e.read(t, file)
	if !strings.Contains(text, old) {
		t.Fatalf("%s does not have %q any more", file, old)
	}
	if err := os.WriteFile(filepath.Join(e.folder, file), []byte(strings.ReplaceAll(text, old, replacement)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// line checks that the README still has the command. It returns the command
// with the test's addresses.
func (e *example) line(t *testing.T, line string) string {
	t.Helper()
	if !strings.Contains(e.read(t, "README.md"), line) {
		t.Fatalf("the README does not have %q any more", line)
	}
	return strings.Replace(line, "caddy clerk-webhook send ", "caddy clerk-webhook send --to "+e.endpoint+" ", 1)
}

func (e *example) command(t *testing.T, line string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", line)
	cmd.Dir = e.folder
	home := t.TempDir() // for the files of Caddy and npm, except npm's cache
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "CADDY_ADMIN=127.0.0.1:"+freePort(t),
		"NEXT_TELEMETRY_DISABLED=1", "CLERK_WEBHOOK_SIGNING_SECRET="+secret)
	return cmd
}

// run runs a command of the README to its end.
func (e *example) run(t *testing.T, line string) (output string, code int) {
	t.Helper()
	content, err := e.command(t, e.line(t, line)).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(content), code
}

func (e *example) mustRun(t *testing.T, line string) string {
	t.Helper()
	output, code := e.run(t, line)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s", line, code, output)
	}
	return output
}

// start runs a command of the README until the test ends.
func (e *example) start(t *testing.T, line string, env ...string) *output {
	t.Helper()
	printed := &output{}
	cmd := e.command(t, e.line(t, line))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // npm has children
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has stopped it
	return printed
}

// output is what a program has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns when the program has printed the text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	if !eventually(func() bool { return strings.Contains(o.String(), text) }) {
		t.Fatalf("it never printed %q:\n%s", text, o)
	}
}

// eventually polls, because other programs do not say when they are done.
func eventually(holds func() bool) bool {
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func freePort(t *testing.T) string {
	t.Helper()
	found, err := loopback.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(found[0], "127.0.0.1:")
}

// expectInOrder looks for each text after the previous one.
func expectInOrder(t *testing.T, text string, wanted ...string) {
	t.Helper()
	rest := text
	for _, want := range wanted {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q where it belongs in\n%s", want, text)
		}
		rest = after
	}
}

func TestPython(t *testing.T) {
	e := open(t, "python")
	socket := filepath.Join(e.folder, "backend.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil { // as an earlier run leaves it
		t.Fatal(err)
	}
	backend := e.start(t, "python3 backend.py")
	if !eventually(func() bool { info, err := os.Stat(socket); return err == nil && info.Mode()&os.ModeSocket != 0 }) {
		t.Fatalf("no socket: %s", backend)
	}
	caddy := e.start(t, "caddy run")
	caddy.await(t, "serving initial configuration")

	t.Run("only its owner and group can connect", func(t *testing.T) {
		info, err := os.Stat(socket)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o660 {
			t.Errorf("the socket has the permissions %o", got)
		}
	})
	t.Run("it handles genuine deliveries", func(t *testing.T) {
		output := e.mustRun(t, "caddy clerk-webhook send user.created user.deleted")
		expectInOrder(t, output, "204  ", "204  ", "2 of 2 accepted")
		backend.await(t, "user.deleted msg_")
		expectInOrder(t, backend.String(), "user.created msg_", " user_", "user.deleted msg_", " user_")
	})
	t.Run("it never sees a forgery", func(t *testing.T) {
		before := backend.String()
		output, code := e.run(t, "caddy clerk-webhook send user.created --invalid signature")
		if code != 1 || !strings.Contains(output, "403  ") {
			t.Errorf("exit code %d: %s", code, output)
		}
		if after := backend.String(); after != before {
			t.Errorf("it printed %s", after[len(before):])
		}
	})
	t.Run("it does not believe a sender's Clerk-Event", func(t *testing.T) {
		curl, err := e.command(t, `caddy clerk-webhook sign --id msg_liar --data '{"type":"user.updated","data":{"id":"user_1"}}' --curl `+e.endpoint+
			` | sed 's/^curl /&-H "Clerk-Event: user.promoted" /' | sh`).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, curl)
		}
		backend.await(t, "user.updated msg_liar user_1")
		if strings.Contains(backend.String(), "user.promoted") {
			t.Error("it did")
		}
	})
	t.Run("what it cannot handle is tried again", func(t *testing.T) {
		line := "caddy clerk-webhook send --to " + e.endpoint + ` --id msg_odd --data '{"type":"user.updated"}'`
		for range 2 { // the second is not a duplicate, because the first failed
			output, err := e.command(t, line).CombinedOutput()
			if err == nil || !strings.Contains(string(output), "502  ") {
				t.Errorf("%v: %s", err, output)
			}
		}
	})
}

func TestNext(t *testing.T) {
	e := open(t, "nextjs")
	// Clerk's quick start adds such a file. Next.js then takes the data of a page for the page.
	if err := os.WriteFile(filepath.Join(e.folder, "proxy.ts"), []byte("export function proxy() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.mustRun(t, "npm ci")
	e.mustRun(t, "npm run build")
	port := freePort(t)
	e.replace(t, "Caddyfile", "localhost:3000", "localhost:"+port)
	next := e.start(t, "npm start", "PORT="+port)
	next.await(t, "Ready")
	caddy := e.start(t, "caddy run")
	caddy.await(t, "serving initial configuration")

	t.Run("it handles genuine deliveries", func(t *testing.T) {
		output := e.mustRun(t, "caddy clerk-webhook send user.created user.updated user.deleted")
		expectInOrder(t, output, "200  ", "took user.created", "200  ", "took user.updated", "200  ", "took user.deleted", "3 of 3 accepted")
		next.await(t, "user.deleted user_")
		expectInOrder(t, next.String(), "user.created user_", "user.updated user_", "user.deleted user_")
	})
	for _, tt := range []struct {
		name, line, answer string
	}{
		{"the guard refuses a forgery", "caddy clerk-webhook send user.created --secret " + otherSecret + " --to " + e.endpoint, "403  "},
		{"the handler does, too", "caddy clerk-webhook send user.created --secret " + otherSecret + " --to http://127.0.0.1:" + port + "/api/webhooks", "400  "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := strings.Count(next.String(), "user.created")
			output, err := e.command(t, tt.line).CombinedOutput()
			if err == nil || !strings.Contains(string(output), tt.answer) {
				t.Errorf("%v: %s", err, output)
			}
			if after := strings.Count(next.String(), "user.created"); after != before {
				t.Error("it was handled")
			}
		})
	}
	data := "/_next/data/" + strings.TrimSpace(e.read(t, ".next/BUILD_ID")) + "/api/webhooks.json"
	for origin, answer := range map[string]string{
		"http://127.0.0.1:" + port:                      "not genuine", // the handler says so
		strings.TrimSuffix(e.endpoint, "/api/webhooks"): "Some backends take this path",
	} {
		output, err := e.command(t, "curl -sS -d x "+origin+data).CombinedOutput()
		if err != nil || !strings.Contains(string(output), answer) {
			t.Errorf("%s: %v: %s", origin+data, err, output)
		}
	}
	t.Run("its pages are not guarded", func(t *testing.T) {
		output, err := e.command(t, "curl -sS -o /dev/null -w '%{http_code} %header{x-powered-by}' "+strings.TrimSuffix(e.endpoint, "/api/webhooks")).CombinedOutput()
		if err != nil || string(output) != "404 Next.js" {
			t.Errorf("%v: %s", err, output)
		}
	})
}
