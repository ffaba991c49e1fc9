package deduplicate_test

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func init() { caddy.RegisterModule(new(optionStore)) }

// optionStore is a store with an argument and options of its own.
type optionStore struct {
	stores.Store `json:"-"`
	URL          string `json:"url,omitempty"`
	Prefix       string `json:"prefix,omitempty"`
	Size         string `json:"size,omitempty"`
}

func (*optionStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: stores.Namespace + ".test_option", New: func() caddy.Module { return new(optionStore) }}
}

func (s *optionStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&s.URL) {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		value := map[string]*string{"prefix": &s.Prefix, "size": &s.Size}[d.Val()]
		if value == nil || !d.AllArgs(value) {
			return d.ArgErr()
		}
	}
	return nil
}

func TestStoreReadsItsOptions(t *testing.T) {
	const refuse = `"on_failure":"refuse",`
	for _, test := range []struct{ name, block, failure, want string }{
		{"no block", "", "", `"url":"u"`},
		{"only on_failure", "{\non_failure refuse\n}", refuse, `"url":"u"`},
		{"one option", "{\nprefix a\n}", "", `"prefix":"a","url":"u"`},
		{"two options", "{\nprefix a\nsize 1\n}", "", `"prefix":"a","size":"1","url":"u"`},
		{"an option before on_failure", "{\nprefix a\non_failure refuse\n}", refuse, `"prefix":"a","url":"u"`},
		{"an option after on_failure", "{\non_failure refuse\nprefix a\n}", refuse, `"prefix":"a","url":"u"`},
		{"on_failure between options", "{\nsize 1\non_failure refuse\nprefix a\n}", refuse, `"prefix":"a","size":"1","url":"u"`},
		{"a value of two lines", "{\nprefix \"a\nb\"\n}", "", `"prefix":"a\nb","url":"u"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			adapted, err := testcaddy.Adapt("http://localhost {\nclerk_webhook {\ndeduplicate test_option u " + test.block + "\n}\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			if want := `"deduplicate":{` + test.failure + `"store":{"module":"test_option",` + test.want + `}}`; !strings.Contains(string(adapted), want) {
				t.Errorf("adapted to\n%s, want\n%s", adapted, want)
			}
		})
	}
}
