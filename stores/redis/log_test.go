package redis

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// observeClients returns what go-redis says during the test.
func observeClients(t *testing.T) *observer.ObservedLogs {
	t.Helper()
	core, lines := observer.New(zap.DebugLevel)
	before := logTo(func() *zap.Logger { return zap.New(core) })
	t.Cleanup(func() { logTo(before) })
	return lines
}

func logTo(logger func() *zap.Logger) (before func() *zap.Logger) {
	clients.mu.Lock()
	defer clients.mu.Unlock()
	clear(clients.said)
	before, clients.logger = clients.logger, logger
	return before
}

// startParrot returns the address of a server that refuses each command, and repeats
// its arguments as Redis does for commands that it does not know.
func startParrot(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go parrot(conn)
		}
	}()
	return listener.Addr().String()
}

func parrot(conn net.Conn) {
	reader := bufio.NewReader(conn)
	for {
		var count, length int
		if _, err := fmt.Fscanf(reader, "*%d\r\n", &count); err != nil {
			return
		}
		arguments := make([]string, count)
		for i := range arguments {
			if _, err := fmt.Fscanf(reader, "$%d\r\n%s\r\n", &length, &arguments[i]); err != nil {
				return
			}
		}
		fmt.Fprintf(conn, "-ERR unknown command, with args beginning with: %s\r\n", strings.Join(arguments, " "))
	}
}

// A database that is out of order must not fill the log, whatever go-redis says of it.
func TestClientsAreLoggedOnceAMinute(t *testing.T) {
	lines := observeClients(t)
	gone := daemon.StartRedis(t)
	gone.Stop()
	s := newStore(t, gone.URL())
	for range 20 {
		if _, _, err := s.Claim(bounded(t), stores.Key{1}, "a", lease); err == nil {
			t.Fatal("a claim was granted")
		}
	}
	dials := lines.FilterLevelExact(zap.InfoLevel).Filter(func(line observer.LoggedEntry) bool { return strings.Contains(line.Message, "failed to dial") })
	if dials.Len() != 1 {
		t.Errorf("the log has %d lines, want 1: %v", dials.Len(), lines.All())
	}
}

func TestClientsAreLoggedWithoutPasswords(t *testing.T) {
	const password = "pa55word"
	lines := observeClients(t)
	parrot := startParrot(t)
	for name, url := range map[string]string{
		"a server":   "redis://caddy:" + password + "@" + parrot,
		"a Sentinel": "redis://caddy:" + password + "@" + parrot + "?master_name=main&username=caddy&password=" + password + "2",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := newStore(t, url).Claim(bounded(t), stores.Key{1}, "a", lease)
			if err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("claiming gave %v", err)
			}
		})
	}
	if lines.FilterMessageSnippet("sentinel: GetMasterAddrByName").Len() == 0 {
		t.Error("the log has nothing of the Sentinel")
	}
	for _, line := range lines.All() {
		if strings.Contains(line.Message, password) {
			t.Errorf("the log has a password: %s", line.Message)
		}
	}
}
