package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

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
	turns       chan struct{}
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
		turns:       make(chan struct{}, maxTurns),
	}
	h.closed, h.closeAll = context.WithCancel(context.Background())
	for pattern, serve := range map[string]callFunc{
		"GET /api/status":                        h.status,
		"GET /api/entries":                       h.list,
		"DELETE /api/entries":                    h.clear,
		"GET /api/entries/{id}":                  h.inTurn(h.withEntry(h.one)),
		"GET /api/entries/{id}/changes":          h.inTurn(h.withEntry(h.changes)),
		"GET /api/entries/{id}/timeline":         h.inTurn(h.withEntry(h.timeline)),
		"GET /api/entries/{id}/curl":             h.withEntry(h.curl),
		"GET /api/entries/{id}/har":              h.withEntry(h.harOfOne),
		"GET /api/entries/{id}/http":             h.withEntry(h.asHTTP),
		"POST /api/entries/{id}/replay":          h.withEntry(h.replay),
		"POST /api/entries/{id}/sign-and-replay": h.withEntry(h.signAndReplay),
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

type callFunc func(http.ResponseWriter, *http.Request) error

func (h *Handler) withEntry(serve func(http.ResponseWriter, *http.Request, *Recording) error) callFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if seq, ok := h.recorder.parseID(r.PathValue("id")); ok {
			if recording := h.recorder.find(seq); recording != nil {
				return serve(w, r, recording)
			}
		}
		return errNotFound
	}
}

// maxTurns is how many calls at a time compare or diagnose bodies. Each can take 200 MB and
// a core for seconds.
const maxTurns = 2

// inTurn lets a call wait for its turn. One whose caller has left does nothing.
func (h *Handler) inTurn(serve callFunc) callFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		select {
		case h.turns <- struct{}{}:
			defer func() { <-h.turns }()
			return serve(w, r)
		case <-r.Context().Done():
			return nil
		}
	}
}

// Close ends all streams, so that they hold up neither a reload nor a stop.
func (h *Handler) Close() { h.closeAll() }

// ServeHTTP answers every request below the path on which the inspector is mounted.
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
	if dispatchOf(r.Context()) != nil {
		return errLoop
	}
	if !isClean(r.URL.EscapedPath()) {
		return errNoPath
	}
	return nil
}

// checkOrigin returns an error if a browser sends r for another site. It refuses
// calls of the API that only read, too: the other site could not see the answers,
// but could learn from the time that they take.
//
// Over plain HTTP, browsers mark calls to localhost only. Elsewhere, a call that only
// reads can have neither Sec-Fetch-Site nor Origin, as those of curl do. Its Referer
// would tell nothing, because the other site can leave it out.
func (h *Handler) checkOrigin(r *http.Request) error {
	if isCall(r) {
		return h.crossOrigin.Check(&http.Request{Method: http.MethodPost, Host: r.Host, Header: r.Header, URL: r.URL})
	}
	return h.crossOrigin.Check(r)
}

