package deduplicate_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// startProcess starts a Caddy of its own, which can be killed.
func startProcess(t *testing.T, address, store, storage, backend string) (kill func()) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "Caddyfile")
	text := "{\nadmin off\npersist_config off\n" + storage + "\n}\n" + once(address, store, "reverse_proxy "+backend)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	caddy := exec.Command("caddy", "run", "--config", config)
	home := t.TempDir()
	caddy.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home)
	var log testcaddy.Buffer
	caddy.Stderr = &log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("its log:\n%s", &log)
		}
	})
	if err := caddy.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = caddy.Process.Kill()
		_ = caddy.Wait()
	}
	t.Cleanup(kill)
	testcaddy.Await(t, "Caddy to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return kill
}

// A process that is killed leaves no claim behind, so that the retry is forwarded,
// by itself after a restart and by another instance. Svix retries after five seconds;
// here it does so at once.
func TestRetryAfterAKillIsForwarded(t *testing.T) {
	testcaddy.InstallCaddy(t)
	for _, store := range []string{"memory", "storage"} {
		for name, isSame := range map[string]bool{"by the restarted process": true, "by another instance": false} {
			t.Run(store+"/"+name, func(t *testing.T) {
				g := newGate(t)
				backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
				storage := fixedStorage(t)
				killed := testcaddy.FreeAddress(t)
				kill := startProcess(t, killed, store, storage, backend.Address)
				other := testcaddy.FreeAddress(t)
				if !isSame {
					startProcess(t, other, store, storage, backend.Address)
				}
				broken := make(chan error, 1)
				first := copyOf(t, "http://"+killed, testcaddy.Secret, "msg_1")
				go func() {
					res, err := testcaddy.NewConnections.Do(first)
					if err == nil {
						res.Body.Close()
						err = fmt.Errorf("it was answered with %d", res.StatusCode)
					} else {
						err = nil
					}
					broken <- err
				}()
				<-g.begun
				deliver(t, killed, "msg_1").Check(t, http.StatusConflict, duplicateInProgress)
				kill()
				if err := <-broken; err != nil {
					t.Errorf("the first copy: %v", err)
				}
				if isSame {
					other = testcaddy.FreeAddress(t)
					startProcess(t, other, store, storage, backend.Address)
				}
				g.open()
				deliver(t, other, "msg_1").Check(t, http.StatusOK, "forwarded")
				deliver(t, other, "msg_1").Check(t, http.StatusOK, duplicateDone)
				if n := len(backend.Take()); n != 2 {
					t.Errorf("%d requests reached the backend, want 2", n)
				}
			})
		}
	}
}
