package stores_test

import (
	"context"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// Shelf is a store of one's own, which a Caddyfile names with deduplicate 48h shelf. It
// keeps deliveries in the process. Another takes each step in its database.
type Shelf struct{}

func (Shelf) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: stores.Namespace + ".shelf", New: func() caddy.Module { return new(Shelf) }}
}

func (Shelf) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return stores.UnmarshalBare(d) }

type delivery struct {
	token        string
	done, expiry time.Time
}

var (
	mu    sync.Mutex
	shelf = make(map[stores.Key]delivery)
)

// put puts a delivery into the shelf, unless it is done or another token has it.
func put(key stores.Key, d delivery) (state stores.State, at time.Time) {
	mu.Lock()
	defer mu.Unlock()
	switch old := shelf[key]; {
	case !time.Now().Before(old.expiry): // nothing is there, or it has expired
	case !old.done.IsZero():
		return stores.Done, old.done
	case old.token != d.token:
		return stores.InProgress, time.Time{}
	}
	shelf[key] = d
	return stores.New, time.Time{}
}

// remove takes a delivery out of the shelf, and reports whether there was such a one.
func remove(key stores.Key, isSuch func(delivery) bool) bool {
	mu.Lock()
	defer mu.Unlock()
	d := shelf[key]
	found := time.Now().Before(d.expiry) && isSuch(d)
	if found {
		delete(shelf, key)
	}
	return found
}

func (Shelf) Claim(_ context.Context, key stores.Key, token string, lease time.Duration) (stores.State, time.Time, error) {
	state, at := put(key, delivery{token: token, expiry: time.Now().Add(lease)})
	return state, at, nil
}

func (Shelf) Renew(_ context.Context, key stores.Key, token string, lease time.Duration) error {
	if state, _ := put(key, delivery{token: token, expiry: time.Now().Add(lease)}); state != stores.New {
		return stores.ErrLost
	}
	return nil
}

func (Shelf) MarkDone(_ context.Context, key stores.Key, token string, window time.Duration) error {
	if state, _ := put(key, delivery{token, time.Now(), time.Now().Add(window)}); state == stores.InProgress {
		return stores.ErrLost
	}
	return nil
}

func (Shelf) Release(_ context.Context, key stores.Key, token string) error {
	remove(key, func(d delivery) bool { return d.done.IsZero() && d.token == token })
	return nil
}

func (Shelf) Forget(_ context.Context, key stores.Key) (known bool, err error) {
	return remove(key, func(d delivery) bool { return !d.done.IsZero() }), nil
}

// A plugin does this in its init.
func Example() {
	caddy.RegisterModule(Shelf{})
}
