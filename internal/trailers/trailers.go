// Package trailers removes the trailers of requests that no guard has checked.
package trailers

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/config"
)

func init() {
	caddy.RegisterModule(Drop{})
}

// Drop removes the trailers of requests. Trailers are the fields that can follow a body
// (RFC 9110, section 6.5). The headers and the body of a request stay as they are, and
// so do the trailers of the answer.
//
// Use it for the whole site, beside `clerk_webhook`, if the backend also gets requests
// on paths without a guard:
//
//	example.com {
//		clerk_webhook /api/webhooks*
//		clerk_webhook_drop_trailers
//		reverse_proxy localhost:3000
//	}
//
// Caddy's `reverse_proxy` passes on all trailers of a request that announces one. Some
// backends take them for headers, so they get past `request_header`. Others take them for
// the next request on the connection, which no guard has seen. A `clerk_webhook` always
// removes the trailers of the requests that it guards.
type Drop struct{}

// CaddyModule returns the Caddy module information.
func (Drop) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.clerk_webhook_drop_trailers",
		New: func() caddy.Module { return new(Drop) },
	}
}

// UnmarshalJSON refuses all options. Its errors repeat no signing secret.
func (*Drop) UnmarshalJSON(raw []byte) error {
	return config.Decode(raw, new(struct{}), nil)
}

// ServeHTTP passes on the request without trailers. Go's servers write the trailers that
// they read later into the map, or into a request of their own, of which Caddy's is a copy.
func (Drop) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	r.Trailer = nil
	delete(r.Header, "Trailer")
	return next.ServeHTTP(w, r)
}

// Interface guard
var _ caddyhttp.MiddlewareHandler = (*Drop)(nil)
