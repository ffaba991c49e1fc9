// Package memory is the store for one process.
package memory

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func init() {
	caddy.RegisterModule(Store{})
}

// Store remembers deliveries in the process, a million at most. It is exact in this
// process. A config reload changes nothing. When the process ends, it forgets
// everything.
type Store struct {
	*ledger.Memory `json:"-"`
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  stores.Namespace + ".memory",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision takes the memory that all guards of the process share.
func (s *Store) Provision(caddy.Context) error {
	s.Memory = ledger.AcquireMemory()
	return nil
}

// Cleanup gives the memory back.
func (s *Store) Cleanup() error {
	if s.Memory == nil {
		return nil
	}
	return ledger.ReleaseMemory()
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	memory
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return stores.UnmarshalBare(d)
}

// Interface guards
var (
	_ stores.Store          = (*Store)(nil)
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.CleanerUpper    = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
)
