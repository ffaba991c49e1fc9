// Package redis is a store for the deduplicate option of clerk_webhook. It keeps
// claims and done marks in Redis or Valkey, so that a fleet of instances forwards
// each delivery once.
package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(new(Store))
	// The client writes a line for each failed connection, around Caddy's log. It
	// returns the same errors too, and those are logged once a minute.
	goredis.SetLogger(&logging.VoidLogger{})
}

const defaultPrefix = "clerk_webhook:"

// Store keeps deliveries in Redis 5 or newer, or in Valkey. Each delivery is one
// key, which expires by the server's clock. Each step is one round trip.
//
// The server need not be reachable when the config loads. If it cannot be asked,
// `on_failure` decides.
type Store struct {
	// Where the server is. Placeholders are replaced; one without a value is an
	// error.
	//
	//   - One server: `redis://user:password@host:6379/0`, `rediss://…` with TLS,
	//     or `unix:///path/to/socket`.
	//   - Sentinel: `redis://sentinel:26379?master_name=main&addr=sentinel2:26379`,
	//     with `username` and `password` of the server as further parameters. What
	//     stands before the @ is for the Sentinels.
	//   - Cluster: `redis://node:6379?addr=node2:6379`, or `redis://node:6379?cluster=true`
	//     if it is found by one node.
	//
	// Further parameters are those of go-redis, such as `pool_size`. Characters
	// such as / ? # @ % in a password must be percent-encoded.
	URL string `json:"url,omitempty"`

	// What the keys begin with. Instances that share it share their deliveries.
	// Default: `clerk_webhook:`.
	Prefix string `json:"prefix,omitempty"`

	url    string // with placeholders replaced; empty until the connections are acquired
	server *server
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.clerk_webhook.stores.redis",
		New: func() caddy.Module { return new(Store) },
	}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	redis <url> {
//		prefix <prefix>
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the store's name
	if args := d.RemainingArgs(); len(args) != 1 {
		return d.Err("redis: wrong number of arguments: write redis <url>, such as redis {env.REDIS_URL}")
	} else if s.URL = args[0]; s.URL == "" {
		return d.Err("redis: the URL is empty: is the variable in {$NAME} set?")
	}
	for d.NextBlock(0) {
		option := d.Val()
		args := d.RemainingArgs()
		switch {
		case option != "prefix":
			return d.Err("redis: unrecognized option: the options of this store are prefix and on_failure")
		case s.Prefix != "":
			return d.Err("redis: prefix is given twice: keep one")
		case len(args) != 1 || args[0] == "":
			return d.Err("redis: prefix: wrong number of arguments: write prefix <prefix>")
		}
		s.Prefix = args[0]
	}
	return nil
}

// Provision reads the URL. It does not wait for the server, and logs an error if
// it cannot be used.
func (s *Store) Provision(ctx caddy.Context) error {
	s.logger = ctx.Logger()
	if s.Prefix == "" {
		s.Prefix = defaultPrefix
	}
	if s.URL == "" {
		return errors.New("the store redis needs a url: write deduplicate redis {env.REDIS_URL}")
	}
	url, err := stores.Resolve(s.URL)
	if err != nil {
		return fmt.Errorf("the url of the store redis: %w", err)
	}
	if s.server, err = acquire(url); err != nil {
		return fmt.Errorf("the url of the store redis: %w", err)
	}
	s.url = url
	go s.check(ctx)
	return nil
}

// checkTimeout bounds how long the check at the start waits.
const checkTimeout = 5 * time.Second

// check tells at once what would otherwise be noticed with the first delivery.
func (s *Store) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := s.server.check(ctx, s.Prefix); err != nil && !errors.Is(err, context.Canceled) {
		s.logger.Error("the store of deliveries cannot be used yet", zap.String("store", "redis"), zap.Error(err))
	}
}

// Cleanup gives the connections back.
func (s *Store) Cleanup() error {
	if s.url != "" {
		release(s.url)
		s.url = ""
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
