package command_test

import (
	"strings"
	"testing"
)

// A value after a space means the same as one after an equals sign.
func TestOptionalValuesAfterASpace(t *testing.T) {
	const relay = "wss://example.com/api/webhooks"
	for _, args := range [][]string{
		{"proxy", "--config-only=caddyfile", "--inspect=localhost:4041"},
		{"proxy", "--config-only=json", "--inspect=off"},
		{"proxy", "--config-only=json", "--inspect=4041"},
		{"listen", "--config-only=caddyfile", "--inspect=off"},
		{"listen", "--config-only=caddyfile", "--inspect=[::1]:4041"},
		{"listen", "--config-only=json", "--inspect=http://localhost:4041"},
		{"listen", relay, "--config-only=json", "--inspect=4041"},
		{"listen", "--config-only=json", "--inspect=4041", relay},
		{"listen", "--inspect=localhost:4040", "--config-only=json", relay},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			printed := func(args []string) string {
				cmd := caddy(t, append([]string{"clerk-webhook"}, args...)...)
				cmd.Env = append(cmd.Env, secretVariables...)
				r := run(t, cmd, "")
				if r.code != 0 {
					t.Fatalf("code %d: %s", r.code, r.stderr)
				}
				return r.stdout
			}
			var apart []string
			for _, arg := range args {
				apart = append(apart, strings.SplitN(arg, "=", 2)...)
			}
			if got, want := printed(apart), printed(args); got != want {
				t.Errorf("with spaces, it prints\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestListenTakesOneRelay(t *testing.T) {
	for _, args := range [][]string{
		{"wss://one.example/hook", "wss://two.example/hook"},
		{"wss://one.example/hook", "localhost:4041"},
		{"wss://one.example/hook", "--inspect", "localhost:4041", "localhost:4042"},
	} {
		if r := run(t, caddy(t, append([]string{"clerk-webhook", "listen", "--config-only"}, args...)...), ""); r.code != 2 || !strings.Contains(r.stderr, "at most 1 arg") {
			t.Errorf("%v: code %d: %s", args, r.code, r.stderr)
		}
	}
}
