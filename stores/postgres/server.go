package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyserver/caddy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// timeout bounds how long a connection may take, unless the URL says
	// otherwise. The context of a call usually ends before.
	timeout = 2 * time.Second

	// connections is the size of a pool, unless the URL says otherwise. PostgreSQL
	// commits what comes over several connections with one write to the disk.
	connections = 16

	// afterlife is how long the connections stay after the config that used them.
	// Its deliveries can still be under way, and are marked when they end.
	afterlife = stores.LongestClaim + time.Minute
)

// databases holds the connections to each URL, and tables holds the tables in
// them, while any config uses them.
var (
	databases = caddy.NewUsagePool()
	tables    = caddy.NewUsagePool()
)

// database has the connections to the database of one URL.
type database struct {
	pool     *pgxpool.Pool
	password string // that must not be in an error
}

// Destruct closes the connections when they are idle.
func (d *database) Destruct() error {
	go d.pool.Close() // it waits for statements that are under way
	return nil
}

// errURL does not wrap pgx's error, which can have parts of the password.
var errURL = errors.New("it cannot be read: write postgres://user:password@host:5432/database, with parameters of libpq after a ?; " +
	"in a password, percent-encode characters such as / ? # @ %")

// openDatabase reads a URL. It does not connect.
func openDatabase(url string) (*database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errURL
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = timeout
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = connections
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "clerk_webhook"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, errURL
	}
	return &database{pool: pool, password: config.ConnConfig.Password}, nil
}

// user returns the name of the user who connects, quoted.
func (d *database) user() string {
	return pgx.Identifier{d.pool.Config().ConnConfig.User}.Sanitize()
}

type tableID struct{ url, name string }

func acquire(id tableID) (*table, error) {
	value, _, err := tables.LoadOrNew(id, func() (caddy.Destructor, error) {
		value, _, err := databases.LoadOrNew(id.url, func() (caddy.Destructor, error) { return openDatabase(id.url) })
		if err != nil {
			return nil, err
		}
		return newTable(value.(*database), id), nil
	})
	if err != nil {
		return nil, err
	}
	return value.(*table), nil
}

func release(id tableID) {
	time.AfterFunc(afterlife, func() { _, _ = tables.Delete(id) })
}
