package postgres

import (
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database/databasetest"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

const lease = databasetest.Lease

var (
	bounded   = databasetest.Bounded
	mustClaim = databasetest.MustClaim
)

func newStore(t testing.TB, url, table string) *Store {
	t.Helper()
	return databasetest.Open(t, &Store{URL: url, Table: table})
}

func TestStore(t *testing.T) {
	open := func(t testing.TB, url string) databasetest.Store { return newStore(t, url, "") }
	databasetest.Run(t, open, daemon.StartPostgres(t), "postgres://user:password@"+daemon.StartSilent(t)+"/db")
}

func TestCaddyfile(t *testing.T) {
	s := new(Store)
	err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser("postgres {env.DATABASE_URL} {\ntable webhooks\n}"))
	if err != nil || s.URL != "{env.DATABASE_URL}" || s.Table != "webhooks" {
		t.Errorf("read as %q and %q, %v", s.URL, s.Table, err)
	}
	err = new(Store).UnmarshalCaddyfile(caddyfile.NewTestDispenser("postgres {env.DATABASE_URL} {\ntable a-b\n}"))
	if err == nil || !strings.Contains(err.Error(), "table: this is not a name of a table") {
		t.Errorf("a wrong name of a table gave %v", err)
	}
}
