package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// maxCall bounds the body of a call.
const maxCall = 4 << 20

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
		"POST /api/entries/{id}/replay":          h.replay,
		"POST /api/entries/{id}/sign-and-replay": h.signAndReplay,
		"GET /api/messages/{id}":                 h.message,
		"GET /api/events":                        h.events,
		"GET /api/events/{type}":                 h.event,
		"POST /api/send":                         h.send,
		"GET /api/har":                           h.har,
		"GET /api/stream":                        h.stream,
		"/api/":                                  func(http.ResponseWriter, *http.Request) error { return errNoPath },
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
			return forbiddenError{err}
		}
	}
	if err := h.crossOrigin.Check(r); err != nil {
		return forbiddenError{err}
	}
	if markOf(r.Context()) != nil {
		return errLoop
	}
	return nil
}

var (
	errNotFound = errors.New("there is no entry of this id, or it is no longer kept")
	errNoPath   = errors.New("there is no such path, or not with this method")
	errNoEvent  = errors.New("there is no such event in the catalogue")
	errLoop     = errors.New("a replay arrived at the inspector itself")
	errMedia    = errors.New("a call has a body of the type application/json")
)

// inputError is a fault of the caller's.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

type forbiddenError struct{ error }

// writeError answers with an error, its status and its code.
func writeError(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, "internal"
	var (
		input     inputError
		forbidden forbiddenError
		tooLarge  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &forbidden):
		status, code = http.StatusForbidden, "forbidden"
	case errors.As(err, &tooLarge):
		status, code = http.StatusRequestEntityTooLarge, "too_large"
	case errors.As(err, &input):
		status, code = http.StatusBadRequest, "bad_request"
	case errors.Is(err, errNotFound), errors.Is(err, errNoPath), errors.Is(err, errNoEvent):
		status, code = http.StatusNotFound, "not_found"
	case errors.Is(err, errMedia):
		status, code = http.StatusUnsupportedMediaType, "media_type"
	case errors.Is(err, errBodyCut):
		status, code = http.StatusConflict, "body_cut"
	case errors.Is(err, errCannotSign):
		status, code = http.StatusConflict, "cannot_sign"
	case errors.Is(err, errGone):
		status, code = http.StatusConflict, "route_gone"
	case errors.Is(err, errUnknownEndpoint), errors.Is(err, errUnknownPlace):
		status, code = http.StatusConflict, "unknown_endpoint"
	case errors.Is(err, errBusy), errors.Is(err, errTooManyStreams):
		status, code = http.StatusTooManyRequests, "busy"
	case errors.Is(err, errLoop):
		status, code = http.StatusLoopDetected, "loop"
	}
	writeJSON(w, status, map[string]string{"code": code, "error": err.Error()})
}

// writeJSON leaves the escaping of <, > and & on, so that no browser can take
// what a sender wrote for a page.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who has hung up needs no answer
}

// readCall reads the body of a call.
func readCall(w http.ResponseWriter, r *http.Request, call any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return errMedia
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(call); err != nil {
		return inputError{fmt.Errorf("the body of the call: %w", err)}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return inputError{errors.New("the body of the call: there is more than one JSON value")}
	}
	return nil
}

type shelfView struct {
	Entries    int    `json:"entries"`
	Bytes      int64  `json:"bytes"`
	MaxEntries int    `json:"max_entries"`
	MaxBytes   int64  `json:"max_bytes"`
	Evicted    uint64 `json:"evicted"`
}

func (s *shelf) view() shelfView {
	return shelfView{len(s.kept()), s.bytes, s.max, s.maxBytes, s.evicted}
}

type endpointView struct {
	Name    string       `json:"name"`
	URL     string       `json:"url"`
	Secrets []secretView `json:"secrets"`
}

type secretView struct {
	Name  string `json:"name"`
	Signs bool   `json:"signs"`
}

type statusView struct {
	Run       string         `json:"run"`
	Started   time.Time      `json:"started"`
	Now       time.Time      `json:"now"`
	Streams   int            `json:"streams"`
	Verified  shelfView      `json:"verified"`
	Rejected  shelfView      `json:"rejected"`
	Endpoints []endpointView `json:"endpoints"`
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, h.recorder.status())
	return nil
}

func (rc *Recorder) status() statusView {
	v := statusView{Run: rc.run, Started: rc.started.UTC(), Now: time.Now().UTC(), Endpoints: []endpointView{}}
	rc.mu.Lock()
	v.Streams, v.Verified, v.Rejected = len(rc.watchers), rc.verified.view(), rc.rejected.view()
	rc.mu.Unlock()
	for _, e := range rc.currentEndpoints() {
		view := endpointView{Name: e.Name, URL: rc.locate(e), Secrets: []secretView{}}
		for _, s := range e.Secrets {
			view.Secrets = append(view.Secrets, secretView{s.Name, s.Key.Symmetric()})
		}
		v.Endpoints = append(v.Endpoints, view)
	}
	return v
}

