package ledger

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// lastingStorage is the storage of a config while that config runs. After that
// it is the storage of the config that has taken its place. A delivery that is
// under way during a reload ends after it, and the storage that it began with
// may have closed its connections by then.
type lastingStorage struct {
	certmagic.Storage
	config context.Context // done when the config has ended
}

// LastingStorage returns the storage of the config that ctx belongs to. It goes
// on with the next config's storage after a reload.
func LastingStorage(ctx caddy.Context) certmagic.Storage {
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
