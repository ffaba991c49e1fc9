// Package backfill tests the command backfill with real servers behind it: a guard
// with deduplicate, an application, and a PostgreSQL.
package backfill

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

var (
	users   = flag.Int("users", 1500, "how many users the instance has")
	measure = flag.Bool("measure", false, "measure memory and rate")
)

// world is an instance of Clerk, and a backend that is to have its users.
type world struct {
	*site
	clerk    *testclerk.Instance
	api      string
	postgres *postgres
}

func newWorld(t *testing.T, p *postgres) *world {
	w := &world{clerk: &testclerk.Instance{}, postgres: p}
	w.clerk.Add(testclerk.Users(0, *users)...)
	api := httptest.NewServer(w.clerk)
	t.Cleanup(api.Close)
	w.api = api.URL + "/v1"
	p.query(t, "DROP TABLE IF EXISTS user_records CASCADE")
	w.site = startSite(t, p)
	return w
}

// backfill returns the command, with all secrets in its environment.
func (w *world) backfill(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.Command(needed(t, "CADDY"), append([]string{"clerk-webhook", "backfill", "--api", w.api, "--to", w.endpoint}, args...)...)
	cmd.Env = append(os.Environ(), "CLERK_SECRET_KEY="+testclerk.Key, "CLERK_WEBHOOK_SIGNING_SECRET="+secret)
	return cmd
}

// run runs the command to its end and returns what it prints.
func run(t *testing.T, cmd *exec.Cmd, code int) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit code %d, want %d: %s", got, code, out)
	}
	for _, private := range []string{testclerk.Key[len("sk_test_"):], secret[len("whsec_"):], "@example.com"} {
		if bytes.Contains(out, []byte(private)) {
			t.Errorf("it prints %s: %s", private, out)
		}
	}
	return string(out)
}

// compare compares the table with the instance.
func (w *world) compare(t *testing.T) {
	t.Helper()
	var want []string
	for _, o := range w.clerk.Users() {
		n, _ := strconv.Atoi(strings.TrimPrefix(o.ID, "user_"))
		changes := (o.Updated - o.Created) / (24 * time.Hour).Milliseconds()
		want = append(want, fmt.Sprintf("%s|user-%d-%d@example.com|Zoë <%d>|Number %d|%d", o.ID, n, changes, n, n, o.Updated))
	}
	got := w.postgres.query(t, "SELECT id, email, first_name, last_name, updated_at FROM users")
	slices.Sort(want)
	slices.Sort(got)
	for _, row := range want {
		if _, found := slices.BinarySearch(got, row); !found {
			t.Errorf("the table does not have %s", row)
			break
		}
	}
	if len(got) != len(want) {
		t.Errorf("the table has %d users, and Clerk %d", len(got), len(want))
	}
}

// webhook sends what Clerk itself would send now.
func (w *world) webhook(t *testing.T, eventType, data string) {
	now := time.Now()
	body := fmt.Sprintf(`{"data":%s,"instance_id":%q,"object":"event","timestamp":%d,"type":%q}`, data, testclerk.InstanceID, now.UnixMilli(), eventType)
	id := fmt.Sprintf("msg_%d", now.UnixNano())
	key, _ := base64.StdEncoding.DecodeString(secret[len("whsec_"):])
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, now.Unix(), body)
	r, err := http.NewRequest(http.MethodPost, w.endpoint, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("svix-id", id)
	r.Header.Set("svix-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("svix-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		t.Errorf("%s: status %d", eventType, res.StatusCode)
	}
}

func (w *world) create(t *testing.T, o testclerk.Object) {
	w.clerk.Add(o)
	w.webhook(t, "user.created", o.JSON)
}

func (w *world) remove(t *testing.T, n int) {
	id := testclerk.User(n).ID
	w.clerk.Delete(id)
	w.webhook(t, "user.deleted", `{"deleted":true,"id":"`+id+`","object":"user"}`)
}

// page is how many users backfill asks for at once.
const page = 250

// faults makes a few requests fail, and creates and deletes users meanwhile.
func (w *world) faults(t *testing.T) func(int, *http.Request) *testclerk.Fault {
	return func(number int, _ *http.Request) *testclerk.Fault {
		switch number {
		case 4:
			return &testclerk.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}
		case 5, 9:
			return &testclerk.Fault{Status: 500}
		case 6, 10:
			return &testclerk.Fault{Break: true}
		case 7:
			w.remove(t, page-1) // the cursor
			w.remove(t, 3)
			w.create(t, testclerk.User(*users))
		case 11:
			w.create(t, testclerk.User(*users+1))
			w.remove(t, *users-5)
		}
		return nil
	}
}

func TestOneRunAndASecond(t *testing.T) {
	w := newWorld(t, startPostgres(t))
	w.clerk.Before = w.faults(t)
	out := run(t, w.backfill(t), 0)
	t.Log(out)
	w.compare(t)
	if most := w.clerk.MostAtOnce(); most != 1 {
		t.Errorf("%d requests to Clerk at the same time", most)
	}
	for _, fault := range []string{"answers 429", "answers 500", "broke off"} {
		if !strings.Contains(out, fault) {
			t.Errorf("this has not happened: %s", fault)
		}
	}

	forwarded := w.count(t, "forwarded")
	run(t, w.backfill(t), 0)
	w.compare(t)
	// What Clerk's own webhook brought in mid-run may come for the first time.
	if more := w.count(t, "forwarded") - forwarded; more > 2 || w.count(t, "duplicate") < *users-10 {
		t.Errorf("the second run is handled again: %d", more)
	}

	t.Run("a week's changes", func(t *testing.T) { testWeek(t, w) })
	t.Run("a wrong instance", func(t *testing.T) { testWrongInstance(t, w) })
}

