package command_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func TestSecretPrintsAFreshSecret(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		res := run(t, caddy(t, "clerk-webhook", "secret"), "")
		text, isLine := strings.CutSuffix(res.stdout, "\n")
		if res.code != 0 || !isLine || !strings.HasPrefix(text, "whsec_") || seen[text] {
			t.Fatalf("exit code %d, stdout %q", res.code, res.stdout)
		}
		seen[text] = true
		secret, err := signature.ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := secret.SelfTest(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhereSecretsComeFrom(t *testing.T) {
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const environment = "CLERK_WEBHOOK_SIGNING_SECRET="
	tests := []struct {
		name  string
		args  []string
		env   string
		stdin string
		want  string // name
	}{
		{"flag", []string{"--secret", productionSecret}, "", "", "1"},
		{"named flag", []string{"--secret", "mine=" + productionSecret}, "", "", "mine"},
		{"file", []string{"--secret-file", write(productionSecret + "\n")}, "", "", "1"},
		{"named in a file", []string{"--secret-file", write("CLERK_WEBHOOK_SIGNING_SECRET=" + productionSecret + "\n")}, "", "", "CLERK_WEBHOOK_SIGNING_SECRET"},
		{"file with a byte order mark", []string{"--secret-file", write("\ufeff" + productionSecret + "\r\n")}, "", "", "1"},
		{"named in a file with a byte order mark", []string{"--secret-file", write("\ufeffmine=" + productionSecret + "\r\n")}, "", "", "mine"},
		{"standard input", []string{"--secret-file", "-"}, "", productionSecret + "\n", "1"},
		{"environment", nil, environment + productionSecret, "", "1"},
		{"flag before environment", []string{"--secret", "mine=" + productionSecret}, environment + developmentSecret, "", "mine"},
		{"flag and file", []string{"--secret", developmentSecret, "--secret-file", write(productionSecret)}, "", "", "2"},
	}
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, []byte(userUpdated), 0o600); err != nil {
		t.Fatal(err)
	}
	r := genuine(t, userUpdated)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{
				"clerk-webhook", "verify", "--body", body, "--at", strconv.Itoa(receivedAt),
				"--id", r.id, "--timestamp", r.timestamp, "--signature", r.signature,
			}, tt.args...)
			cmd := caddy(t, args...)
			cmd.Env = append(cmd.Env, tt.env)
			res := run(t, cmd, tt.stdin)
			if res.code != 0 || !strings.Contains(res.stdout, "secret     "+tt.want+"\n") {
				t.Errorf("exit code %d, want secret %s:\n%s%s", res.code, tt.want, res.stdout, res.stderr)
			}
			checkNoSecret(t, res)
		})
	}
}

func TestUnusableSecrets(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wide := filepath.Join(t.TempDir(), "wide")
	if err := os.WriteFile(wide, []byte("\xff\xfe"+strings.Join(strings.Split(productionSecret, ""), "\x00")+"\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		env  string
		want string
	}{
		{"empty flag", []string{"--secret", ""}, "", "is empty"},
		{"empty file", []string{"--secret-file", empty}, "", "is empty"},
		{"file in UTF-16", []string{"--secret-file", wide}, "", "save it as UTF-8"},
		{"missing file", []string{"--secret-file", "/does/not/exist"}, "", "no such file"},
		{"blank environment", nil, "CLERK_WEBHOOK_SIGNING_SECRET= ", "no signing secret"},
		{"a key with an = inside is not printed as a name", []string{"--secret", strings.Repeat("Zm9v", 8) + "=x"}, "", "secret \\\"1\\\""},
		{"a key of the API is not printed as a name", []string{"--secret", "sk_test_Zm9v=" + sendSecret}, "", "secret \\\"1\\\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := caddy(t, append([]string{"clerk-webhook", "sign", "--data", "{}"}, tt.args...)...)
			cmd.Env = append(cmd.Env, tt.env)
			res := run(t, cmd, "")
			if res.code != 2 || !strings.Contains(res.stderr, tt.want) {
				t.Errorf("exit code %d, want 2 and %q:\n%s%s", res.code, tt.want, res.stdout, res.stderr)
			}
			if strings.Contains(res.stderr, "Zm9v") {
				t.Errorf("a part of a secret is printed: %s", res.stderr)
			}
		})
	}
}
