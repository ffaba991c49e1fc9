// Package testcaddy runs a real Caddy inside a test, with real listeners.
//
// Caddy has one configuration in a process, so tests that use it must not run
// in parallel. Unlike Caddy's own caddytest it needs no fixed ports, skips
// nothing, takes no time to settle, and lets a test read the log.
package testcaddy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

func init() {
	caddy.RegisterModule(logWriter{})
}

// globalOptions keeps a test's Caddy from touching anything outside the test
// and sends its log to Log.
const globalOptions = `{
	admin off
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	default_bind 127.0.0.1
	grace_period 5s
	storage file_system %q
	%s
}
`

// logOptions are not used if a test has its own.
const logOptions = `log {
		output clerk_webhook_test
		format json
		level DEBUG
	}`

// Log is what Caddy has written since the last Run or Reload.
var Log = &Buffer{}

// Run starts Caddy with a Caddyfile and stops it when the test ends. A global
// options block is put in front; what stands in options is added to it, so the
// Caddyfile must not bring its own.
func Run(t testing.TB, caddyfile string, options ...string) {
	t.Helper()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	if err := TryRun(t, caddyfile, options...); err != nil {
		t.Fatalf("starting Caddy: %v", err)
	}
}

// TryRun is Run for configurations that may be refused.
func TryRun(t testing.TB, caddyfile string, options ...string) error {
	t.Helper()
	added := strings.Join(options, "\n\t")
	if !strings.Contains(added, "log {") {
		added = logOptions + "\n\t" + added
	}
	config, err := Adapt(fmt.Sprintf(globalOptions, StorageDir(t), added) + caddyfile)
	if err != nil {
		return err
	}
	config, err = awaitListeners(config)
	if err != nil {
		return err
	}
	return TryRunJSON(t, config)
}

// TryRunJSON loads a configuration in Caddy's own format as it is. The caller
// stops Caddy.
func TryRunJSON(t testing.TB, config []byte) error {
	t.Helper()
	Log.Reset()
	return caddy.Load(config, true)
}

// StorageDir is like t.TempDir but does not mind that Caddy's maintenance of the
// storage may still be writing a file while the test ends.
func StorageDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "testcaddy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(dir) == nil {
				return
			}
		}
	})
	return dir
}

// Adapt turns a Caddyfile into JSON. A file that is called "Caddyfile" in error
// messages holds it.
func Adapt(caddyfile string) ([]byte, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	config, _, err := adapter.Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// FreeAddress returns an address on the loopback interface, "127.0.0.1:port",
// on which nothing listens, and never the same twice.
func FreeAddress(t testing.TB) string {
	t.Helper()
	found, err := loopback.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

// Buffer collects log lines. It is safe for concurrent use.
type Buffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
	ended   bool
}

// Write adds to the buffer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake()
	return b.text.Write(p)
}

// End says that nothing more is written, so that nobody waits for it.
func (b *Buffer) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.wake()
}

func (b *Buffer) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// String returns all that has been written since Reset.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Reset forgets what has been written.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// Entries returns the lines whose message is msg, parsed.
func (b *Buffer) Entries(t testing.TB, msg string) []map[string]any {
	t.Helper()
	var entries []map[string]any
	for line := range strings.Lines(b.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if entry["msg"] == msg {
			entries = append(entries, entry)
		}
	}
	return entries
}

// WaitFor returns when the log contains text. It fails the test after End, or after
// three minutes.
func (b *Buffer) WaitFor(t testing.TB, text string) {
	t.Helper()
	timeout := time.After(3 * time.Minute) // for a command that is compiled first
	for {
		b.mu.Lock()
		if strings.Contains(b.text.String(), text) {
			b.mu.Unlock()
			return
		}
		if b.ended {
			text = fmt.Sprintf("the program has ended without %q:\n%s", text, b.text.String())
			b.mu.Unlock()
			t.Fatal(text)
		}
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("the log never contained %q:\n%s", text, b)
		}
	}
}

// logWriter is the log output "clerk_webhook_test".
type logWriter struct{}

// CaddyModule returns the Caddy module information.
func (logWriter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.writers.clerk_webhook_test",
		New: func() caddy.Module { return new(logWriter) },
	}
}

func (logWriter) String() string                                   { return "clerk_webhook_test" }
func (logWriter) WriterKey() string                                { return "clerk_webhook_test" }
func (logWriter) OpenWriter() (io.WriteCloser, error)              { return nopCloser{Log}, nil }
func (*logWriter) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { d.Next(); return nil }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
