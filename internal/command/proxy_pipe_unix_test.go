//go:build unix

package command_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The command reads the pipe. Caddy must not read it again, because nobody writes it then.
func TestProxyTakesASecretFromAPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "secret")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte(sendSecret), 0o600) }()
	p := startProxy(t, nil, "--secret-file", pipe)
	if err := <-written; err != nil {
		t.Error(err)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
}
