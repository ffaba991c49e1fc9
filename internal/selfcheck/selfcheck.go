// Package selfcheck is how the proxy command asks its own guard, over HTTP, whether it
// refuses an unsigned delivery. The guard keeps such a request out of logs, metrics
// and the inspector.
package selfcheck

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const header = "Clerk-Webhook-Self-Check"

// The values of the header. Only this process knows the question, so nobody else can
// send such a request. Only the guard knows the answer, so no backend can give it.
var question, answer = rand.Text(), rand.Text()

// NewRequest returns an unsigned delivery to a URL of this process.
func NewRequest(ctx context.Context, url string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set(header, question)
	return r, nil
}

// Is reports whether r is from NewRequest.
func Is(r *http.Request) bool {
	value := r.Header[header]
	return len(value) == 1 && subtle.ConstantTimeCompare([]byte(value[0]), []byte(question)) == 1
}

// Confirm marks the answer to r as the guard's refusal. No access log has r.
func Confirm(w http.ResponseWriter, r *http.Request) {
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	w.Header().Set(header, answer)
}

// Confirmed reports whether res is a refusal by the guard.
func Confirmed(res *http.Response) bool {
	return res.StatusCode >= 400 && res.StatusCode < 500 && res.Header.Get(header) == answer
}
