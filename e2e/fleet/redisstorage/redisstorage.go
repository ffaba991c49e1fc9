// Package redisstorage is a small Caddy storage in Redis. It tests the plugin
// with a storage on the network. Do not use it in production: its locks do not
// expire.
package redisstorage

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"
	"github.com/redis/go-redis/v9"
)

func init() {
	caddy.RegisterModule(Storage{})
}

// Storage keeps each key as one Redis key. A folder is a prefix.
type Storage struct {
	// Address is the server's host and port.
	Address string `json:"address"`

	client *redis.Client
}

// CaddyModule returns the Caddy module information.
func (Storage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.redis_test", New: func() caddy.Module { return new(Storage) }}
}

// UnmarshalCaddyfile reads "redis_test <address>".
func (s *Storage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&s.Address) {
		return d.ArgErr()
	}
	return nil
}

// CertMagicStorage connects on first use.
func (s *Storage) CertMagicStorage() (certmagic.Storage, error) {
	s.client = redis.NewClient(&redis.Options{Addr: s.Address, DisableIdentity: true, MaxRetries: -1})
	return s, nil
}

// Cleanup closes the connections.
func (s *Storage) Cleanup() error { return s.client.Close() }

// Store sets a key.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	return s.client.Set(ctx, key, value, 0).Err()
}

// Load gets a key.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fs.ErrNotExist
	}
	return value, err
}

// Delete removes a key and everything below it.
func (s *Storage) Delete(ctx context.Context, key string) error {
	keys, err := s.below(ctx, key)
	if err != nil {
		return err
	}
	return s.client.Del(ctx, append(keys, key)...).Err()
}

// Exists reports whether there is such a key or folder.
func (s *Storage) Exists(ctx context.Context, key string) bool {
	if n, err := s.client.Exists(ctx, key).Result(); err != nil || n > 0 {
		return n > 0
	}
	keys, err := s.below(ctx, key)
	return err == nil && len(keys) > 0
}

// List returns the keys and folders in a folder.
func (s *Storage) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	keys, err := s.below(ctx, folder)
	if err != nil || recursive {
		return keys, err
	}
	for i, key := range keys {
		name, _, _ := strings.Cut(strings.TrimPrefix(key, folder+"/"), "/")
		keys[i] = path.Join(folder, name)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// Stat describes a key.
func (s *Storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, err := s.Load(ctx, key)
	return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, err
}

// Lock waits until it has set the lock's key.
func (s *Storage) Lock(ctx context.Context, name string) error {
	for {
		locked, err := s.client.SetNX(ctx, "lock:"+name, 1, 0).Result()
		if err != nil || locked {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Unlock removes the lock's key.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	return s.client.Del(ctx, "lock:"+name).Err()
}

func (s *Storage) below(ctx context.Context, folder string) (keys []string, err error) {
	each := s.client.Scan(ctx, 0, folder+"/*", 1000).Iterator()
	for each.Next(ctx) {
		keys = append(keys, each.Val())
	}
	return keys, each.Err()
}

// Interface guards
var (
	_ caddy.StorageConverter = (*Storage)(nil)
	_ caddy.CleanerUpper     = (*Storage)(nil)
	_ caddyfile.Unmarshaler  = (*Storage)(nil)
	_ certmagic.Storage      = (*Storage)(nil)
)
