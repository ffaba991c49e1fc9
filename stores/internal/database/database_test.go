package database

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

type connections struct{ url string }

func (*connections) Destruct() error { return nil }

func newKind() Kind[*connections] {
	return New("own", "OWN_URL", "prefix", func(url string) (*connections, error) {
		if url == "wrong" {
			return nil, errors.New("it cannot be read")
		}
		return &connections{url}, nil
	})
}

func TestCaddyfile(t *testing.T) {
	for name, test := range map[string]struct{ text, url, prefix string }{
		"a URL":               {"own {env.OWN_URL}", "{env.OWN_URL}", ""},
		"a URL and an option": {"own {env.OWN_URL} {\nprefix webhooks\n}", "{env.OWN_URL}", "webhooks"},
	} {
		t.Run(name, func(t *testing.T) {
			var url, prefix string
			if err := newKind().Unmarshal(caddyfile.NewTestDispenser(test.text), &url, &prefix); err != nil {
				t.Fatal(err)
			}
			if url != test.url || prefix != test.prefix {
				t.Errorf("read as %q and %q", url, prefix)
			}
		})
	}
}

// The errors have nothing of the URL, which can have a password.
func TestWrongCaddyfileIsRefused(t *testing.T) {
	const url = "own://user:pa55word@localhost"
	for name, test := range map[string]struct{ text, want string }{
		"no URL":                  {"own", "own: wrong number of arguments: write own <url>, such as own {env.OWN_URL}"},
		"two URLs":                {"own " + url + " " + url, "write own <url>"},
		"an empty URL":            {"own \"\"", "own: the URL is empty: is the variable in {$NAME} set?"},
		"an unknown option":       {"own {env.OWN_URL} {\n" + url + "\n}", "own: unrecognized option: the options of this store are prefix and on_failure"},
		"option without a value":  {"own {env.OWN_URL} {\nprefix\n}", "own: prefix: wrong number of arguments: write prefix <prefix>"},
		"option twice":            {"own {env.OWN_URL} {\nprefix a\nprefix b\n}", "own: prefix is given twice: keep one"},
		"option with two values":  {"own {env.OWN_URL} {\nprefix a " + url + "\n}", "write prefix <prefix>"},
		"option with empty value": {"own {env.OWN_URL} {\nprefix \"\"\n}", "write prefix <prefix>"},
	} {
		t.Run(name, func(t *testing.T) {
			var read, prefix string
			check(t, newKind().Unmarshal(caddyfile.NewTestDispenser(test.text), &read, &prefix), test.want)
		})
	}
}

func TestWrongURLIsRefused(t *testing.T) {
	const encode = "the url of the store own: it cannot be read: percent-encode characters such as / ? # @ % in a password"
	for name, test := range map[string]struct{ url, want string }{
		"no URL":                     {"", "the store own needs a url: write deduplicate own {env.OWN_URL}"},
		"a variable that is not set": {"{env.NO_SUCH_URL}", "the url of the store own: the placeholder {env.NO_SUCH_URL} has no value: the environment variable NO_SUCH_URL is not set"},
		"a slash in a password":      {"own://user:12/pa55word@localhost", encode},
		"a query mark in a password": {"own://user:12?pa55word@localhost/db", encode},
		"a number sign in one":       {"own://user:12#pa55word@localhost/db", encode},
		"an @ and more in one":       {"own://user:pa55@12/word@localhost/db", encode},
		"a URL that cannot be read":  {"wrong", "the url of the store own: it cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, release, err := newKind().Connect(test.url)
			check(t, err, test.want)
			if release != nil {
				t.Error("there is something to release")
			}
		})
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pa55word") {
		t.Errorf("the error is %q, want it to say %q", err, want)
	}
}

func TestURLIsRead(t *testing.T) {
	for _, url := range []string{
		"own://localhost", "own://user:pa@55word@localhost:1/db?a=b", "own://user:%2F%3F%23%40@localhost/db%40?user=a%40b", "own:///socket",
		"host=localhost user=a password=x://y/#@z",
	} {
		if connections, _, err := newKind().Connect(url); err != nil || connections.url != url {
			t.Errorf("%s: connected with %v, %v", url, connections, err)
		}
	}
}

// Two configs with one URL share their connections, as a reload has them.
func TestConnectionsAreShared(t *testing.T) {
	t.Setenv("OWN_URL", "own://localhost")
	k := newKind()
	first, release, err := k.Connect("{env.OWN_URL}")
	if err != nil || first.url != "own://localhost" {
		t.Fatalf("connected with %v, %v", first, err)
	}
	release()
	second, _, err := k.Connect("own://localhost")
	if err != nil || second != first {
		t.Errorf("the second config has connections of its own: %v", err)
	}
}

func TestHide(t *testing.T) {
	if got := Hide("user:pa55word@host", "", "pa55word"); got != "user:***@host" {
		t.Errorf("got %q", got)
	}
}
