package postgres

import (
	"context"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// A row is a claim until it has a done_at. A row that has expired counts as none.
//
// A statement has clock_timestamp(), since it may have to wait for another's row,
// and now() stays what it was before that.
const (
	// The row in the result is that of before, so it tells what stands in the way.
	// If it does not, another copy has claimed the delivery at this moment.
	claimSQL = `WITH claimed AS (
	INSERT INTO %[1]s AS delivery (key, token, done_at, expires_at) VALUES ($1, $2, NULL, clock_timestamp() + $3)
	ON CONFLICT (key) DO UPDATE SET token = excluded.token, done_at = NULL, expires_at = excluded.expires_at
	WHERE delivery.expires_at <= clock_timestamp() OR (delivery.token = excluded.token AND delivery.done_at IS NULL)
	RETURNING key
) SELECT EXISTS (SELECT FROM claimed), (SELECT done_at FROM %[1]s WHERE key = $1 AND expires_at > clock_timestamp())`

	// A delivery that is done keeps its time.
	markDoneSQL = `INSERT INTO %[1]s AS delivery (key, token, done_at, expires_at) VALUES ($1, $2, clock_timestamp(), clock_timestamp() + $3)
ON CONFLICT (key) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at,
	done_at = CASE WHEN delivery.expires_at > clock_timestamp() THEN coalesce(delivery.done_at, excluded.done_at) ELSE excluded.done_at END
WHERE delivery.expires_at <= clock_timestamp() OR delivery.token = excluded.token OR delivery.done_at IS NOT NULL`
)

// Claim implements stores.Store.
func (s *Store) Claim(ctx context.Context, key stores.Key, token string, lease time.Duration) (state stores.State, at time.Time, err error) {
	err = s.table.run(ctx, func(ctx context.Context) (err error) {
		state, at, err = s.table.claimOnce(ctx, key, token, lease)
		return err
	})
	return state, at, err
}

func (t *table) claimOnce(ctx context.Context, key stores.Key, token string, lease time.Duration) (stores.State, time.Time, error) {
	var granted bool
	var doneAt *time.Time
	err := t.server.pool.QueryRow(ctx, t.claim, key, token, lease).Scan(&granted, &doneAt)
	switch {
	case err != nil:
		return stores.New, time.Time{}, err
	case granted:
		return stores.New, time.Time{}, nil
	case doneAt != nil:
		return stores.Done, *doneAt, nil
	default:
		return stores.InProgress, time.Time{}, nil
	}
}

// Renew implements stores.Store. It is a claim with the same token.
func (s *Store) Renew(ctx context.Context, key stores.Key, token string, lease time.Duration) error {
	state, _, err := s.Claim(ctx, key, token, lease)
	if err == nil && state != stores.New {
		err = stores.ErrLost
	}
	return err
}

// MarkDone implements stores.Store.
func (s *Store) MarkDone(ctx context.Context, key stores.Key, token string, window time.Duration) error {
	changed, err := s.table.change(ctx, s.table.markDone, key, token, window)
	if err == nil && changed == 0 {
		err = stores.ErrLost
	}
	return err
}

// Release implements stores.Store.
func (s *Store) Release(ctx context.Context, key stores.Key, token string) error {
	_, err := s.table.change(ctx, `DELETE FROM `+s.table.name+` WHERE key = $1 AND token = $2 AND done_at IS NULL`, key, token)
	return err
}

// Forget implements stores.Store.
func (s *Store) Forget(ctx context.Context, key stores.Key) (known bool, err error) {
	changed, err := s.table.change(ctx, `DELETE FROM `+s.table.name+` WHERE key = $1 AND done_at IS NOT NULL AND expires_at > clock_timestamp()`, key)
	return changed > 0, err
}

// change runs a statement and returns how many rows it has changed.
func (t *table) change(ctx context.Context, statement string, arguments ...any) (changed int64, err error) {
	err = t.run(ctx, func(ctx context.Context) error {
		tag, err := t.server.pool.Exec(ctx, statement, arguments...)
		changed = tag.RowsAffected()
		return err
	})
	return changed, err
}

// attempts is how often a step is taken if connections turn out to be broken, as
// all are after the server was restarted. A step can be repeated after a lost
// answer, because the row has the token.
const attempts = 3

// run takes a step as soon as the table is there.
func (t *table) run(ctx context.Context, step func(context.Context) error) (err error) {
	for range attempts {
		if err = t.prepare(ctx); err != nil {
			return err
		}
		if err = step(ctx); err == nil {
			return nil
		}
		if isMissing(err) {
			t.isReady.Store(false) // somebody has dropped the table
			continue
		}
		if !isBroken(err) || ctx.Err() != nil {
			break
		}
		t.server.pool.Reset()
	}
	return t.explain(ctx, err)
}
