// Package storage is the store for one process that is restarted.
package storage

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func init() {
	caddy.RegisterModule(Store{})
}

// Store remembers in Caddy's configured storage which deliveries are done, so that
// a restart forgets none. It is exact in this process. Instances that share the
// storage forward a copy only once if it comes after the first is done. Copies that
// come to two instances at once are both forwarded.
type Store struct {
	*ledger.Storage `json:"-"`
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  stores.Namespace + ".storage",
		New: func() caddy.Module { return new(Store) },
	}
}

// processes has the one *ledger.StorageProcess while any config has a Store. So a
// config reload changes nothing for the deliveries under way.
var processes = caddy.NewUsagePool()

const processKey = "process"

// Provision takes Caddy's configured storage.
func (s *Store) Provision(ctx caddy.Context) error {
	process, _ := processes.LoadOrStore(processKey, ledger.NewStorageProcess())
	s.Storage = ledger.NewStorage(process.(*ledger.StorageProcess), ledger.LastingStorage(ctx))
	logger := ctx.Logger()
	s.CleanFailed = func(err error) {
		logger.Error("removing old records of deliveries", zap.Error(err))
	}
	return nil
}

// Cleanup gives the storage back.
func (s *Store) Cleanup() error {
	if s.Storage == nil {
		return nil
	}
	s.Close()
	_, err := processes.Delete(processKey)
	return err
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	storage
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return stores.UnmarshalBare(d)
}

// Interface guards
var (
	_ stores.Store          = (*Store)(nil)
	_ stores.Windowed       = (*Store)(nil)
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.CleanerUpper    = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
)
