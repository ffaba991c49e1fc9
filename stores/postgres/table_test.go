package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func count(t testing.TB, s *Store) (rows int) {
	t.Helper()
	if err := s.table.server.pool.QueryRow(context.Background(), "SELECT count(*) FROM "+s.table.name).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// fill writes rows as a store would that has marked them long ago.
func fill(t testing.TB, server *daemon.Postgres, s *Store, rows int, expiry string) {
	t.Helper()
	sql(t, server, fmt.Sprintf(`INSERT INTO %s SELECT gen_random_uuid(), 'x', now() - interval '3 days', now() + interval '%s' FROM generate_series(1, %d)`, s.table.name, expiry, rows))
}

// The number is not a multiple of a batch.
func TestOldRowsAreRemoved(t *testing.T) {
	server := daemon.StartPostgres(t)
	s := newStore(t, server.URL(), "")
	mustClaim(t, s, stores.Key{1}, "a")
	fill(t, server, s, 2*batch+1, "-1 second")
	fill(t, server, s, 10, "1 hour")
	var workers sync.WaitGroup
	removed := make([]int64, 3)
	for i := range removed {
		workers.Go(func() {
			var err error
			if removed[i], err = s.table.clean(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	if sum := removed[0] + removed[1] + removed[2]; sum != 2*batch+1 {
		t.Errorf("%v rows were removed, %d in all, want %d", removed, sum, 2*batch+1)
	}
	if rows := count(t, s); rows != 11 {
		t.Errorf("%d rows are left, want the claim and the 10 that have not expired", rows)
	}
}

func TestOldRowsAreRemovedRegularly(t *testing.T) {
	server := daemon.StartPostgres(t)
	s := newStore(t, server.URL(), "")
	mustClaim(t, s, stores.Key{1}, "a")
	fill(t, server, s, 10, "-1 second")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.table.cleanRegularly(ctx, 10*time.Millisecond)
	for deadline := time.Now().Add(20 * time.Second); count(t, s) != 1; {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows are left after 20 s", count(t, s))
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Instances that start at the same time all find no table.
func TestTableIsCreatedOnce(t *testing.T) {
	server := daemon.StartPostgres(t)
	sql(t, server, "CREATE SCHEMA webhooks")
	name := "webhooks." + strings.Repeat("Long_name_", 6)
	var workers sync.WaitGroup
	for i := range 8 {
		d, err := newServer(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer d.pool.Close()
		workers.Go(func() {
			s := &Store{table: newTable(d, name)}
			if state, _, err := s.Claim(bounded(t), stores.Key{byte(i)}, "a", lease); state != stores.New || err != nil {
				t.Errorf("claiming gave state %d, %v", state, err)
			}
		})
	}
	workers.Wait()
}

func TestTableIsDroppedMeanwhile(t *testing.T) {
	server := daemon.StartPostgres(t)
	s := newStore(t, server.URL(), "")
	mustClaim(t, s, stores.Key{1}, "a")
	sql(t, server, "DROP TABLE clerk_webhook_deliveries")
	mustClaim(t, s, stores.Key{2}, "b")
	if rows := count(t, s); rows != 1 {
		t.Errorf("the new table has %d rows, want 1", rows)
	}
}

func TestNameOfTableIsChecked(t *testing.T) {
	for name, isValid := range map[string]bool{
		"deliveries": true, "webhooks.deliveries": true, "_A1": true, strings.Repeat("a", 63): true,
		"": false, "a b": false, `a"b`: false, "a.b.c": false, "1a": false, "a;b": false, "a.": false, strings.Repeat("a", 64): false,
	} {
		if err := checkTableName(name); (err == nil) != isValid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
