package command_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

// runBackfill runs the command against the API of an instance, with all secrets in the
// environment, and makes sure that no output holds them.
func runBackfill(t testing.TB, instance http.Handler, args ...string) result {
	t.Helper()
	api := httptest.NewServer(instance)
	defer api.Close()
	cmd := caddy(t, append([]string{"clerk-webhook", "backfill", "--api", api.URL + "/v1"}, args...)...)
	cmd.Env = append(cmd.Env, "CLERK_WEBHOOK_SIGNING_SECRET="+sendSecret, "CLERK_SECRET_KEY="+testclerk.Key)
	r := run(t, cmd, "")
	for _, secret := range []string{testclerk.Key[len("sk_test_"):], strings.TrimPrefix(sendSecret, "whsec_")} {
		if strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("a secret is printed:\n%s%s", r.stdout, r.stderr)
		}
	}
	return r
}

func instanceOf(objects ...[]testclerk.Object) *testclerk.Instance {
	instance := &testclerk.Instance{}
	instance.Add(slices.Concat(objects...)...)
	return instance
}

func TestBackfillSendsWhatABackendCanVerify(t *testing.T) {
	instance := instanceOf(testclerk.Users(0, 300), testclerk.Organizations(0, 2), testclerk.Memberships(0, 2))
	backend := newRecorder(t, ok)
	r := runBackfill(t, instance, "--to", backend.URL, "--memberships", "--users", "--organizations")
	if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "304 events accepted in ") || !strings.Contains(r.stdout, "  user.created  300\n") {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	verifier, err := svix.NewWebhook(sendSecret)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	for _, request := range backend.all() {
		if err := verifier.Verify(request.body, request.header); err != nil {
			t.Error(err)
		}
		seen[gjson.GetBytes(request.body, "data.id").Str] = gjson.GetBytes(request.body, "data").Raw
	}
	for _, o := range slices.Concat(testclerk.Users(0, 300), testclerk.Organizations(0, 2), testclerk.Memberships(0, 2)) {
		if seen[o.ID] != o.Compact() {
			t.Errorf("%s: got %s, want %s", o.ID, seen[o.ID], o.Compact())
		}
	}
}

func TestBackfillPassesAGuard(t *testing.T) {
	endpoint := guard(t)
	r := runBackfill(t, instanceOf(testclerk.Users(0, 20)), "--to", endpoint, "--json", "--as", "updated")
	summary := gjson.Get(r.stdout, "summary")
	if r.code != 0 || !summary.Get("complete").Bool() || summary.Get(`accepted.user\.updated`).Int() != 20 {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

func TestBackfillRefusesToStart(t *testing.T) {
	directory := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	live := write("live", "sk_live_bm90IGEgcmVhbCBrZXk")
	for i, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"a publishable key", []string{"--key-file", write("pk", "pk_live_abcdefghijk")}, "--key-file: it is a publishable key"},
		{"an empty key file", []string{"--key-file", write("empty", "")}, "--key-file: it is empty"},
		{"a missing key file", []string{"--key-file", directory + "/none"}, "no such file"},
		{"users of production to another machine", []string{"--key-file", live, "--to", "https://example.com/"}, "give --yes"},
		{"an API that is not encrypted", []string{"--api", "http://api.clerk.com/v1"}, "--api: the secret key must not travel unencrypted"},
		{"an unknown --as", []string{"--as", "deleted"}, "--as deleted: give created or updated"},
		{"a --since of the future", []string{"--since", "2999-01-01"}, "in the future"},
		{"an unreadable --since", []string{"--since", "yesterday"}, `--since "yesterday": give a time span such as 36h`},
		{"an empty --since", []string{"--since", ""}, `--since "": give a time span`},
		{"a --since of no time", []string{"--since", "0s"}, `--since "0s": give a time span`},
		{"no events at a time", []string{"--concurrency", "0"}, "--concurrency 0"},
		{"a negative rate", []string{"--rate", "-1"}, "--rate -1"},
		{"no rate", []string{"--rate", "NaN"}, "--rate NaN"},
		{"a key as an id", []string{"sk_live_bm90IGEgcmVhbCBrZXk"}, "an argument: a secret does not belong here"},
		{"an id of nothing", []string{"sess_1"}, `"sess_1" is not the id of a user`},
		{"an id and --since", []string{"user_1", "--since", "1h"}, "--since cannot be used with single ids"},
		{"an id and --resume", []string{"user_1", "--resume", "x"}, "--resume cannot be used with single ids"},
		{"known ids without users", []string{"--organizations", "--known-ids", "-"}, "add --users"},
		{"known ids that are no ids", []string{"--known-ids", write("ids", "user_1\nname\n")}, "line 2"},
		{"missing known ids", []string{"--known-ids", directory + "/none"}, "--known-ids: open"},
		{"a limit without known ids", []string{"--max-deletions", "3"}, "without --known-ids"},
		{"an unreadable limit", []string{"--known-ids", "-", "--max-deletions", "few"}, "--max-deletions: "},
		{"two that read standard input", []string{"--known-ids", "-", "--secret-file", "-"}, "cannot both read standard input"},
		{"a folder that cannot be written", []string{"--resume", directory + "/none/x"}, "--resume: "},
	} {
		if !isDue(i, 3) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			backend := newRecorder(t, ok)
			r := runBackfill(t, instanceOf(testclerk.Users(0, 3)), append([]string{"--to", backend.URL}, tt.args...)...)
			if r.code != 2 || !strings.Contains(strings.ReplaceAll(r.stderr, `\"`, `"`), tt.says) || len(backend.all()) != 0 {
				t.Errorf("code %d, %d requests: %s%s", r.code, len(backend.all()), r.stdout, r.stderr)
			}
		})
	}
}

