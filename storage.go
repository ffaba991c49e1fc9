package clerkwebhook

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// lastingStorage is the storage of a config for as long as that runs, and from
// then on the storage of the config that has taken its place. Deliveries that
// are under way during a reload end after it, when the storage that they began
// with may have closed its connections.
type lastingStorage struct {
	certmagic.Storage
	config context.Context // done when the config has ended
}

func newLastingStorage(ctx caddy.Context) lastingStorage {
	return lastingStorage{Storage: ctx.Storage(), config: ctx.Context}
}

// Store satisfies certmagic.Storage.
func (s lastingStorage) Store(ctx context.Context, key string, value []byte) error {
	return s.do(func(storage certmagic.Storage) error { return storage.Store(ctx, key, value) })
}

// Load satisfies certmagic.Storage.
func (s lastingStorage) Load(ctx context.Context, key string) (value []byte, err error) {
	err = s.do(func(storage certmagic.Storage) error {
		value, err = storage.Load(ctx, key)
		return err
	})
	return value, err
}

// Delete satisfies certmagic.Storage.
func (s lastingStorage) Delete(ctx context.Context, key string) error {
	return s.do(func(storage certmagic.Storage) error { return storage.Delete(ctx, key) })
}

// do calls f once more if the config ended meanwhile.
func (s lastingStorage) do(f func(certmagic.Storage) error) error {
	if s.config.Err() == nil {
		if err := f(s.Storage); err == nil || s.config.Err() == nil {
			return err
		}
	}
	active := caddy.ActiveContext()
	if active.Context == nil { // Caddy is stopping
		return f(s.Storage)
	}
	return f(active.Storage())
}

// Interface guard
var _ certmagic.Storage = lastingStorage{}
