package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database"
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
)

// databases has the connections to each URL.
var databases = database.New("postgres", "DATABASE_URL", "table", newServer)

// server has the connections to the database of one URL.
type server struct {
	pool     *pgxpool.Pool
	password string // that must not be in an error
}

// Destruct closes the connections when they are idle.
func (s *server) Destruct() error {
	go s.pool.Close() // it waits for statements that are under way
	return nil
}

// errURL does not wrap pgx's error, which can have parts of the password.
var errURL = errors.New("it cannot be read: write postgres://user:password@host:5432/database, with parameters of libpq after a ?; " +
	"in a password, percent-encode characters such as / ? # @ %")

// newServer reads a URL. It does not connect.
func newServer(url string) (*server, error) {
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
	return &server{pool: pool, password: config.ConnConfig.Password}, nil
}

// user returns the name of the user who connects, quoted.
func (s *server) user() string {
	return pgx.Identifier{s.pool.Config().ConnConfig.User}.Sanitize()
}
