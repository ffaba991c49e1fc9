package redis

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
		"a URL":            {"redis {env.REDIS_URL}", Store{URL: "{env.REDIS_URL}"}},
		"a URL and prefix": {"redis {env.REDIS_URL} {\nprefix webhooks\n}", Store{URL: "{env.REDIS_URL}", Prefix: "webhooks"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(Store)
			if err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.text)); err != nil {
				t.Fatal(err)
			}
			if s.URL != test.want.URL || s.Prefix != test.want.Prefix {
				t.Errorf("read as %q and %q", s.URL, s.Prefix)
			}
		})
	}
}

// The errors have nothing of the URL, which can have a password.
func TestWrongCaddyfileIsRefused(t *testing.T) {
	const url = "redis://user:pa55word@localhost"
	for name, test := range map[string]struct{ text, want string }{
		"no URL":                 {"redis", "write redis <url>"},
		"two URLs":               {"redis " + url + " " + url, "write redis <url>"},
		"an empty URL":           {"redis \"\"", "is the variable"},
		"an unknown option":      {"redis {env.REDIS_URL} {\n" + url + "\n}", "the options of this store are prefix and on_failure"},
		"prefix without a value": {"redis {env.REDIS_URL} {\nprefix\n}", "prefix <"},
		"prefix twice":           {"redis {env.REDIS_URL} {\nprefix a\nprefix b\n}", "given twice"},
		"prefix with two values": {"redis {env.REDIS_URL} {\nprefix a " + url + "\n}", "prefix <"},
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
		"no URL":                     {"", "{env.REDIS_URL}"},
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
