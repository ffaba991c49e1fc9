package clerkwebhook

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/config"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
)

func init() {
	caddy.RegisterModule(Inspector{})
}

// Inspector serves a page and an API for the deliveries of all endpoints with
// `inspect`. You can see, search and replay them, and send examples of events.
// Mount it on a site or a path of its own:
//
//	http://localhost:4040 {
//		bind 127.0.0.1 ::1
//		clerk_webhook_inspector
//	}
//
// It shows personal data, and anyone who reaches it can send genuine deliveries to
// the backend. So it answers this machine only. These get 403: peers that are not
// on the loopback interface, requests of HTTP/1.0 or with headers that proxies add,
// and host names other than `localhost`, `127.0.0.1` and `[::1]`. The inspector cannot
// distinguish you from a proxy or tunnel on this machine that adds no such header, such
// as an SSH tunnel or a plain reverse proxy. A browser that calls the API for a page of
// another site always gets 403.
//
// The deliveries are in memory only, at most 50 MB of them. They outlive config
// reloads as long as there is an inspector or an endpoint with `inspect`.
type Inspector struct {
	// Answer other machines, too, under any host name. Put authentication in
	// front of it, such as `basic_auth`. A warning at every load says so.
	// Default: false.
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

// UnmarshalJSON decodes the option. It repeats no signing secret that is given by mistake.
func (i *Inspector) UnmarshalJSON(raw []byte) error {
	type options Inspector // without this method
	return config.Decode(raw, (*options)(i), nil)
}

// Provision prepares the page and the API.
func (i *Inspector) Provision(ctx caddy.Context) error {
	if i.AllowRemote {
		// Authentication has too many forms to be found: forward_auth, client
		// certificates, other plugins, a named route.
		ctx.Logger().Warn("allow_remote lets every machine that reaches the inspector read payloads and send signed deliveries: " +
			"put authentication in front of it, such as basic_auth in the same route. This warning stays, because it does not know whether you have done so")
	}
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

// inspection records the deliveries of one guard for the inspector.
type inspection struct {
	recorder     *inspector.Recorder
	endpoint     *inspector.Endpoint
	fingerprints [][32]byte // of the endpoint's secrets
}

// newInspection lends the guard's secrets to the inspector until release is
// called. The inspector signs replays with them and explains rejections.
func newInspection(h *Handler) *inspection {
	i := &inspection{
		recorder: inspector.Acquire(),
		endpoint: &inspector.Endpoint{Name: h.Name, Tolerance: time.Duration(h.Tolerance), Guard: h},
	}
	for index, key := range h.ring.keys {
		i.endpoint.Secrets = append(i.endpoint.Secrets, diagnosis.Secret{Name: h.ring.names[index], Key: key})
		i.fingerprints = append(i.fingerprints, key.Fingerprint())
	}
	i.recorder.Register(i.endpoint)
	return i
}

func (i *inspection) release() error {
	i.recorder.Unregister(i.endpoint)
	return i.recorder.Release()
}

type handling func(http.ResponseWriter, *http.Request, *delivery, caddyhttp.Handler) error

// record calls handle, and records what comes in, when it is handed on, and what goes
// out.
func (i *inspection) record(w http.ResponseWriter, r *http.Request, d *delivery, next caddyhttp.Handler, handle handling) error {
	capture := i.recorder.Begin(i.endpoint, w, r)
	d.capture = capture
	returned := false
	defer func() {
		if !returned { // but panicked, as reverse_proxy does to cut the connection
			capture.Abort(i.progress(d))
		}
	}()
	err := handle(capture.Writer(), r, d, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		capture.Forwarded(i.progress(d))
		return next.ServeHTTP(w, r)
	}))
	returned = true
	capture.End(i.progress(d), err)
	return err
}

func (i *inspection) progress(d *delivery) inspector.Progress {
	p := inspector.Progress{
		Decision: inspector.Decision{
			Outcome:   string(d.outcome),
			Reason:    string(d.reason),
			Verified:  d.verified,
			MessageID: d.headers.ID,
			SignedAt:  d.headers.Time,
			Type:      d.kind.name,
			Secret:    d.secretName(),
		},
		Received: d.received,
		Checked:  d.checked,
	}
	if d.verified {
		p.Fingerprint = i.fingerprints[d.secret]
	}
	if d.body != nil {
		p.Body, p.IsRead = d.body.Bytes(), true
	}
	return p
}

// isReplay reports whether a developer has sent r once more on purpose. It is
// forwarded then, although it has been handled before.
func isReplay(r *http.Request) bool { return inspector.IsReplay(r.Context()) }

// Interface guards
var (
	_ caddy.Provisioner           = (*Inspector)(nil)
	_ caddy.CleanerUpper          = (*Inspector)(nil)
	_ caddyhttp.MiddlewareHandler = (*Inspector)(nil)
)
