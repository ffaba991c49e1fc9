package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// table is a table in a database, which may not exist yet.
type table struct {
	server   *server
	name     string // quoted
	index    string // its name, quoted
	claim    string
	markDone string

	isReady   atomic.Bool
	preparing chan struct{} // has room for the one who prepares
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)

func checkTableName(name string) error {
	if !tableName.MatchString(name) {
		return errors.New("this is not a name of a table: write letters, digits and _, at most 63, with the schema and a dot before it if needed")
	}
	return nil
}

func newTable(s *server, name string) *table {
	t := &table{server: s, name: pgx.Identifier(strings.Split(name, ".")).Sanitize(), index: indexName(name), preparing: make(chan struct{}, 1)}
	t.claim = fmt.Sprintf(claimSQL, t.name)
	t.markDone = fmt.Sprintf(markDoneSQL, t.name)
	return t
}

// indexName keeps within PostgreSQL's 63 characters.
func indexName(table string) string {
	const suffix = "_expires_at_idx"
	name := table[strings.LastIndex(table, ".")+1:]
	return pgx.Identifier{name[:min(len(name), 63-len(suffix))] + suffix}.Sanitize()
}

// definition is the SQL that creates the table and the index for cleaning.
func (t *table) definition() string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (key uuid PRIMARY KEY, token text NOT NULL, done_at timestamptz, expires_at timestamptz NOT NULL); CREATE INDEX IF NOT EXISTS %s ON %s (expires_at);`, t.name, t.index, t.name)
}

// prepare creates the table unless there is one of the right shape.
func (t *table) prepare(ctx context.Context) error {
	if t.isReady.Load() {
		return nil
	}
	select {
	case t.preparing <- struct{}{}:
		defer func() { <-t.preparing }()
	case <-ctx.Done():
		return t.explain(ctx, ctx.Err())
	}
	if t.isReady.Load() {
		return nil
	}
	err := t.checkOrCreate(ctx)
	t.isReady.Store(err == nil)
	return err
}

func (t *table) checkOrCreate(ctx context.Context) error {
	exists, err := t.checkShape(ctx)
	if exists || err != nil {
		return err
	}
	// Another instance may create it at the same moment. The check tells.
	_, createErr := t.server.pool.Exec(ctx, t.definition(), pgx.QueryExecModeSimpleProtocol)
	exists, err = t.checkShape(ctx)
	if !exists && err == nil {
		err = t.explain(ctx, createErr)
	}
	return err
}

// columns are the columns that the statements use.
var columns = map[string]string{
	"key":        "uuid",
	"token":      "text",
	"done_at":    "timestamp with time zone",
	"expires_at": "timestamp with time zone",
}

// checkShape reports whether there is a table of this name. It returns an error if
// the table is not one for deliveries.
func (t *table) checkShape(ctx context.Context) (exists bool, err error) {
	var oid *uint32
	if err := t.server.pool.QueryRow(ctx, `SELECT to_regclass($1)::oid`, t.name).Scan(&oid); err != nil {
		return false, t.explain(ctx, err)
	}
	if oid == nil {
		return false, nil
	}
	rows, err := t.server.pool.Query(ctx, `
		SELECT attname::text, format_type(atttypid, atttypmod),
			EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique AND indkey::text = attnum::text)
		FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`, *oid)
	if err != nil {
		return false, t.explain(ctx, err)
	}
	missing := len(columns)
	var name, kind string
	var isUnique bool
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &isUnique}, func() error {
		if columns[name] == kind && (name != "key" || isUnique) {
			missing--
		}
		return nil
	})
	if err != nil {
		return false, t.explain(ctx, err)
	}
	if missing > 0 {
		return true, errors.New(plain(fmt.Sprintf("postgres: the table %s is not one for deliveries: name another with table, or rename that one, so that this can be created: %s", t.name, t.definition())))
	}
	return true, nil
}

const (
	cleaningInterval = time.Minute
	batch            = 1000
)

// cleanRegularly removes rows that have expired, each interval, until ctx ends. All
// stores of all instances do: those that come second find nothing to do.
func (t *table) cleanRegularly(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			bounded, cancel := context.WithTimeout(ctx, cleaningInterval)
			_, _ = t.clean(bounded) // a server that cannot be reached is asked again a minute later, and noticed by the deliveries
			cancel()
		}
	}
}

// clean removes all rows that have expired, in batches, and returns their number.
func (t *table) clean(ctx context.Context) (removed int64, err error) {
	if !t.isReady.Load() {
		return 0, nil
	}
	statement := fmt.Sprintf(`DELETE FROM %[1]s WHERE key IN (
		SELECT key FROM %[1]s WHERE expires_at < now() ORDER BY expires_at LIMIT %[2]d FOR UPDATE SKIP LOCKED
	) AND expires_at < now()`, t.name, batch)
	for {
		tag, err := t.server.pool.Exec(ctx, statement)
		if err != nil {
			return removed, t.explain(ctx, err)
		}
		removed += tag.RowsAffected()
		if tag.RowsAffected() < batch {
			return removed, nil
		}
	}
}
