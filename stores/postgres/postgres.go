// Package postgres is a store for the deduplicate option of clerk_webhook. It
// keeps claims and done marks in a table in PostgreSQL, so that a fleet of
// instances forwards each delivery once.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
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

	id     tableID // zero until the table is acquired
	table  *table
	logger *zap.Logger
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
	d.Next() // the store's name
	if args := d.RemainingArgs(); len(args) != 1 {
		return d.Err("postgres: wrong number of arguments: write postgres <url>, such as postgres {env.DATABASE_URL}")
	} else if s.URL = args[0]; s.URL == "" {
		return d.Err("postgres: the URL is empty: is the variable in {$NAME} set?")
	}
	for d.NextBlock(0) {
		option := d.Val()
		args := d.RemainingArgs()
		switch {
		case option != "table":
			return d.Err("postgres: unrecognized option: the options of this store are table and on_failure")
		case s.Table != "":
			return d.Err("postgres: table is given twice: keep one")
		case len(args) != 1 || args[0] == "":
			return d.Err("postgres: table: wrong number of arguments: write table <name>")
		}
		s.Table = args[0]
		if err := checkTableName(s.Table); err != nil {
			return d.Errf("postgres: table: %w", err)
		}
	}
	return nil
}

// Provision reads the URL. It does not wait for the server, and logs an error if
// it cannot be used.
func (s *Store) Provision(ctx caddy.Context) error {
	s.logger = ctx.Logger()
	if s.Table == "" {
		s.Table = defaultTable
	}
	if err := checkTableName(s.Table); err != nil {
		return fmt.Errorf("the table of the store postgres: %w", err)
	}
	if s.URL == "" {
		return errors.New("the store postgres needs a url: write deduplicate postgres {env.DATABASE_URL}")
	}
	url, err := stores.Resolve(s.URL)
	if err != nil {
		return fmt.Errorf("the url of the store postgres: %w", err)
	}
	id := tableID{url: url, name: s.Table}
	if s.table, err = acquire(id); err != nil {
		return fmt.Errorf("the url of the store postgres: %w", err)
	}
	s.id = id
	go s.check(ctx)
	return nil
}

// checkTimeout bounds how long the check at the start waits.
const checkTimeout = 5 * time.Second

// check creates the table, and tells at once what would otherwise be noticed with
// the first delivery.
func (s *Store) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := s.table.prepare(ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.logger.Error("the store of deliveries cannot be used yet", zap.String("store", "postgres"), zap.Error(err))
	}
}

// Cleanup gives the connections back.
func (s *Store) Cleanup() error {
	if s.id != (tableID{}) {
		release(s.id)
		s.id = tableID{}
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
