package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// startCaddy runs a Caddy with an admin endpoint and a guard with the given
// options, and returns where they listen.
func startCaddy(t *testing.T, guardOptions string) (admin, endpoint, config string) {
	t.Helper()
	admin, address := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	dir := t.TempDir()
	config = filepath.Join(dir, "Caddyfile")
	text := fmt.Sprintf("{\nadmin %s\npersist_config off\nstorage file_system %q\n}\nhttp://%s {\nclerk_webhook {\nsecret %s\n%s\n}\nrespond handled\n}\n",
		admin, filepath.Join(dir, "storage"), address, sendSecret, guardOptions)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := caddy(t, "run", "--config", config)
	log := &testcaddy.Buffer{}
	wait := testcaddy.Start(t, cmd, log, log)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = wait()
	})
	log.WaitFor(t, "serving initial configuration")
	return admin, "http://" + address, config
}

func TestForget(t *testing.T) {
	for _, store := range []string{"memory", "storage"} {
		t.Run(store, func(t *testing.T) {
			admin, endpoint, config := startCaddy(t, "deduplicate "+store)
			deliver := func(want string) {
				t.Helper()
				if r := send(t, "user.created", "--to", endpoint, "--id", "msg_1"); !strings.Contains(r.stdout, want) {
					t.Errorf("want %q, got %s", want, r.stdout)
				}
			}
			forget := func(wantCode int, want string, flags ...string) {
				t.Helper()
				r := run(t, caddy(t, append([]string{"clerk-webhook", "forget", "msg_1"}, flags...)...), "")
				if r.code != wantCode || !strings.Contains(r.stdout, want) {
					t.Errorf("want %d %q, got %d %s%s", wantCode, want, r.code, r.stdout, r.stderr)
				}
			}
			forget(1, "not known", "--address", admin)
			deliver("handled")
			deliver("Duplicate")
			forget(0, "forgotten", "--address", admin)
			deliver("handled")
			forget(0, "forgotten", "--config", config)
			forget(1, "not known", "--config", config)
		})
	}
}

func TestForgetErrors(t *testing.T) {
	admin, _, _ := startCaddy(t, "")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no id", nil, "requires at least 1 arg"},
		{"nothing deduplicates", []string{"msg_1", "--address", admin}, "has the option deduplicate"},
		{"no Caddy runs", []string{"msg_1", "--address", testcaddy.FreeAddress(t)}, "start Caddy with its admin endpoint on"},
		{"not an address", []string{"msg_1", "--address", "tcp/a:b"}, "invalid admin address"},
		{"a config that is missing", []string{"msg_1", "--config", "missing"}, "missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, caddy(t, append([]string{"clerk-webhook", "forget"}, tt.args...)...), "")
			if r.code != 2 || !strings.Contains(r.stderr, tt.want) {
				t.Errorf("want 2 and %q, got %d %s%s", tt.want, r.code, r.stdout, r.stderr)
			}
		})
	}
}
