package redis

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
	goredis "github.com/redis/go-redis/v9"
)

// BenchmarkDeliveries has 32 connections, and beside the store a SET NX and a
// compare-and-set.
func BenchmarkDeliveries(b *testing.B) {
	server := daemon.StartRedis(b)
	s := newStore(b, server.URL()+"?pool_size=32")
	compareAndSet := goredis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end`)
	storetest.Compare(b, 32, s, func(ctx context.Context, key stores.Key, token string) error {
		name := "bare:" + s.keyOf(key)
		if isNew, err := s.server.client.SetNX(ctx, name, token, lease).Result(); err != nil || !isNew {
			return errors.Join(err, errors.New("the key was there"))
		}
		return compareAndSet.Run(ctx, s.server.client, []string{name}, token, "done", time.Hour.Milliseconds()).Err()
	})
}
