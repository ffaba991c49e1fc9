package deduplicate_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func init() {
	caddy.RegisterModule(new(testStorage))
}

// testStorage is a storage module that can be told to fail and that, like those
// that keep connections, is of no use once its configuration has ended.
type testStorage struct {
	certmagic.Storage `json:"-"`
	Root              string `json:"root,omitempty"`
	closed            atomic.Bool
}

// storageFault is the error of every call, unless it is nil.
var storageFault atomic.Pointer[error]

func breakStorage(t testing.TB, err error) {
	storageFault.Store(&err)
	t.Cleanup(mendStorage)
}

func mendStorage() { storageFault.Store(nil) }

func (*testStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.clerk_webhook_test", New: func() caddy.Module { return new(testStorage) }}
}

func (s *testStorage) CertMagicStorage() (certmagic.Storage, error) {
	s.Storage = &certmagic.FileStorage{Path: s.Root}
	return s, nil
}

func (s *testStorage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	d.Args(&s.Root)
	return nil
}

func (s *testStorage) Cleanup() error {
	s.closed.Store(true)
	return nil
}

func (s *testStorage) fault() error {
	if err := storageFault.Load(); err != nil {
		return *err
	}
	if s.closed.Load() {
		return errors.New("the storage is closed")
	}
	return nil
}

func (s *testStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.fault(); err != nil {
		return err
	}
	return s.Storage.Store(ctx, key, value)
}

func (s *testStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Storage.Load(ctx, key)
}

func (s *testStorage) Delete(ctx context.Context, key string) error {
	if err := s.fault(); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, key)
}

// closingStorage is the option for a testStorage.
func closingStorage(t testing.TB) string {
	return "storage clerk_webhook_test " + testcaddy.StorageDir(t)
}

// failedClaims returns how many claims the storage has refused by an error.
func failedClaims(t *testing.T, address string) float64 {
	t.Helper()
	return testcaddy.Scrape(t, address)[`caddy_clerk_webhook_store_errors_total{step="claim",store="storage"}`]
}

// Storage that fails loses no delivery; the process still knows its own, and tells the
// storage later.
func TestFailingStorageRefusesNothing(t *testing.T) {
	const message = "the store of deliveries failed"
	var status atomic.Int32
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	address, dir := testcaddy.FreeAddress(t), testcaddy.StorageDir(t)
	config := testcaddy.Measured(address, "clerk_webhook {\nsecret "+testcaddy.Secret+"\ndeduplicate storage\n}\nreverse_proxy "+backend.Address) // unlabelled
	testcaddy.Run(t, config, "storage clerk_webhook_test "+dir)
	failed := failedClaims(t, address)
	breakStorage(t, errors.New("disk on fire"))

	for _, step := range []struct {
		name    string
		answer  int32
		status  int
		arrives int
		claims  float64  // how many fail
		logged  []string // those that were not in the log in this minute
	}{
		{"a failure is passed on", 500, 500, 1, 1, []string{"claim"}},
		{"its retry is forwarded", 200, 200, 1, 1, []string{"mark_done"}},
		{"a copy of it is not", 200, 200, 0, 0, nil},
	} {
		t.Run(step.name, func(t *testing.T) {
			status.Store(step.answer)
			seen := len(testcaddy.Log.Entries(t, message))
			if a := deliver(t, address, "msg_1"); a.StatusCode != step.status {
				t.Errorf("got %d %q", a.StatusCode, a.Text)
			}
			if n := len(backend.Take()); n != step.arrives {
				t.Errorf("%d requests reached the backend, want %d", n, step.arrives)
			}
			failed += step.claims
			if got := failedClaims(t, address); got != failed {
				t.Errorf("%v claims have failed, want %v", got, failed)
			}
			entries := testcaddy.Log.Entries(t, message)[seen:]
			if len(entries) != len(step.logged) {
				t.Fatalf("the log has %v, want errors of %q", entries, step.logged)
			}
			for i, entry := range entries {
				latest, _ := entry["latest"].(map[string]any)
				text, _ := latest["error"].(string)
				if entry["level"] != "error" || entry["step"] != step.logged[i] || latest["id"] != "msg_1" || !strings.Contains(text, "disk on fire") {
					t.Errorf("the log has %v, want an error of %q", entry, step.logged[i])
				}
			}
		})
	}

	testcaddy.Log.WaitFor(t, "removing old records of deliveries")
	mendStorage()
	testcaddy.Await(t, "the mark that the storage did not take", func() bool {
		marks, err := filepath.Glob(filepath.Join(dir, "clerk_webhook", "*", "*"))
		return err == nil && len(marks) == 1
	})
	deliver(t, address, "msg_2")
	if got := failedClaims(t, address); got != failed {
		t.Errorf("%v claims have failed once the store works again, want %v", got, failed)
	}
}

// A delivery that is under way when its configuration ends is marked in the
// storage of the next one, since its own may have closed its connections.
func TestDeliveryIsMarkedThoughItsStorageIsClosed(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		after  string
	}{
		"done":     {200, duplicateDone},
		"released": {500, "forwarded"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				g.pass()
				w.WriteHeader(test.status)
			})
			address, storage := testcaddy.FreeAddress(t), closingStorage(t)
			config := once(address, "storage", "reverse_proxy "+backend.Address)
			testcaddy.Run(t, config, storage)
			first := deliverAsync(t, address, "msg_1")
			<-g.begun
			testcaddy.Reload(t, config, storage)
			g.open()
			(<-first).Check(t, test.status, "forwarded")
			if n := len(testcaddy.Log.Entries(t, "the store of deliveries failed")); n != 0 {
				t.Errorf("%d errors are in the log:\n%s", n, testcaddy.Log)
			}

			if err := caddy.Stop(); err != nil { // now only the storage knows
				t.Fatal(err)
			}
			testcaddy.Reload(t, config, storage)
			if got := deliver(t, address, "msg_1").Guard(); got != test.after {
				t.Errorf("a copy was %s, want %s", got, test.after)
			}
		})
	}
}
