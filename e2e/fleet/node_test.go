package fleet

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"

	"github.com/caddyclerk/caddy-clerk-webhook/e2e/fleet/clock"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// node is an instance of a fleet: a Caddy process.
type node struct {
	name, address, admin string
	deduplicate          string // the option's arguments and block
	storage, backend     string
	environment          []string
	dir                  string

	loads int
	cmd   *exec.Cmd
}

// newNode starts an instance. Its option deduplicate may use {env.STORE_URL}.
func newNode(t *testing.T, name, deduplicate, storeURL, storage, backend string, clockOffset time.Duration) *node {
	t.Helper()
	addresses, err := loopback.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{
		name: name, address: addresses[0], admin: addresses[1], deduplicate: deduplicate, storage: storage, backend: backend, dir: t.TempDir(),
		environment: append(os.Environ(), "STORE_URL="+storeURL, clock.Variable+"="+clockOffset.String()),
	}
	n.start(t)
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			log, _ := os.ReadFile(n.log())
			t.Logf("the end of the log of %s:\n%s", n.name, log[max(0, len(log)-3000):])
		}
	})
	return n
}

func (n *node) log() string { return filepath.Join(n.dir, "log") }

// config is another one after each reload.
func (n *node) config() string {
	n.loads++
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	storage file_system %s
}
http://%s {
	clerk_webhook {
		secret %s
		tolerance 1h
		deduplicate 48h %s
	}
	reverse_proxy %s {
		header_up Node %s
		header_up Load %d
	}
}
`, n.admin, n.storage, n.address, secret, n.deduplicate, n.backend, n.name, n.loads)
}

func (n *node) start(t *testing.T) {
	t.Helper()
	file := filepath.Join(n.dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(n.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.cmd = exec.Command(binary(t), "run", "--config", file)
	n.cmd.Env = n.environment
	n.cmd.Stderr = log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", n.address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on %s: %v", n.address, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// kill sends SIGKILL. The process cannot finish or write anything.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// pause stops the process, which does not notice, until the function is called.
func (n *node) pause() (resume func()) {
	_ = n.cmd.Process.Signal(syscall.SIGSTOP)
	return func() { _ = n.cmd.Process.Signal(syscall.SIGCONT) }
}

func (n *node) reload(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.admin+"/load", bytes.NewReader([]byte(n.config())))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/caddyfile")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("reloading %s: %s", n.name, res.Status)
	}
	return nil
}

// storeErrors returns how many failures of its store the process has counted.
func (n *node) storeErrors(ctx context.Context) (sum float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "caddy_clerk_webhook_store_errors_total{") {
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum += value
		}
	}
	return sum, lines.Err()
}

// binary returns the Caddy of these tests.
func binary(t *testing.T) string {
	t.Helper()
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "caddy")
	if output, err := exec.Command("go", "build", "-o", path, "./caddy").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(string(output)))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := buildBinary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}
