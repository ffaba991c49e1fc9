package command_test

import (
	"strings"
	"testing"
)

// Many tutorials have another name for the variable of the secret.
func TestVariableOfTutorialsIsNamed(t *testing.T) {
	for value, want := range map[string]bool{sendSecret: true, " ": false} {
		for _, args := range [][]string{{"send", "user.created"}, {"sign", "--data", "{}"}} {
			cmd := caddy(t, append([]string{"clerk-webhook"}, args...)...)
			cmd.Env = append(cmd.Env, "CLERK_WEBHOOK_SECRET="+value)
			r := run(t, cmd, "")
			if named := strings.Contains(r.stderr, "; CLERK_WEBHOOK_SECRET is set: rename that variable"); r.code != 2 || named != want {
				t.Errorf("%s: code %d: %s", args[0], r.code, r.stderr)
			}
		}
	}
}

func TestProxyNamesTheVariableOfTutorials(t *testing.T) {
	p := startProxy(t, []string{"CLERK_WEBHOOK_SECRET=" + sendSecret})
	p.stdout.WaitFor(t, "(generated: CLERK_WEBHOOK_SECRET is ignored, because the guard reads CLERK_WEBHOOK_SIGNING_SECRET)")
}