func TestBackfillNeedsKeys(t *testing.T) {
	for name, tt := range map[string]struct{ env, says string }{
		"of Clerk":   {"CLERK_WEBHOOK_SIGNING_SECRET=" + sendSecret, "set the environment variable CLERK_SECRET_KEY"},
		"of signing": {"CLERK_SECRET_KEY=" + testclerk.Key, "no signing secret"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := caddy(t, "clerk-webhook", "backfill")
			cmd.Env = append(cmd.Env, tt.env)
			if r := run(t, cmd, ""); r.code != 2 || !strings.Contains(r.stderr, tt.says) || strings.Contains(r.stderr, testclerk.Key) {
				t.Errorf("code %d: %s", r.code, r.stderr)
			}
		})
	}
}

func TestBackfillExplainsARefusedKey(t *testing.T) {
	instance := instanceOf()
	instance.Before = func(int, *http.Request) *testclerk.Fault {
		return &testclerk.Fault{Status: http.StatusUnauthorized}
	}
	if r := runBackfill(t, instance); r.code != 2 || !strings.Contains(r.stderr, "check the secret key") {
		t.Errorf("code %d: %s", r.code, r.stderr)
	}
}

func TestBackfillDryRun(t *testing.T) {
	backend := newRecorder(t, ok)
	r := runBackfill(t, instanceOf(testclerk.Users(0, 30)), "--to", backend.URL, "--dry-run", "--secret", "unused")
	first := testclerk.User(0)
	if r.code != 0 || len(backend.all()) != 0 || !strings.Contains(r.stdout, "30 events would be sent\n") || !strings.Contains(r.stdout, "The first user.created, with the svix-id msg_backfill_"+first.ID) ||
		!strings.Contains(r.stdout, `{"data":`+first.Compact()) {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

func TestBackfillListsWhatIsMissing(t *testing.T) {
	backend := newRecorder(t, ok)
	r := runBackfill(t, instanceOf(testclerk.Users(0, 3)), "--to", backend.URL, testclerk.User(1).ID, testclerk.User(8).ID)
	if r.code != 1 || len(backend.all()) != 1 || !strings.Contains(r.stdout, "Clerk has no "+testclerk.User(8).ID) {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

func TestBackfillSendsAgainAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	var first time.Time
	backend := newRecorder(t, func(w http.ResponseWriter, _ *http.Request) {
		if first.IsZero() {
			first = time.Now()
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r := runBackfill(t, instanceOf(testclerk.Users(0, 1)), "--to", backend.URL)
	if r.code != 0 || len(backend.all()) != 2 || time.Since(first) < 5*time.Second || !strings.Contains(r.stderr, "is refused (status 500). It is sent again in 5s") {
		t.Errorf("code %d after %s: %s%s", r.code, time.Since(first), r.stdout, r.stderr)
	}
}

func TestBackfillRefusesDeletions(t *testing.T) {
	known := filepath.Join(t.TempDir(), "ids")
	var ids []string
	for _, o := range testclerk.Users(0, 20) {
		ids = append(ids, o.ID)
	}
	if err := os.WriteFile(known, []byte(strings.Join(ids, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	backend := newRecorder(t, ok)
	r := runBackfill(t, instanceOf(testclerk.Users(0, 18)), "--to", backend.URL, "--known-ids", known)
	if r.code != 1 || len(backend.all()) != 18 || !strings.Contains(r.stderr, "give --max-deletions 2") || !strings.Contains(r.stderr, "All other events were sent") {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if r := runBackfill(t, instanceOf(testclerk.Users(0, 18)), "--to", backend.URL, "--known-ids", known, "--max-deletions", "2"); r.code != 0 || len(backend.all()) != 38 {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// The key, names and addresses do not reach the resume file.
func TestBackfillStoppedBySignal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resume.json")
	instance := instanceOf(testclerk.Users(0, 2000))
	api := httptest.NewServer(instance)
	defer api.Close()
	started := make(chan struct{}, 10_000)
	backend := newRecorder(t, func(http.ResponseWriter, *http.Request) { started <- struct{}{} })
	command := func(rate string) result {
		cmd := caddy(t, "clerk-webhook", "backfill", "--api", api.URL+"/v1", "--to", backend.URL, "--resume", file, "--rate", rate)
		cmd.Env = append(cmd.Env, "CLERK_WEBHOOK_SIGNING_SECRET="+sendSecret, "CLERK_SECRET_KEY="+testclerk.Key)
		go func() {
			for range 300 {
				<-started
			}
			if rate != "0" {
				_ = cmd.Process.Signal(os.Interrupt)
			}
		}()
		return run(t, cmd, "")
	}
	r := command("400")
	content, err := os.ReadFile(file)
	if err != nil || r.code != 1 || !strings.Contains(r.stderr, "a signal ended it") || !strings.Contains(r.stderr, "Run the same command again: it continues from the progress in "+file) {
		t.Fatalf("code %d, %v: %s%s", r.code, err, r.stdout, r.stderr)
	}
	for _, secret := range []string{testclerk.Key[len("sk_test_"):], strings.TrimPrefix(sendSecret, "whsec_"), "example.com", "Number"} {
		if strings.Contains(string(content), secret) {
			t.Errorf("the resume file holds %s: %s", secret, content)
		}
	}
	if r := command("0"); r.code != 0 {
		t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	seen := make(map[string]bool)
	for _, request := range backend.all() {
		seen[gjson.GetBytes(request.body, "data.id").Str] = true
	}
	if again := len(backend.all()) - len(seen); len(seen) != 2000 || again > 500 {
		t.Errorf("%d users, %d of them again", len(seen), again)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is still there")
	}
}
