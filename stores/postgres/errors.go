package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database"
	"github.com/jackc/pgx/v5/pgconn"
)

// The codes are those of the appendix "PostgreSQL Error Codes" of its manual.
const (
	undefinedTable   = "42P01"
	invalidSchema    = "3F000"
	noPermission     = "42501"
	readOnly         = "25006"
	wrongPassword    = "28P01"
	notAllowed       = "28000"
	noDatabase       = "3D000"
	tooManyClients   = "53300"
	diskFull         = "53100"
	starting         = "57P03"
	serialization    = "40001"
	unknownStatement = "26000"
)

// isMissing reports whether the table is not there.
func isMissing(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == undefinedTable
}

// isBroken reports whether the connection had ended, not whether none can be made.
func isBroken(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return strings.HasPrefix(answer.Code, "57P01") // the server shuts down
	}
	var connecting *pgconn.ConnectError
	return !errors.As(err, &connecting) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// explain returns an error that says what to do, and that has no password.
func (t *table) explain(ctx context.Context, err error) error {
	var answer *pgconn.PgError
	var dial *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("postgres: %w", context.Canceled)
	case errors.As(err, &answer):
		return fmt.Errorf("postgres: %s", t.explainAnswer(answer))
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("postgres: the server does not answer in time: is the address in the URL right, and is the server reachable and not overloaded? %w", context.DeadlineExceeded)
	case errors.As(err, &dial):
		return fmt.Errorf("postgres: the server cannot be reached: is it running, and is the address in the URL right? %w", dial)
	default:
		return fmt.Errorf("postgres: the server cannot be used: %s", database.Hide(err.Error(), t.server.password))
	}
}

func (t *table) explainAnswer(answer *pgconn.PgError) string {
	switch answer.Code {
	case wrongPassword, notAllowed:
		return "the server refuses the user or the password in the URL: correct them, or let the user in with pg_hba.conf"
	case noDatabase:
		return "there is no such database: correct its name in the URL, or create it with CREATE DATABASE"
	case noPermission:
		return plain(fmt.Sprintf("the user may not create or use the table: run this as a user who may: %s GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s;", t.definition(), t.name, t.server.user()))
	case invalidSchema:
		return "there is no such schema: correct the table's name, or create the schema with CREATE SCHEMA"
	case readOnly:
		return "the server is a read-only replica: write the address of the primary, or several addresses and target_session_attrs=read-write"
	case tooManyClients:
		return "the server has too many clients: raise its max_connections, or lower pool_max_conns in the URL"
	case diskFull:
		return "the server's disk is full: make room"
	case starting:
		return "the server is starting or stopping: it can be used soon"
	case serialization:
		return "transactions of this user are too strictly isolated: run ALTER ROLE " + plain(t.server.user()) + " SET default_transaction_isolation = 'read committed'"
	case unknownStatement:
		return "a connection pool between here and the server loses prepared statements: add default_query_exec_mode=exec to the parameters of the URL"
	default:
		return fmt.Sprintf("the server answers: %s (%s)", database.Hide(answer.Message, t.server.password), answer.Code)
	}
}

var quoted = regexp.MustCompile(`"([a-z_][a-z0-9_]*)"`)

// plain removes the quotes around names that need none, since a log in JSON puts a
// backslash before each, and nobody could copy the SQL.
func plain(sql string) string { return quoted.ReplaceAllString(sql, "$1") }
