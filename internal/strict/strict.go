// Package strict refuses or cleans requests that no guard checks, and that some backends
// take for a delivery or for several requests.
package strict

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/body"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/config"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler refuses or cleans requests that a backend may take for a delivery although
// Caddy does not. Use it for the whole site, beside `clerk_webhook`, if the backend also
// gets requests on paths without a guard:
//
//	example.com {
//		clerk_webhook /api/webhooks*
//		clerk_webhook_strict {
//			paths /api/webhooks
//		}
//		reverse_proxy localhost:3000
//	}
//
// It answers these requests itself:
//
//   - 405: a `CONNECT`, unless it opens a WebSocket. Its body reaches a backend as it
//     is, so some backends read it as the next request;
//   - 400: a request target without a path, such as `x:y`, which no path matcher sees;
//   - 400: a path with a `.` or `..` segment, which some backends resolve in another way;
//   - 400: a path that some backends take for one of `paths`.
//
// From all others it removes what some backends read as another path, as another header or
// as the next request:
//
//   - trailers, and an `Upgrade` that does not open a WebSocket;
//   - `X-Original-URL`, `X-Original-URI`, `X-Rewrite-URL`, `X-Rewrite-URI`, `X-Vhm-Root`,
//     `X-Invoke-Path`, `X-Matched-Path`, `X-MS-Original-URL`, `MF-Original-URL` and
//     `Daphne-Root-Path`;
//   - `Forwarded` and the `X-Forwarded-*` headers for the host, the port and the scheme, if
//     they have a path in them;
//   - other `X-Forwarded-*` headers but `X-Forwarded-For`, unless a trusted proxy sends them
//     (`trusted_proxies`);
//   - headers whose names have a character other than letters, digits, `-`, `_` and `.`.
//
// The body, the other headers and the answer stay as they are.
type Handler struct {
	// The guarded paths as in a URL, without a `*` at the end. Each stands for all paths
	// that begin with it, so the guard must match all of these, as `/api/webhooks*` does.
	//
	// Other paths that some backends take for one of these get 400. Such a path has a path
	// parameter, a host, a front controller such as `/index.php`, `/_next/data/<build>` in
	// front, a backslash for a slash, a letter that is the same in another case, or other
	// punctuation or bytes in a name, such as `web-hooks`. A path of more than 2 KiB is not
	// compared. It gets 400 if it has one of these signs, or all letters of a guarded path
	// in a row. Default: none.
	Paths []string `json:"paths,omitempty"`

	guarded    caddyhttp.MatchPath
	lookalikes []lookalike
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.clerk_webhook_strict",
		New: func() caddy.Module { return new(Handler) },
	}
}

// UnmarshalJSON decodes the option. It repeats no signing secret that is given by mistake.
func (h *Handler) UnmarshalJSON(raw []byte) error {
	type options Handler // without this method
	return config.Decode(raw, (*options)(h), nil)
}

// Provision prepares the paths.
func (h *Handler) Provision(ctx caddy.Context) error {
	for _, path := range h.Paths {
		decoded, err := ParsePath(path)
		if err != nil {
			return err
		}
		h.guarded = append(h.guarded, decoded+"*")
		h.lookalikes = append(h.lookalikes, newLookalike(decoded))
	}
	return h.guarded.Provision(ctx)
}

// ParsePath decodes one of Paths, or returns an error. The error repeats nothing that may
// be a secret.
func ParsePath(path string) (decoded string, err error) {
	if !strings.HasPrefix(path, "/") || strings.Trim(path, "/") == "" {
		return "", signature.RedactError(fmt.Errorf("paths: %q: write the path of an endpoint, such as /api/webhooks", path))
	}
	if at := strings.IndexAny(path, "*?#;{}"); at >= 0 {
		return "", signature.RedactError(fmt.Errorf("paths: %q has '%c': write only the part before it, which stands for all paths that begin with it", path, path[at]))
	}
	decoded, err = url.PathUnescape(path)
	if err != nil || strings.ContainsAny(decoded, `*;%{}\`) { // a path matcher does not read these as plain text
		return "", signature.RedactError(fmt.Errorf("paths: %q has a %%: only a character other than *, ;, %%, {, } and \\ can be encoded", path))
	}
	if why := config.DecodedMistake(decoded); why != "" {
		return "", signature.RedactError(fmt.Errorf("paths: %q %s: write a path without it, which stands for all paths that begin with it", path, why))
	}
	if without, ok := strings.CutSuffix(decoded, "/"); ok {
		return "", signature.RedactError(fmt.Errorf("paths: write %s without the slash at its end, and give the guard the path %s*", without, without))
	}
	return decoded, nil
}

// ServeHTTP answers a request that it refuses. It passes on all others without what a
// backend may misread.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if status, why := h.refusal(r); status != 0 {
		// Not an error: an error route could pass on the request.
		_ = body.Withhold(w, r, false)
		http.Error(w, why, status)
		return nil
	}
	clean(r)
	return next.ServeHTTP(w, r)
}

func (h *Handler) refusal(r *http.Request) (status int, why string) {
	path := r.URL.Path
	switch {
	case r.Method == http.MethodConnect && !connectsWebSocket(r):
		return http.StatusMethodNotAllowed, "This site accepts CONNECT for WebSockets only."
	case !strings.HasPrefix(path, "/"):
		return http.StatusBadRequest, "This request target has no path."
	case hasDots(path):
		return http.StatusBadRequest, "This path has a . or .. segment."
	case h.looksGuarded(path) && !h.isGuarded(r):
		return http.StatusBadRequest, "Some backends take this path for that of a webhook endpoint."
	}
	return 0, ""
}

// hasDots reports whether a path has a . or .. segment. To some backends, a segment ends
// at a backslash, or has path parameters.
func hasDots(path string) bool {
	for part := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if part, _, _ = strings.Cut(part, ";"); part == "." || part == ".." {
			return true
		}
	}
	return false
}

func (h *Handler) looksGuarded(path string) bool {
	plain, isOdd := plainOf(path), hasOddText(path)
	return slices.ContainsFunc(h.lookalikes, func(l lookalike) bool { return l.matches(path, plain, isOdd) })
}

func (h *Handler) isGuarded(r *http.Request) bool {
	matches, err := h.guarded.MatchWithError(r)
	return matches && err == nil
}

// clean removes what some backends read as another path or as the next request.
func clean(r *http.Request) {
	dropTrailers(r)
	if !upgradesToWebSocket(r) {
		delete(r.Header, "Upgrade")
	}
	dropHeaders(r)
}

// upgradesToWebSocket reports whether an HTTP/1.1 request opens a WebSocket (RFC 6455,
// section 4.1). One with a body does not: a backend that does not read the body would
// take it for the next request, because a request with an Upgrade keeps the connection.
func upgradesToWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return r.Method == http.MethodGet && r.ContentLength == 0 && len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket")
}

// connectsWebSocket reports whether a CONNECT opens a WebSocket over HTTP/2 (RFC 8441) or
// HTTP/3 (RFC 9220). Caddy sends it to the backend as a GET, which has no body.
func connectsWebSocket(r *http.Request) bool {
	return r.ContentLength <= 0 && (r.Proto == "websocket" || r.Header.Get(":protocol") == "websocket")
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
