package command_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

// Each command of docs/backfill.md works as it is written, with addresses, files and
// ids of this test.
func TestBackfillCommandsOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/backfill.md")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	for name, content := range map[string]string{"key": testclerk.Key, "signing": sendSecret} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	api := httptest.NewServer(instanceOf(testclerk.Users(0, 30), testclerk.Organizations(0, 2)))
	defer api.Close()
	backend := newRecorder(t, ok)
	adapt := strings.NewReplacer("\\\n", " ", "https://example.com/api/webhooks", backend.URL, "/etc/clerk/secret-key", directory+"/key", "/etc/clerk/signing-secret", directory+"/signing",
		" backfill.json", " "+directory+"/backfill.json", "user_3B1LthHJj28d4rw3owVgC6UxlZK", testclerk.User(0).ID, "org_3A6rQbZwhmQ3lhG2tsMBkdORKIo", testclerk.Organization(0).ID)
	commands := 0
	for line := range strings.Lines(adapt.Replace(string(text))) {
		_, command, isCommand := strings.Cut(line, "caddy clerk-webhook backfill ")
		if !isCommand || strings.Contains(line, "`") {
			continue
		}
		commands++
		command, _, _ = strings.Cut(command, ">>")
		cmd := caddy(t, append([]string{"clerk-webhook", "backfill", "--api", api.URL + "/v1"}, strings.Fields(command)...)...)
		cmd.Env = append(cmd.Env, "CLERK_WEBHOOK_SIGNING_SECRET="+sendSecret, "CLERK_SECRET_KEY="+testclerk.Key)
		if r := run(t, cmd, testclerk.User(3).ID+"\n"); r.code != 0 {
			t.Errorf("%s: code %d: %s%s", command, r.code, r.stdout, r.stderr)
		}
	}
	if commands < 5 || len(backend.all()) != 32 { // all users, and two single objects
		t.Errorf("%d commands, %d requests", commands, len(backend.all()))
	}
}
