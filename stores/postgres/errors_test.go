package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/jackc/pgx/v5"
)

func TestWrongURLIsRefused(t *testing.T) {
	const password = "pa55word"
	for name, url := range map[string]string{
		"another scheme":               "http://user:" + password + "@localhost/db",
		"a slash in the password":      "postgres://user:" + password + "/x@localhost:5432/db",
		"a percent sign":               "postgres://user:" + password + "%zz@localhost/db",
		"a port that is no number":     "postgres://user@localhost:" + password + "/db",
		"a parameter with a bad value": "postgres://user:" + password + "@localhost/db?sslmode=" + password,
		"a pool without connections":   "postgres://user:" + password + "@localhost/db?pool_max_conns=0",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newServer(url)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), "postgres://user:password@host:5432/database") || strings.Contains(err.Error(), "55word") {
				t.Errorf("the error is %q, want it to say how a URL is written, and nothing of this one", err)
			}
		})
	}
}

// sql runs statements as the superuser.
func sql(t testing.TB, server *daemon.Postgres, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range statements {
		if _, err := conn.Exec(context.Background(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// What is wrong with the server is known when it is asked. The error says what to
// do, and has no password.
func TestErrorsSayWhatToDo(t *testing.T) {
	const password = "pa55word"
	server := daemon.StartPostgres(t, "-c", "max_connections=12", "-c", "superuser_reserved_connections=6")
	sql(t, server,
		`CREATE ROLE caddy LOGIN PASSWORD '`+password+`'`,
		`CREATE ROLE reader LOGIN PASSWORD '`+password+`'`, `ALTER ROLE reader SET default_transaction_read_only = on`,
		`CREATE ROLE crowd LOGIN PASSWORD '`+password+`' CONNECTION LIMIT 0`,
		`CREATE TABLE shapeless (key text PRIMARY KEY, token text)`,
		`CREATE TABLE "keyless" (key uuid, token text, done_at timestamptz, expires_at timestamptz)`,
		`CREATE TABLE closed (key uuid PRIMARY KEY, token text, done_at timestamptz, expires_at timestamptz)`)
	gone := daemon.StartPostgres(t)
	gone.Stop()
	url := func(user string) string {
		return "postgres://" + user + ":" + password + "@" + server.Address + "/postgres"
	}
	for name, test := range map[string]struct {
		url, table string
		want       []string
	}{
		"the password is wrong":           {url("postgres"), "", []string{"refuses the user or the password"}},
		"there is no such user":           {url("nobody"), "", []string{"refuses the user or the password"}},
		"there is no such database":       {server.URL() + "s", "", []string{"no such database"}},
		"the table may not be created":    {url("caddy"), "", []string{`CREATE TABLE IF NOT EXISTS clerk_webhook_deliveries (`, `GRANT SELECT, INSERT, UPDATE, DELETE ON clerk_webhook_deliveries TO caddy;`}},
		"the table may not be used":       {url("caddy"), "closed", []string{`GRANT SELECT, INSERT, UPDATE, DELETE ON closed TO caddy;`}},
		"a table of another shape":        {server.URL(), "shapeless", []string{`the table shapeless is not one for deliveries`, `CREATE TABLE IF NOT EXISTS shapeless (`}},
		"a table whose key is not unique": {server.URL(), "keyless", []string{`the table keyless is not one for deliveries`}},
		"there is no such schema":         {server.URL(), "nowhere.deliveries", []string{"no such schema"}},
		"the server takes no writes":      {url("reader"), "", []string{"read-only replica"}},
		"the server has too many clients": {url("crowd"), "", []string{"pool_max_conns"}},
		"nothing listens":                 {gone.URL(), "", []string{"is it running"}},
		"the host cannot be found":        {"postgres://user:" + password + "@no-such-host.invalid/db", "", []string{"the server cannot be"}},
		"TLS where the server has none":   {server.URL() + "?sslmode=require", "", []string{"TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, test.url, test.table)
			_, _, err := s.Claim(bounded(t), stores.Key{1}, "a", lease)
			if err == nil {
				t.Fatal("the claim was granted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), daemon.PostgresPassword) {
				t.Errorf("the error has the password: %q", err)
			}
		})
	}
}

// The SQL in the error makes the store work, without a reload.
func TestSQLInTheErrorHelps(t *testing.T) {
	server := daemon.StartPostgres(t)
	sql(t, server, `CREATE ROLE caddy LOGIN PASSWORD 'pa55word'`)
	s := newStore(t, "postgres://caddy:pa55word@"+server.Address+"/postgres", "")
	_, _, err := s.Claim(bounded(t), stores.Key{1}, "a", lease)
	if err == nil {
		t.Fatal("the claim was granted")
	}
	_, advice, _ := strings.Cut(err.Error(), "run this as a user who may: ")
	if strings.ContainsAny(advice, "\"\n") {
		t.Errorf("a log in JSON escapes what is to be copied: %s", advice)
	}
	sql(t, server, advice)
	mustClaim(t, s, stores.Key{1}, "a")
	if err := s.MarkDone(bounded(t), stores.Key{1}, "a", lease); err != nil {
		t.Fatal(err)
	}
	if known, err := s.Forget(bounded(t), stores.Key{1}); !known || err != nil {
		t.Errorf("forgetting gave %t, %v", known, err)
	}
}
