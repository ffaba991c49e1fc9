// Package databasetest checks what the stores have in common that have a URL.
package databasetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

// Store is a store with a URL.
type Store interface {
	stores.Store
	caddy.Provisioner
	caddy.CleanerUpper
}

// Server is a database that a test can kill and start again.
type Server interface {
	URL() string
	Kill()
	Start(t testing.TB)
}

const (
	// Lease is that of a claim.
	Lease = 4 * time.Second

	window = time.Hour
)

// Run checks the store that open opens, with the URL of a server and with that of one
// that accepts connections and never answers.
func Run(t *testing.T, open func(t testing.TB, url string) Store, server Server, silentURL string) {
	t.Run("it keeps its promises", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) stores.Store { return open(t, server.URL()) })
	})
	t.Run("deliveries survive a reload", func(t *testing.T) { surviveReload(t, open(t, server.URL()), open(t, server.URL())) })
	t.Run("deliveries survive a restart of the server", func(t *testing.T) { surviveRestart(t, server, open(t, server.URL())) })
	t.Run("each step ends with its context", func(t *testing.T) { endsWithItsContext(t, open(t, silentURL)) })
}

// Open provisions a store as a config load does.
func Open[S Store](t testing.TB, s S) S {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := s.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Cleanup() })
	return s
}

// Bounded is the context of a step, as a guard bounds it.
func Bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

// MustClaim fails the test unless the claim is granted.
func MustClaim(t testing.TB, s stores.Store, key stores.Key, token string) {
	t.Helper()
	if state, _, err := s.Claim(Bounded(t), key, token, Lease); state != stores.New || err != nil {
		t.Fatalf("claiming gave state %d, %v", state, err)
	}
}

// A reload loads the new config before it unloads the old one. Deliveries that the old
// one still handles are marked after that.
func surviveReload(t *testing.T, first, second Store) {
	MustClaim(t, first, stores.Key{1}, "a")
	if err := errors.Join(first.Cleanup(), second.Cleanup()); err != nil {
		t.Fatal(err)
	}
	if err := first.MarkDone(Bounded(t), stores.Key{1}, "a", window); err != nil {
		t.Errorf("a delivery that was under way cannot be marked after its config was unloaded: %v", err)
	}
}

// A claim and a done mark that the server has confirmed are there after it was
// restarted, and the connections from before that do not fail.
func surviveRestart(t *testing.T, server Server, s Store) {
	underWay, done := stores.Key{2}, stores.Key{3}
	MustClaim(t, s, underWay, "a")
	MustClaim(t, s, done, "b")
	if err := s.MarkDone(Bounded(t), done, "b", window); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if _, _, err := s.Claim(Bounded(t), stores.Key{4}, "c", Lease); err == nil {
		t.Error("a server that is down granted a claim")
	}
	server.Start(t)
	if state, _, err := s.Claim(Bounded(t), done, "d", Lease); state != stores.Done || err != nil {
		t.Errorf("the delivery that is done has state %d, %v", state, err)
	}
	if err := s.MarkDone(Bounded(t), underWay, "a", window); err != nil {
		t.Errorf("the delivery that was under way cannot be marked: %v", err)
	}
}

// A store that is slow to fail would hold up every delivery.
func endsWithItsContext(t *testing.T, s Store) {
	for name, step := range map[string]func(ctx context.Context) error{
		"claim":   func(ctx context.Context) error { _, _, err := s.Claim(ctx, stores.Key{1}, "a", Lease); return err },
		"renew":   func(ctx context.Context) error { return s.Renew(ctx, stores.Key{1}, "a", Lease) },
		"mark":    func(ctx context.Context) error { return s.MarkDone(ctx, stores.Key{1}, "a", Lease) },
		"release": func(ctx context.Context) error { return s.Release(ctx, stores.Key{1}, "a") },
		"forget":  func(ctx context.Context) error { _, err := s.Forget(ctx, stores.Key{1}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			answered := make(chan error, 1)
			go func() { answered <- step(ctx) }()
			select {
			case err := <-answered:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error is %v, want that the server does not answer in time", err)
				}
			case <-time.After(30 * time.Second):
				t.Error("it went on after its context had ended")
			}
		})
	}
}
