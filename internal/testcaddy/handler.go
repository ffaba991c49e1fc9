package testcaddy

import (
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(testHandler{})
	httpcaddyfile.RegisterHandlerDirective("test_handler", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return testHandler{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_handler", httpcaddyfile.Before, "respond")
}

// testHandler is a last handler that does what a test has set.
type testHandler struct{}

var behaviour atomic.Pointer[func(http.ResponseWriter, *http.Request) error]

// Behave sets what testHandler does.
func Behave(f func(http.ResponseWriter, *http.Request) error) { behaviour.Store(&f) }

func (testHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_handler", New: func() caddy.Module { return new(testHandler) }}
}

func (testHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return (*behaviour.Load())(w, r)
}

func (testHandler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}
