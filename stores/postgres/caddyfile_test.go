package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCaddyfile(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want Store
	}{
		"a URL":           {"postgres {env.DATABASE_URL}", Store{URL: "{env.DATABASE_URL}"}},
		"a URL and table": {"postgres {env.DATABASE_URL} {\ntable webhooks\n}", Store{URL: "{env.DATABASE_URL}", Table: "webhooks"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(Store)
			if err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.text)); err != nil {
				t.Fatal(err)
			}
			if s.URL != test.want.URL || s.Table != test.want.Table {
				t.Errorf("read as %q and %q", s.URL, s.Table)
			}
		})
	}
}

// The errors have nothing of the URL, which can have a password.
func TestWrongCaddyfileIsRefused(t *testing.T) {
	const url = "postgres://user:pa55word@localhost"
	for name, test := range map[string]struct{ text, want string }{
		"no URL":                {"postgres", "write postgres <url>"},
		"two URLs":              {"postgres " + url + " " + url, "write postgres <url>"},
		"an empty URL":          {"postgres \"\"", "is the variable"},
		"an unknown option":     {"postgres {env.DATABASE_URL} {\n" + url + "\n}", "the options of this store are table and on_failure"},
		"table without a value": {"postgres {env.DATABASE_URL} {\ntable\n}", "table <"},
		"table twice":           {"postgres {env.DATABASE_URL} {\ntable a\ntable b\n}", "given twice"},
		"table with two values": {"postgres {env.DATABASE_URL} {\ntable a " + url + "\n}", "table <"},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(Store).UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "pa55word") {
				t.Errorf("the error is %q, want it to say %q", err, test.want)
			}
		})
	}
}

func TestConfigWithoutURLIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ url, want string }{
		"no URL":                     {"", "{env.DATABASE_URL}"},
		"a variable that is not set": {"{env.NO_SUCH_URL}", "NO_SUCH_URL is not set"},
		"a file that is missing":     {"{file./no/such/file}", "no such file"},
		"a URL that cannot be read":  {"http://user:pa55word@localhost", "it cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
			defer cancel()
			s := &Store{URL: test.url}
			err := s.Provision(ctx)
			if err == nil {
				t.Fatal("provisioned")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "pa55word") {
				t.Errorf("the error is %q, want it to say %q", err, test.want)
			}
			if err := s.Cleanup(); err != nil { // as Caddy does after that
				t.Error(err)
			}
		})
	}
}
