package testcaddy

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// Main runs the tests of a package in the project's root, for its TestMain. Under
// the name caddy the test binary is the caddy command.
func Main(m *testing.M) {
	if filepath.Base(os.Args[0]) == "caddy" {
		caddycmd.Main()
		return
	}
	if err := os.Chdir(Root()); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// InstallCaddy puts a Caddy first in the path and changes to a folder with the
// files that the documentation names.
func InstallCaddy(t testing.TB) {
	t.Helper()
	directory := t.TempDir()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(executable, filepath.Join(directory, "caddy")); err != nil {
		t.Fatal(err)
	}
	r := SignedRequest(t, "http://localhost", Secret, UserCreated)
	var delivery strings.Builder
	delivery.WriteString("POST /api/webhooks HTTP/1.1\r\n")
	if err := r.Header.Write(&delivery); err != nil {
		t.Fatal(err)
	}
	delivery.WriteString("\r\n" + UserCreated + "\n") // the last line end as an editor adds it
	for name, text := range map[string]string{"payload.json": UserCreated, "delivery.http": delivery.String()} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(directory)
	t.Setenv("PATH", directory+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", Secret)
}

// RunLine returns what a line prints and its exit code.
func RunLine(t testing.TB, line string) (output string, code int) {
	t.Helper()
	content, err := Shell(t, line).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(content), code
}

// Shell returns a command that runs a line, with a home of its own.
func Shell(t testing.TB, line string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", line)
	home := t.TempDir() // for what Caddy stores
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home)
	return cmd
}

// Start starts a command whose output goes to the buffers. They end when it has ended,
// so that nobody waits for what it can no longer print. wait may be called often.
func Start(t testing.TB, cmd *exec.Cmd, stdout, stderr *Buffer) (wait func() error) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait = sync.OnceValue(func() error {
		defer stdout.End()
		defer stderr.End()
		return cmd.Wait()
	})
	go func() { _ = wait() }()
	return wait
}