// testWeek changes the instance while the endpoint is deaf.
func testWeek(t *testing.T, w *world) {
	today := func(n int) testclerk.Object {
		age := time.Since(time.UnixMilli(testclerk.User(n).Created))
		return testclerk.UserAt(n, int(age/(24*time.Hour)))
	}
	for n := 10; n < *users; n += 20 {
		w.clerk.Add(today(n))
	}
	for n := range 30 {
		w.clerk.Add(today(*users + 10 + n))
		w.clerk.Delete(testclerk.User(11 + 20*n).ID)
	}
	forwarded := w.count(t, "forwarded")
	cmd := w.backfill(t, "--since", "8d", "--known-ids", "-", "--as", "updated")
	cmd.Stdin = strings.NewReader(strings.Join(w.postgres.query(t, "SELECT id FROM users"), "\n"))
	t.Log(run(t, cmd, 0))
	w.compare(t)
	if got, want := w.count(t, "forwarded")-forwarded, (*users-10+19)/20+30+30; got != want {
		t.Errorf("%d events are forwarded, want %d", got, want)
	}
}

// testWrongInstance makes sure that nothing is deleted by mistake.
func testWrongInstance(t *testing.T, w *world) {
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte(strings.Join(w.postgres.query(t, "SELECT id FROM users"), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.postgres.query(t, "SELECT id FROM users ORDER BY id")
	all := w.clerk.Users()
	for name, has := range map[string][]testclerk.Object{"nothing": nil, "other users": testclerk.Users(1_000_000, 1_000_010), "too few": all[:len(all)/2]} {
		var ids []string
		for _, o := range w.clerk.Users() {
			ids = append(ids, o.ID)
		}
		w.clerk.Delete(ids...)
		w.clerk.Add(has...)
		if out := run(t, w.backfill(t, "--since", "1h", "--known-ids", known), 1); !strings.Contains(out, "no deletion was sent") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if after := w.postgres.query(t, "SELECT id FROM users ORDER BY id"); !slices.Equal(before, after) {
		t.Errorf("there were %d users, and are %d", len(before), len(after))
	}
}

func TestRunThatIsKilledThreeTimes(t *testing.T) {
	w := newWorld(t, startPostgres(t))
	w.clerk.Before = w.faults(t)
	file := filepath.Join(t.TempDir(), "resume.json")
	for kill := 1; kill <= 3; kill++ {
		cmd := w.backfill(t, "--resume", file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for w.count(t, "forwarded") < kill**users/4 {
			time.Sleep(10 * time.Millisecond)
		}
		_ = cmd.Process.Kill()
		if _ = cmd.Wait(); cmd.ProcessState.Exited() {
			t.Fatal("it has ended before it was killed")
		}
	}
	out := run(t, w.backfill(t, "--resume", file), 0)
	t.Log(out)
	w.compare(t)
	// A run that is killed does the work of its last second again. The guard answers
	// what was done. What was under way at the kill may be forwarded twice.
	if again := w.count(t, "forwarded") - *users; again > 3*8+10 {
		t.Errorf("%d events are forwarded twice", again)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the resume file is still there")
	}
}

func TestDatabaseThatStopsMeanwhile(t *testing.T) {
	p := startPostgres(t)
	w := newWorld(t, p)
	var stopped atomic.Bool
	ended := make(chan struct{})
	w.clerk.Before = func(number int, _ *http.Request) *testclerk.Fault {
		if number == 6 && stopped.CompareAndSwap(false, true) {
			go func() {
				defer close(ended)
				p.control(t, "stop")
				time.Sleep(500 * time.Millisecond)
				p.control(t, "start")
			}()
		}
		return nil
	}
	out := run(t, w.backfill(t), 0)
	<-ended
	t.Log(out)
	w.compare(t)
	if !strings.Contains(out, "is refused (status 503). It is sent again in 5s") {
		t.Error("nothing was refused")
	}
}

// TestMemoryAndRate compares many users with one, and backfill with send.
func TestMemoryAndRate(t *testing.T) {
	w := newWorld(t, startPostgres(t))
	one := w.backfill(t, testclerk.User(0).ID)
	run(t, one, 0)
	many := w.backfill(t, "--concurrency", "8")
	t.Log(run(t, many, 0))
	w.compare(t)
	grown := (maxRSS(many) - maxRSS(one)) >> 10
	t.Logf("%d users take %d MiB more than one", *users, grown)
	if grown > 64 {
		t.Errorf("%d users take %d MiB more than one", *users, grown)
	}
	if !*measure {
		return
	}
	for _, cmd := range []*exec.Cmd{
		exec.Command(needed(t, "CADDY"), "clerk-webhook", "send", "user.created", "--to", w.endpoint, "--secret", secret, "--count", strconv.Itoa(*users), "--concurrency", "8"),
		w.backfill(t, "--concurrency", "8", "--as", "updated"),
	} {
		t.Log(run(t, cmd, 0))
	}
}

// maxRSS returns the most memory that a command that has ended had, in KiB.
func maxRSS(cmd *exec.Cmd) int64 { return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss }
