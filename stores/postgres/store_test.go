package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyserver/caddy/v2"
)

const lease = 4 * time.Second

// newStore provisions a store as a config load does.
func newStore(t testing.TB, url string) *Store {
	t.Helper()
	return newStoreIn(t, url, "")
}

func newStoreIn(t testing.TB, url, table string) *Store {
	t.Helper()
	s := &Store{URL: url, Table: table}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := s.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Cleanup() })
	return s
}

// bounded is the context of a step, as a guard bounds it.
func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustClaim(t testing.TB, s *Store, key stores.Key, token string) {
	t.Helper()
	if state, _, err := s.Claim(bounded(t), key, token, lease); state != stores.New || err != nil {
		t.Fatalf("claiming gave state %d, %v", state, err)
	}
}

// A claim and a done mark that the server has confirmed are there after it was
// restarted, and the connections from before that do not fail.
func TestServerIsRestarted(t *testing.T) {
	server := daemon.StartPostgres(t)
	s := newStore(t, server.URL())
	underWay, done := stores.Key{1}, stores.Key{2}
	mustClaim(t, s, underWay, "a")
	mustClaim(t, s, done, "b")
	if err := s.MarkDone(bounded(t), done, "b", time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if _, _, err := s.Claim(bounded(t), stores.Key{3}, "c", lease); err == nil {
		t.Error("a server that is down granted a claim")
	}
	server.Start(t)
	if state, _, err := s.Claim(bounded(t), done, "d", lease); state != stores.Done || err != nil {
		t.Errorf("the delivery that is done has state %d, %v", state, err)
	}
	if err := s.MarkDone(bounded(t), underWay, "a", time.Hour); err != nil {
		t.Errorf("the delivery that was under way cannot be marked: %v", err)
	}
}

// A store that is slow to fail would hold up every delivery.
func TestEachStepEndsWithItsContext(t *testing.T) {
	silent := daemon.StartSilent(t)
	s := newStore(t, "postgres://user:password@"+silent+"/db")
	for name, step := range map[string]func(ctx context.Context) error{
		"claim":   func(ctx context.Context) error { _, _, err := s.Claim(ctx, stores.Key{1}, "a", lease); return err },
		"renew":   func(ctx context.Context) error { return s.Renew(ctx, stores.Key{1}, "a", lease) },
		"mark":    func(ctx context.Context) error { return s.MarkDone(ctx, stores.Key{1}, "a", lease) },
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

// A reload keeps the connections: it loads the new config before it unloads the
// old one. Deliveries that the old config still handles need them too.
func TestConnectionsAreKeptOverReloads(t *testing.T) {
	server := daemon.StartPostgres(t)
	first := newStore(t, server.URL())
	second := newStore(t, server.URL())
	if first.table != second.table {
		t.Error("two configs with one URL have connections of their own")
	}
	mustClaim(t, first, stores.Key{1}, "a")
	if err := errors.Join(first.Cleanup(), second.Cleanup()); err != nil {
		t.Fatal(err)
	}
	if err := first.MarkDone(bounded(t), stores.Key{1}, "a", time.Hour); err != nil {
		t.Errorf("a delivery that was under way cannot be marked after its config was unloaded: %v", err)
	}
}
