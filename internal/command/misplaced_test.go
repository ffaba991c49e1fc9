package command_test

import (
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A secret that is given in a wrong place is neither printed nor used. It can be any flag
// or argument of any command.
func TestMisplacedSecretsAreNotRepeated(t *testing.T) {
	const key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secrets := []string{"whsec_" + key, "whsk_" + key, "sk_live_" + key, "sk_test_" + key, "http://example.com/?key=sk_live_" + key, "c_mfkq7r6gkyqrtwjupd5ilpzio2lalasw"}
	root := &cobra.Command{}
	caddycmd.Commands()["clerk-webhook"].CobraFunc(root)
	lines := [][]string{{"SECRET"}, {"--SECRET"}}
	for _, sub := range root.Commands() {
		lines = append(lines, []string{sub.Name(), "SECRET"}, []string{sub.Name(), "a", "SECRET"}, []string{sub.Name(), "--SECRET"}, []string{sub.Name(), "--SECRET=1"})
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			lines = append(lines, []string{sub.Name(), "--" + f.Name + "=SECRET"})
		})
	}
	for i, line := range lines {
		if !isDue(i, 5) { // 5 and the number of secrets have no common divisor
			continue
		}
		t.Run(strings.Join(line, " "), func(t *testing.T) {
			t.Parallel()
			secret := secrets[i%len(secrets)]
			args := strings.Split(strings.ReplaceAll(strings.Join(line, "\n"), "SECRET", secret), "\n")
			res := run(t, caddy(t, append([]string{"clerk-webhook"}, args...)...), "")
			isRun := res.code != 2 && line[0] != "secret" // which makes a new one
			if isRun || strings.Contains(res.stdout+res.stderr, secret[len(secret)-20:]) {
				t.Errorf("exit code %d:\n%s%s", res.code, res.stdout, res.stderr)
			}
		})
	}
}
