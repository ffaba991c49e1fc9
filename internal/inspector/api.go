package inspector

import (
	"context"
	"net/http"
	"path"
	"strings"

	"go.uber.org/zap"
)

// Handler serves the page and the API of a recorder. Close ends its streams.
type Handler struct {
	recorder    *Recorder
	allowRemote bool
	logger      *zap.Logger
	mux         *http.ServeMux
	crossOrigin *http.CrossOriginProtection
	closed      context.Context
	closeAll    context.CancelFunc
}

// NewHandler returns the handler of the page and the API. Without allowRemote
// it refuses what does not come from this machine.
func NewHandler(rc *Recorder, allowRemote bool, logger *zap.Logger) *Handler {
	h := &Handler{
		recorder:    rc,
		allowRemote: allowRemote,
		logger:      logger,
		mux:         http.NewServeMux(),
		crossOrigin: http.NewCrossOriginProtection(),
	}
	h.closed, h.closeAll = context.WithCancel(context.Background())
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /api/status":                        h.status,
		"GET /api/entries":                       h.list,
		"DELETE /api/entries":                    h.clear,
		"GET /api/entries/{id}":                  h.one,
		"GET /api/entries/{id}/curl":             h.curl,
		"GET /api/entries/{id}/har":              h.harOfOne,
		"GET /api/entries/{id}/http":             h.asHTTP,
		"POST /api/entries/{id}/replay":          h.replay,
		"POST /api/entries/{id}/sign-and-replay": h.signAndReplay,
		"GET /api/messages/{id}":                 h.message,
		"GET /api/events":                        h.events,
		"GET /api/events/{type}":                 h.event,
		"POST /api/send":                         h.send,
		"GET /api/har":                           h.har,
		"GET /api/stream":                        h.stream,
		"/api":                                   noPath,
		"/api/":                                  noPath,
	} {
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				writeError(w, err)
			}
		})
	}
	h.mux.Handle("/", pageHandler())
	return h
}

// Close ends all streams, so that they hold up neither a reload nor a stop.
func (h *Handler) Close() { h.closeAll() }

// ServeHTTP answers whatever is below the place where the inspector is mounted.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if err := h.check(r); err != nil {
		writeError(w, err)
		return
	}
	if redirectToFolder(w, r) {
		return
	}
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) check(r *http.Request) error {
	if !h.allowRemote {
		if err := checkLocal(r); err != nil {
			return forbidden(err)
		}
	}
	if err := h.checkOrigin(r); err != nil {
		return forbidden(err)
	}
	if markOf(r.Context()) != nil {
		return errLoop
	}
	if !isClean(r.URL.EscapedPath()) {
		return errNoPath
	}
	return nil
}

// checkOrigin returns an error if a browser sends r on behalf of another site.
// Calls of the API that only read are refused to it as well. It could not see
// their answers, but make them at will, and learn from the time that they take.
func (h *Handler) checkOrigin(r *http.Request) error {
	if isCall(r) {
		return h.crossOrigin.Check(&http.Request{Method: http.MethodPost, Host: r.Host, Header: r.Header, URL: r.URL})
	}
	return h.crossOrigin.Check(r)
}

func isCall(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// isClean reports whether the mux takes a path as it is. Any other it would
// redirect, to a path that leads out of the place where the inspector is
// mounted.
func isClean(p string) bool {
	clean := path.Clean("/" + p)
	return p == "" || p == clean || p == clean+"/"
}

func noPath(http.ResponseWriter, *http.Request) error { return errNoPath }

// Interface guard
var _ http.Handler = (*Handler)(nil)
