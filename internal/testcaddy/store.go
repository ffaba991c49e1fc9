package testcaddy

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// RegisterStore lets deduplicate name a store, which is the same in all configs.
func RegisterStore(name string, store stores.Store) {
	caddy.RegisterModule(&testStore{store, name})
}

type testStore struct {
	stores.Store `json:"-"`
	name         string
}

func (s *testStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: caddy.ModuleID(stores.Namespace + "." + s.name), New: func() caddy.Module { return s }}
}

func (*testStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return stores.UnmarshalBare(d) }
