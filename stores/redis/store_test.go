package redis

import (
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database/databasetest"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

const lease = databasetest.Lease

var bounded = databasetest.Bounded

func newStore(t testing.TB, url string) *Store {
	t.Helper()
	return databasetest.Open(t, &Store{URL: url})
}

func TestStore(t *testing.T) {
	open := func(t testing.TB, url string) databasetest.Store { return newStore(t, url) }
	databasetest.Run(t, open, daemon.StartRedis(t), "redis://"+daemon.StartSilent(t))
}

func TestCaddyfile(t *testing.T) {
	s := new(Store)
	err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser("redis {env.REDIS_URL} {\nprefix webhooks:\n}"))
	if err != nil || s.URL != "{env.REDIS_URL}" || s.Prefix != "webhooks:" {
		t.Errorf("read as %q and %q, %v", s.URL, s.Prefix, err)
	}
}
