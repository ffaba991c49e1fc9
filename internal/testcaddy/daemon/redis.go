//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis is a Redis server that keeps its data when it is stopped or killed.
type Redis struct{ process }

// StartRedis starts a server with more options, such as "--requirepass", "secret".
// It ends with the test.
func StartRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	r := &Redis{process{Address: freeAddress(t), kill: syscall.SIGKILL}}
	dir := t.TempDir()
	r.command = func() *exec.Cmd {
		always := []string{"--bind", "127.0.0.1", "--port", r.port(), "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"}
		return exec.Command("redis-server", append(always, options...)...)
	}
	r.isReady = func() error { return ping(r.Address) }
	r.Start(t)
	t.Cleanup(r.Stop)
	return r
}

// StartRedisClusterNode starts a server of a Redis Cluster that has no slots yet.
func StartRedisClusterNode(t testing.TB) *Redis {
	t.Helper()
	_, bus, _ := net.SplitHostPort(freeAddress(t)) // otherwise it takes its port plus 10000, which may be in use
	return StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus)
}

// URL is the server's URL, for a server without a password.
func (r *Redis) URL() string { return "redis://" + r.Address }

// ping asks whether a server answers and has loaded its data.
func ping(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if text := string(answer[:n]); strings.HasPrefix(text, "-LOADING") {
		return errors.New(text)
	}
	return nil
}

// StartSentinel starts a Sentinel that watches the server at the address, and
// returns its own address. It ends with the test.
func StartSentinel(t testing.TB, name, address string) string {
	t.Helper()
	s := &process{Address: freeAddress(t), kill: syscall.SIGKILL}
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor %s %s 1\n", s.port(), name, strings.ReplaceAll(address, ":", " "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.command = func() *exec.Cmd { return exec.Command("redis-server", config, "--sentinel") }
	s.isReady = func() error { return ping(s.Address) }
	s.Start(t)
	t.Cleanup(s.Stop)
	return s.Address
}
