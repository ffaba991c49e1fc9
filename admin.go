package clerkwebhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI is the part of Caddy's admin API that concerns deliveries.
//
//	POST /clerk_webhook/forget {"id": "msg_…"}
//
// lets a delivery that is done be forwarded once more, for a resend that is
// meant, and answers {"known": true} or {"known": false}.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.clerk_webhook",
		New: func() caddy.Module { return new(adminAPI) },
	}
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

// Interface guard
var _ caddy.AdminRouter = (*adminAPI)(nil)
