// Package postgres is a store for the deduplicate option of clerk_webhook. It
// keeps claims and done marks in a table in PostgreSQL, so that a fleet of
// instances forwards each delivery once.
package postgres

import (
	"fmt"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(new(Store))
}

const defaultTable = "clerk_webhook_deliveries"

// Store keeps deliveries in one table in PostgreSQL. Each delivery is one row,
// which expires by the server's clock. Each step is one statement. Rows that have
// expired are removed in batches.
//
// The server need not be reachable when the config loads. If it cannot be asked,
// `on_failure` decides.
type Store struct {
	// Where the server is, as a URL (`postgres://user:password@host:5432/database`)
	// or in keywords (`host=… user=…`). Placeholders are replaced; one without a
	// value is an error. Parameters are those of libpq and of pgxpool, such as
	// `sslmode` and `pool_max_conns`, which is 16 by default.
	URL string `json:"url,omitempty"`

	// The table, with its schema if that is not on the search path, as in
	// `webhooks.deliveries`. If there is no such table, it is created. If the user
	// may not do that, the error has the SQL to run. Default:
	// `clerk_webhook_deliveries`.
	Table string `json:"table,omitempty"`

	table   *table
	release func() // nil until there are connections
}

// CaddyModule returns the Caddy module information.
func (*Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.clerk_webhook.stores.postgres",
		New: func() caddy.Module { return new(Store) },
	}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	postgres <url> {
//		table <name>
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := databases.Unmarshal(d, &s.URL, &s.Table); err != nil || s.Table == "" {
		return err
	}
	if err := checkTableName(s.Table); err != nil {
		return d.Errf("postgres: table: %w", err)
	}
	return nil
}

// Provision reads the URL. It does not wait for the server, and logs an error if
// it cannot be used.
func (s *Store) Provision(ctx caddy.Context) error {
	if s.Table == "" {
		s.Table = defaultTable
	}
	if err := checkTableName(s.Table); err != nil {
		return fmt.Errorf("the table of the store postgres: %w", err)
	}
	connections, release, err := databases.Connect(s.URL)
	if err != nil {
		return err
	}
	s.table, s.release = newTable(connections, s.Table), release
	databases.Check(ctx, s.table.prepare)
	go s.table.cleanRegularly(ctx, cleaningInterval)
	return nil
}

// Cleanup gives the connections back.
func (s *Store) Cleanup() error {
	if s.release != nil {
		s.release()
	}
	return nil
}

// Interface guards
var (
	_ caddy.Module          = (*Store)(nil)
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.CleanerUpper    = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
	_ stores.Store          = (*Store)(nil)
)
