package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

// BenchmarkDeliveries has 32 connections, and beside the store an INSERT … ON
// CONFLICT and an UPDATE in a table of the same definition.
func BenchmarkDeliveries(b *testing.B) {
	server := daemon.StartPostgres(b)
	s := newStore(b, server.URL()+"?pool_max_conns=32", "")
	bare := newTable(s.table.server, "bare")
	if err := errors.Join(s.table.prepare(b.Context()), bare.prepare(b.Context())); err != nil {
		b.Fatal(err)
	}
	storetest.Compare(b, 32, s, func(ctx context.Context, key stores.Key, token string) error {
		pool := s.table.server.pool
		if _, err := pool.Exec(ctx, `INSERT INTO bare (key, token, expires_at) VALUES ($1, $2, now() + $3) ON CONFLICT (key) DO NOTHING`, key, token, lease); err != nil {
			return err
		}
		_, err := pool.Exec(ctx, `UPDATE bare SET done_at = now(), expires_at = now() + $3 WHERE key = $1 AND token = $2`, key, token, time.Hour)
		return err
	})
}