type listView struct {
	Entries []summaryView `json:"entries"`
	Next    string        `json:"next"`
	Cursor  string        `json:"cursor"`
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	f, err := h.recorder.parseFilter(r.URL.Query())
	if err != nil {
		return inputError{err}
	}
	now := h.recorder.snapshot()
	selected, more := f.selectFrom(h.recorder, now.records)
	v := listView{Entries: h.recorder.summarizeAll(selected), Cursor: h.recorder.cursor(now.version)}
	if more {
		v.Next = h.recorder.id(selected[len(selected)-1].seq)
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}

func (h *Handler) clear(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]int{"cleared": h.recorder.clear()})
	return nil
}

// entry returns the record that the path names.
func (h *Handler) entry(r *http.Request) (*Record, error) {
	if seq, ok := h.recorder.parseID(r.PathValue("id")); ok {
		if record := h.recorder.find(seq); record != nil {
			return record, nil
		}
	}
	return nil, errNotFound
}

func (h *Handler) one(w http.ResponseWriter, r *http.Request) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, h.recorder.describe(record))
	return nil
}

type messageView struct {
	MessageID string        `json:"message_id"`
	Entries   []summaryView `json:"entries"`
	Cursor    string        `json:"cursor"`
}

func (h *Handler) message(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	now := h.recorder.snapshot()
	attempts := slices.DeleteFunc(now.records, func(r *Record) bool { return r.verdict.MessageID != id })
	if len(attempts) == 0 {
		return errNotFound
	}
	writeJSON(w, http.StatusOK, messageView{id, h.recorder.summarizeAll(attempts), h.recorder.cursor(now.version)})
	return nil
}

func (h *Handler) events(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string][]string{"events": event.Catalogue()})
	return nil
}

func (h *Handler) event(w http.ResponseWriter, r *http.Request) error {
	payload, known := event.NewStory().Tell(r.PathValue("type"), time.Now())
	if !known {
		return errNoEvent
	}
	writeJSON(w, http.StatusOK, map[string]string{"type": r.PathValue("type"), "payload": indent(payload)})
	return nil
}

type replayCall struct {
	edits
	Secret string `json:"secret"`
}

func (h *Handler) replay(w http.ResponseWriter, r *http.Request) error {
	var call edits
	return h.act(w, r, &call, func(record *Record) (*outgoing, error) {
		return h.recorder.replay(record, call)
	})
}

func (h *Handler) signAndReplay(w http.ResponseWriter, r *http.Request) error {
	var call replayCall
	return h.act(w, r, &call, func(record *Record) (*outgoing, error) {
		return h.recorder.signAndReplay(record, call.edits, call.Secret)
	})
}

// act reads a call about an entry, and sends what prepare makes of it.
func (h *Handler) act(w http.ResponseWriter, r *http.Request, call any, prepare func(*Record) (*outgoing, error)) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	if err := readCall(w, r, call); err != nil {
		return err
	}
	o, err := prepare(record)
	if err != nil {
		return err
	}
	return h.deliver(w, r, o)
}

func (h *Handler) send(w http.ResponseWriter, r *http.Request) error {
	var call exampleCall
	if err := readCall(w, r, &call); err != nil {
		return err
	}
	o, err := h.recorder.example(call, r.RemoteAddr)
	if err != nil {
		return err
	}
	return h.deliver(w, r, o)
}

// sentView is what came of a replay or an example.
type sentView struct {
	Entry      string     `json:"entry"`
	ReplayOf   string     `json:"replay_of"`
	MessageID  string     `json:"message_id"`
	Signed     bool       `json:"signed"`
	Secret     string     `json:"secret"`
	Guarded    bool       `json:"guarded"`
	Endpoint   string     `json:"endpoint"`
	Outcome    string     `json:"outcome"`
	Reason     string     `json:"reason"`
	Note       string     `json:"note"`
	DurationMS float64    `json:"duration_ms"`
	Answer     answerView `json:"answer"`
}

const notGuarded = "no endpoint that records deliveries has seen it: its route is gone, or inspect is off there now"

func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, o *outgoing) error {
	start := time.Now()
	a, err := h.recorder.send(r.Context(), o, h.logger)
	if err != nil {
		return err
	}
	v := sentView{
		ReplayOf:   h.recorder.id(o.mark.of),
		MessageID:  o.messageID,
		Signed:     o.secret != "",
		Secret:     o.secret,
		Note:       notGuarded,
		DurationMS: milliseconds(time.Since(start)),
		Answer:     a.view(),
	}
	if record := o.mark.record.Load(); record != nil {
		v.Entry, v.Guarded, v.Note = h.recorder.id(record.seq), true, ""
		v.Endpoint, v.Outcome, v.Reason = record.endpoint, record.verdict.Outcome, record.verdict.Reason
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}

// Interface guard
var _ http.Handler = (*Handler)(nil)
