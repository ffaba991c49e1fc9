// Package redis is a store for the deduplicate option of clerk_webhook. It keeps
// claims and done marks in Redis or Valkey, so that a fleet of instances forwards
// each delivery once.
package redis

import (
	"context"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	goredis "github.com/redis/go-redis/v9"
)

func init() {
	caddy.RegisterModule(new(Store))
	goredis.SetLogger(clients)
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

	server  *server
	release func() // nil until there are connections
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
	return servers.Unmarshal(d, &s.URL, &s.Prefix)
}

// Provision reads the URL. It does not wait for the server, and logs an error if
// it cannot be used.
func (s *Store) Provision(ctx caddy.Context) (err error) {
	if s.Prefix == "" {
		s.Prefix = defaultPrefix
	}
	if s.server, s.release, err = servers.Connect(s.URL); err == nil {
		servers.Check(ctx, s.check)
	}
	return err
}

// check makes and ends a claim.
func (s *Store) check(ctx context.Context) error {
	key := s.Prefix + "check"
	if _, err := s.server.run(ctx, claim, key, "check", time.Second); err != nil {
		return err
	}
	_, err := s.server.run(ctx, releaseClaim, key, "check", 0)
	return err
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
