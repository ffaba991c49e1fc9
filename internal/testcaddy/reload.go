package testcaddy

import (
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(awaited{}) }

// Reload changes the configuration of the Caddy that Run started, gracefully.
// A connection that is opened afterwards is answered by the new configuration:
// Caddy itself returns before the former listeners are closed.
func Reload(t testing.TB, caddyfile string, options ...string) {
	t.Helper()
	var former []*awaitedListener
	open.Range(func(listener, _ any) bool {
		former = append(former, listener.(*awaitedListener))
		return true
	})
	if err := TryRun(t, caddyfile, options...); err != nil {
		t.Fatalf("reloading Caddy: %v", err)
	}
	for _, listener := range former {
		select {
		case <-listener.closed:
		case <-time.After(time.Minute):
			t.Fatalf("the former configuration still listens on %s", listener.Addr())
		}
	}
}

// awaited wraps the listeners of a server so that Reload can wait for their end.
type awaited struct{}

func (awaited) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.awaited", New: func() caddy.Module { return new(awaited) }}
}

func (awaited) WrapListener(inner net.Listener) net.Listener {
	listener := &awaitedListener{Listener: inner, closed: make(chan struct{})}
	open.Store(listener, nil)
	return listener
}

type awaitedListener struct {
	net.Listener
	once   sync.Once
	closed chan struct{}
}

func (l *awaitedListener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() {
		open.Delete(l)
		close(l.closed)
	})
	return err
}

// open has every listener of a server that is not closed, as its keys.
var open sync.Map

// awaitListeners puts the wrapper first in every server of a configuration.
func awaitListeners(config []byte) ([]byte, error) {
	var parsed map[string]any
	if err := json.Unmarshal(config, &parsed); err != nil {
		return nil, err
	}
	apps, _ := parsed["apps"].(map[string]any)
	http, _ := apps["http"].(map[string]any)
	servers, _ := http["servers"].(map[string]any)
	for _, server := range servers {
		server := server.(map[string]any)
		wrappers, given := server["listener_wrappers"].([]any)
		if !given {
			wrappers = []any{map[string]any{"wrapper": "tls"}}
		}
		server["listener_wrappers"] = append([]any{map[string]any{"wrapper": "awaited"}}, wrappers...)
	}
	return json.Marshal(parsed)
}
