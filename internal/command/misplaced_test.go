package command_test

import (
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// A secret that is given in a wrong place is neither printed nor used. It can be any flag
// or argument of any command.
func TestMisplacedSecretsAreNotRepeated(t *testing.T) {
	const key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secrets := []string{"whsec_" + key, "whsk_" + key, "sk_live_" + key, "sk_test_" + key, "http://example.com/?key=sk_live_" + key, "c_mfkq7r6gkyqrtwjupd5ilpzio2lalasw"}
	for i, line := range placesOnCommandLines() {
		if !isDue(i, 5) { // 5 and the number of secrets have no common divisor
			continue
		}
		t.Run(strings.Join(line, " "), func(t *testing.T) {
			t.Parallel()
			secret := secrets[i%len(secrets)]
			res := runWithSecret(t, line, secret)
			isRun := res.code != 2 && line[0] != "secret" // which makes a new one
			if isRun || strings.Contains(res.stdout+res.stderr, secret[len(secret)-20:]) {
				t.Errorf("exit code %d:\n%s%s", res.code, res.stdout, res.stderr)
			}
		})
	}
}

// What has no form of a signing secret is not printed either. Only an id, a backend, an
// event type and a part of a name can look like a key without a prefix.
func TestMisplacedKeysAndPasswordsAreNotRepeated(t *testing.T) {
	const key, password = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "pa55word"
	secrets := []string{
		key, "5m-" + key, "SECRET=" + key, "http://example.com/?key=" + key, "{env." + key + "}", "'" + key + "'", "a," + key, "X-Key: " + key,
		"postgres://caddy:" + password + "@db/caddy", "redis://:" + password + "@db", "http://caddy:" + password + "@127.0.0.1:1/", "http://caddy:12/" + password + "@127.0.0.1:1",
		"127.0.0.1:1?url=postgres://caddy:" + password + "@db/caddy", "host=db password=" + password,
	}
	// No network is needed, and each command ends.
	elsewhere := map[string][]string{
		"proxy": {"--config-only"}, "listen": {"--config-only"}, "send": {"--to=http://127.0.0.1:1", "--data={}"}, "backfill": {"--api=http://127.0.0.1:1"}, "forget": {"--address=127.0.0.1:1"},
	}
	for i, line := range placesOnCommandLines() {
		if !isDue(i, 5) {
			continue
		}
		for _, secret := range []string{secrets[i%8], secrets[8+i%6]} {
			t.Run(strings.Join(line, " ")+" as "+secret, func(t *testing.T) {
				t.Parallel()
				args := slices.Insert(slices.Clone(line), 1, elsewhere[line[0]]...) // what comes behind counts
				res := runWithSecret(t, args, secret)
				isTaken := res.code != 2 && slices.Contains([]string{"--id=SECRET", "--to=SECRET", "--event=SECRET", "--name=SECRET"}, line[len(line)-1])
				if output := res.stdout + res.stderr; strings.Contains(output, password) || strings.Contains(output, key) && !isTaken {
					t.Errorf("exit code %d:\n%s", res.code, output)
				}
			})
		}
	}
}

// placesOnCommandLines has SECRET at each flag and argument of each command.
func placesOnCommandLines() [][]string {
	root := &cobra.Command{}
	caddycmd.Commands()["clerk-webhook"].CobraFunc(root)
	lines := [][]string{{"SECRET"}, {"--SECRET"}}
	for _, sub := range root.Commands() {
		lines = append(lines, []string{sub.Name(), "SECRET"}, []string{sub.Name(), "a", "SECRET"}, []string{sub.Name(), "--SECRET"}, []string{sub.Name(), "--SECRET=1"})
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			lines = append(lines, []string{sub.Name(), "--" + f.Name + "=SECRET"})
		})
	}
	return lines
}

func runWithSecret(t testing.TB, line []string, secret string) result {
	t.Helper()
	args := strings.Split(strings.ReplaceAll(strings.Join(line, "\n"), "SECRET", secret), "\n")
	cmd := caddy(t, append([]string{"clerk-webhook"}, args...)...)
	cmd.Env = append(cmd.Env, signature.SecretVariable+"="+sendSecret)
	return run(t, cmd, "")
}
