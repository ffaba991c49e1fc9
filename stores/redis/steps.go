package redis

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	goredis "github.com/redis/go-redis/v9"
)

// A key has one of two values: "claim:<token>" or "done:<seconds since 1970>". A
// script is one atomic step, and uses one key, as Cluster demands.
var (
	// It answers with the value that stands in the way, or with nothing.
	claim = goredis.NewScript(`
local value = redis.call('GET', KEYS[1])
if value and value ~= 'claim:' .. ARGV[1] then
	return value
end
redis.call('SET', KEYS[1], 'claim:' .. ARGV[1], 'PX', ARGV[2])
return ''`)

	// It answers with the claim that stands in the way, or with nothing.
	markDone = goredis.NewScript(`
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 5) == 'done:' then
	return ''
end
if value and value ~= 'claim:' .. ARGV[1] then
	return value
end
redis.call('SET', KEYS[1], 'done:' .. redis.call('TIME')[1], 'PX', ARGV[2])
return ''`)

	releaseClaim = goredis.NewScript(`
if redis.call('GET', KEYS[1]) == 'claim:' .. ARGV[1] then
	redis.call('DEL', KEYS[1])
end
return ''`)

	// It answers with what it has removed.
	forget = goredis.NewScript(`
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 5) == 'done:' then
	redis.call('DEL', KEYS[1])
	return value
end
return ''`)
)

// run takes one step and returns the script's answer.
func (s *server) run(ctx context.Context, script *goredis.Script, key, token string, lasting time.Duration) (string, error) {
	milliseconds := max(lasting.Milliseconds(), 1)
	answer, err := script.Run(ctx, s.client, []string{key}, token, milliseconds).Text()
	if err != nil {
		return "", s.explain(ctx, err)
	}
	return answer, nil
}

func (s *Store) keyOf(key stores.Key) string { return s.Prefix + hex.EncodeToString(key[:]) }

// Claim implements stores.Store.
func (s *Store) Claim(ctx context.Context, key stores.Key, token string, lease time.Duration) (stores.State, time.Time, error) {
	obstacle, err := s.server.run(ctx, claim, s.keyOf(key), token, lease)
	if err != nil {
		return stores.New, time.Time{}, err
	}
	if obstacle == "" {
		return stores.New, time.Time{}, nil
	}
	if at, isDone := doneAt(obstacle); isDone {
		return stores.Done, at, nil
	}
	return stores.InProgress, time.Time{}, nil
}

// doneAt reads the value of a delivery that is done.
func doneAt(value string) (at time.Time, isDone bool) {
	text, isDone := strings.CutPrefix(value, "done:")
	if !isDone {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// Renew implements stores.Store. It is a claim with the same token.
func (s *Store) Renew(ctx context.Context, key stores.Key, token string, lease time.Duration) error {
	return s.unlessLost(ctx, claim, key, token, lease)
}

// MarkDone implements stores.Store.
func (s *Store) MarkDone(ctx context.Context, key stores.Key, token string, window time.Duration) error {
	return s.unlessLost(ctx, markDone, key, token, window)
}

// unlessLost takes a step that only another token's value stops.
func (s *Store) unlessLost(ctx context.Context, script *goredis.Script, key stores.Key, token string, lasting time.Duration) error {
	obstacle, err := s.server.run(ctx, script, s.keyOf(key), token, lasting)
	if err == nil && obstacle != "" {
		err = stores.ErrLost
	}
	return err
}

// Release implements stores.Store.
func (s *Store) Release(ctx context.Context, key stores.Key, token string) error {
	_, err := s.server.run(ctx, releaseClaim, s.keyOf(key), token, 0)
	return err
}

// Forget implements stores.Store.
func (s *Store) Forget(ctx context.Context, key stores.Key) (known bool, err error) {
	removed, err := s.server.run(ctx, forget, s.keyOf(key), "", 0)
	return removed != "", err
}