func isCall(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// isClean reports whether the mux takes a path as it is. It would redirect any
// other path, out of the path on which the inspector is mounted.
func isClean(p string) bool {
	clean := path.Clean("/" + p)
	return p == "" || p == clean || p == clean+"/"
}

func noPath(http.ResponseWriter, *http.Request) error { return errNoPath }

const (
	maxCall    = 4 << 20          // bytes in the body of a call
	answerTime = 30 * time.Second // for a client to take what is held for it
)

// callError says what is wrong with a call: a status, a stable code and
// a sentence.
type callError struct {
	status int
	code   string
	error
}

func newCallError(status int, code, text string) error {
	return &callError{status, code, errors.New(text)}
}

func badRequest(err error) error { return &callError{http.StatusBadRequest, "bad_request", err} }

func forbidden(err error) error { return &callError{http.StatusForbidden, "forbidden", err} }

var (
	errNotFound = newCallError(http.StatusNotFound, "not_found", "no entry has this id, or it is no longer kept")
	errNoPath   = newCallError(http.StatusNotFound, "not_found", "the API has no such path, or not with this method")
	errTooLarge = newCallError(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body of the call is over %d bytes", maxCall))
	errMedia    = newCallError(http.StatusUnsupportedMediaType, "media_type", "this call needs a body with Content-Type: application/json")
)

func readCall(w http.ResponseWriter, r *http.Request, call any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return errMedia
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(answerTime)) // a slow caller must not keep others out
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall))
	decoder.DisallowUnknownFields()
	var tooLarge *http.MaxBytesError
	switch err := decoder.Decode(call); {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case err != nil:
		return badRequest(fmt.Errorf("the body of the call: %w", err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest(errors.New("the body of the call: it has more than one JSON value"))
	}
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	failure := &callError{http.StatusInternalServerError, "internal", err}
	errors.As(err, &failure)
	writeJSON(w, failure.status, map[string]string{"code": failure.code, "error": err.Error()})
}

// writeJSON answers with one value. It escapes <, > and &, so that no browser can
// take a sender's text for a page.
func writeJSON(w http.ResponseWriter, status int, value any) {
	text := encode(value)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = writeInTime(w, append(text, '\n')) // a client that has hung up needs no answer
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// writeInTime gives up on a client that does not read the text. The client could
// make this process hold it for ever otherwise.
func writeInTime(w http.ResponseWriter, text []byte) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTime))
	_, err := w.Write(text)
	_ = control.SetWriteDeadline(time.Time{})
	return err
}

// Why a request is refused.
var (
	errRemotePeer = errors.New("the inspector answers this machine only: to open it to others, set allow_remote and put authentication in front")
	errOldHTTP    = errors.New("this request uses HTTP/1.0, as a proxy in front such as nginx does, and the inspector answers this machine only: open its address directly, or set allow_remote and put authentication in front")
	errForwarded  = errors.New("a proxy has forwarded this request, and the inspector answers this machine only: to open it to others, set allow_remote and put authentication in front")
	errForeign    = errors.New("the inspector answers under the names localhost, 127.0.0.1 and [::1] only: to open it under others, set allow_remote and put authentication in front")
)

// checkLocal returns an error unless r comes from this machine and is meant for
// it. A page of another site can make a browser send requests here, even under a
// name of its owner's that points to 127.0.0.1. It cannot make that name localhost.
func checkLocal(r *http.Request) error {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return errRemotePeer
	}
	// A proxy or a tunnel on this machine is a local peer, too. No browser uses
	// HTTP/1.0, but nginx forwards with it and adds no header unless told to.
	if !r.ProtoAtLeast(1, 1) {
		return errOldHTTP
	}
	for name := range r.Header {
		if ofProxies.MatchString(name) {
			return errForwarded
		}
	}
	if !isOwnName(r.Host) {
		return errForeign
	}
	return nil
}

// ofProxies matches the names of headers that proxies, tunnels, load balancers, content
// networks and Caddy's templates add, and browsers do not: those that tell about the
// sender, and those with a product's name.
var ofProxies = regexp.MustCompile(`(?i)forwarded|clientip$|-ip$|-addr$|` +
	`^(via|cdn-loop|caddy-templates-include)$|^(cf|fly|fastly|tailscale)-|^x-(original|proxy|envoy|amzn?|azure|arr|cloud|vercel)-`)

// isOwnName reports whether host is a name of this machine, alone or with a port.
func isOwnName(host string) bool {
	name := host
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		name = host[:colon]
		if _, err := strconv.ParseUint(host[colon+1:], 10, 16); err != nil {
			return false
		}
	}
	switch strings.ToLower(name) {
	case "localhost", "127.0.0.1", "[::1]":
		return true
	}
	return false
}

// contentSecurityPolicy lets the page load its own parts and call its own API. The
// browser runs no script that a sender has put into a text.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func protect(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// Interface guard
var _ http.Handler = (*Handler)(nil)
