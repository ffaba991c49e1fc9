package clerkwebhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI is the part of Caddy's admin API that concerns deliveries. The command
// clerk-webhook forget calls it.
//
//	POST /clerk_webhook/forget {"id": "msg_…"}
//
// forgets that a delivery is done, so that the next copy of it is forwarded. It
// answers {"known": true}, or {"known": false} if no guard had it as done.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.clerk_webhook",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Provision registers the metrics. After a configuration was refused, the admin
// endpoint serves the registry of that one, whose guards may not have registered
// them.
func (adminAPI) Provision(ctx caddy.Context) error {
	return registerMetrics(ctx.GetMetricsRegistry())
}

// Routes returns the routes of the API.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/clerk_webhook/forget", Handler: caddy.AdminHandlerFunc(serveForget)}}
}

// maxForgetRequest bounds what is read of a request; an id has 256 characters
// at most.
const maxForgetRequest = 4 << 10

func serveForget(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("only POST forgets")}
	}
	var request struct {
		ID string `json:"id"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForgetRequest))
	if err := decoder.Decode(&request); err != nil || request.ID == "" {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(`the request must be {"id": "msg_…"}`)}
	}
	known, err := forgetDelivery(r.Context(), request.ID)
	switch {
	case errors.Is(err, errNoDeduplication):
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusBadGateway, Err: fmt.Errorf("reading the ledger: %w", err)}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]bool{"known": known})
}

// forgetDelivery lets the delivery of this id be handled again by every guard
// that deduplicates, and reports whether any had it as done.
func forgetDelivery(ctx context.Context, id string) (known bool, err error) {
	deduplications.mu.Lock()
	guards := slices.Collect(maps.Keys(deduplications.guards))
	deduplications.mu.Unlock()
	if len(guards) == 0 {
		return false, errNoDeduplication
	}
	var errs []error
	for _, guard := range guards {
		for _, f := range slices.Concat(guard.scopes...) {
			was, err := guard.Forget(ctx, ledger.KeyOf(f, id))
			known = known || was
			errs = append(errs, err)
		}
	}
	return known, errors.Join(errs...)
}

var errNoDeduplication = errors.New("no clerk_webhook in the running config has the option deduplicate")

// Interface guards
var (
	_ caddy.AdminRouter = (*adminAPI)(nil)
	_ caddy.Provisioner = (*adminAPI)(nil)
)
