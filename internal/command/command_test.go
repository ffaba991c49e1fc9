package command_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	_ "github.com/caddyclerk/caddy-clerk-webhook"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// beCaddy is the variable that makes the test binary the caddy command.
const beCaddy = "CLERK_WEBHOOK_TEST_BE_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(beCaddy) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// longestRun is after how long a command is killed.
const longestRun = 2 * time.Minute

// caddy returns the caddy command with this plugin, in a process of its own. It does
// not get the variables of the environment that have secrets or turn colours on.
func caddy(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longestRun)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, executable, args...)
	home := t.TempDir()
	// The race detector would wait for a second at the end.
	cmd.Env = []string{beCaddy + "=1", "GORACE=atexit_sleep_ms=0", "HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// result is the output and the exit code of a command.
type result struct {
	stdout, stderr string
	code           int
}

// run runs cmd to its end with the given standard input.
func run(t testing.TB, cmd *exec.Cmd, stdin string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// isDue reports whether to run case i of a table. Each nth is run, and with the tag long
// each.
func isDue(i, n int) bool { return testcaddy.Long || i%n == 0 }

// answer runs a command that has nothing to do with the environment. Without the tag long
// it runs in this process, because a Caddy takes 25 ms to start.
func answer(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	if testcaddy.Long {
		return run(t, caddy(t, append([]string{"clerk-webhook"}, args...)...), stdin)
	}
	root := &cobra.Command{SilenceUsage: true}
	caddycmd.Commands()["clerk-webhook"].CobraFunc(root)
	var stdout, stderr bytes.Buffer
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(args)
	code := 0
	if err := root.ExecuteContext(t.Context()); err != nil {
		code = 1
	}
	return result{stdout.String(), stderr.String(), code}
}

func TestUnknownCommand(t *testing.T) {
	res := run(t, caddy(t, "clerk-webhook", "verfy"), "")
	if res.code != 2 || !strings.Contains(res.stderr, "did you mean verify?") {
		t.Errorf("exit code %d, stderr %s", res.code, res.stderr)
	}
}

func TestHelp(t *testing.T) {
	res := run(t, caddy(t, "clerk-webhook"), "")
	if res.code != 0 || !strings.Contains(res.stdout, "Exit codes:") {
		t.Errorf("exit code %d, stdout %s", res.code, res.stdout)
	}
	for _, name := range subcommandNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, caddy(t, "clerk-webhook", name, "--help"), "")
			if res.code != 0 || !strings.Contains(res.stdout, "Examples:\n  $ ") {
				t.Errorf("exit code %d, stdout %s", res.code, res.stdout)
			}
		})
	}
}

// subcommandNames returns the names that the help lists.
func subcommandNames(t *testing.T) []string {
	t.Helper()
	help := run(t, caddy(t, "clerk-webhook", "--help"), "").stdout
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		names = append(names, strings.Fields(line)[0])
	}
	if len(names) == 0 {
		t.Fatalf("no commands in %s", help)
	}
	return names
}

func TestCompletionAndManPages(t *testing.T) {
	script := run(t, caddy(t, "completion", "bash"), "").stdout
	directory := t.TempDir()
	if res := run(t, caddy(t, "manpage", "--directory", directory), ""); res.code != 0 {
		t.Fatalf("manpage: exit code %d: %s", res.code, res.stderr)
	}
	for _, name := range subcommandNames(t) {
		if !strings.Contains(script, `"`+name+`"`) {
			t.Errorf("completion does not know %s", name)
		}
		page, err := os.ReadFile(filepath.Join(directory, "caddy-clerk-webhook-"+name+".8"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(page), ".SH EXAMPLE") {
			t.Errorf("the manual page of %s has no examples", name)
		}
	}

	flags := run(t, caddy(t, "__complete", "clerk-webhook", "verify", "--req"), "").stdout
	if !strings.Contains(flags, "--request") {
		t.Errorf("completion offers %q", flags)
	}
}
