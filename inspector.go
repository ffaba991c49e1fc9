package clerkwebhook

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
)

func init() {
	caddy.RegisterModule(Inspector{})
	httpcaddyfile.RegisterHandlerDirective("clerk_webhook_inspector", parseInspector)
	httpcaddyfile.RegisterDirectiveOrder("clerk_webhook_inspector", httpcaddyfile.Before, "respond")
}

// Inspector serves a page, and an API, on which the deliveries of all endpoints
// with `inspect` can be seen, searched and sent again, and examples of events
// sent. Mount it on a site or a path of its own:
//
//	http://localhost:4040 {
//		bind 127.0.0.1 ::1
//		clerk_webhook_inspector
//	}
//
// It shows personal data, and whoever reaches it can send genuine deliveries to
// the backend. That is why it answers nobody but this machine: peers that are
// not on the loopback interface, requests that were forwarded by a proxy, and
// host names other than `localhost`, `127.0.0.1` and `[::1]` get 403. So does
// whatever a browser asks of the API for a page of another site, always.
//
// What it shows is in memory only, at most 50 MB of it, kept over config
// reloads as long as there is an inspector or an endpoint with `inspect`.
type Inspector struct {
	// Answer other machines too, under any name. Put authentication in front,
	// such as `basic_auth`. Default: false.
	AllowRemote bool `json:"allow_remote,omitempty"`

	recorder *inspector.Recorder
	handler  *inspector.Handler
}

// CaddyModule returns the Caddy module information.
func (Inspector) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.clerk_webhook_inspector",
		New: func() caddy.Module { return new(Inspector) },
	}
}

// Provision prepares the page and the API.
func (i *Inspector) Provision(ctx caddy.Context) error {
	i.recorder = inspector.Acquire()
	i.handler = inspector.NewHandler(i.recorder, i.AllowRemote, ctx.Logger())
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterOnShutdown(i.handler.Close) // open streams would hold up the shutdown
	}
	return nil
}

// Cleanup ends what is still open.
func (i *Inspector) Cleanup() error {
	if i.handler == nil {
		return nil
	}
	i.handler.Close()
	return i.recorder.Release()
}

// ServeHTTP answers every request: nothing goes on to the next handler.
func (i *Inspector) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	i.handler.ServeHTTP(w, r)
	return nil
}

func parseInspector(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	i := new(Inspector)
	return i, i.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	clerk_webhook_inspector [<matcher>] {
//		allow_remote
//	}
func (i *Inspector) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("clerk_webhook_inspector takes a matcher and a block of options, but not %s", shown(d.Val()))
	}
	for d.NextBlock(0) {
		switch option := d.Val(); {
		case option != "allow_remote":
			return d.Errf("unrecognized clerk_webhook_inspector option %s: there is allow_remote", shown(option))
		case i.AllowRemote:
			return d.Err("allow_remote is given twice: keep one")
		case d.NextArg():
			return d.Err("allow_remote: wrong number of arguments: write allow_remote, alone")
		}
		i.AllowRemote = true
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Inspector)(nil)
	_ caddy.CleanerUpper          = (*Inspector)(nil)
	_ caddyhttp.MiddlewareHandler = (*Inspector)(nil)
	_ caddyfile.Unmarshaler       = (*Inspector)(nil)
)
