package inspector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

const (
	maxReplays    = 8 // at once, which also ends a route that replays itself
	replayTimeout = 2 * time.Minute
)

// outgoing is a request that the inspector sends into the process itself.
type outgoing struct {
	dispatch  *dispatch
	target    request // its method, target and connection, not header and body
	header    http.Header
	body      []byte
	messageID string
	secret    string // that signed it, if any
}

func (o *outgoing) sign(secret diagnosis.Secret, set *signature.HeaderSet, id string, now time.Time) error {
	signatures, err := secret.Key.Sign(id, now, o.body)
	if err != nil {
		return err
	}
	for _, each := range []*signature.HeaderSet{signature.SvixHeaders, signature.StandardHeaders} {
		o.header.Del(each.ID)
		o.header.Del(each.Timestamp)
		o.header.Del(each.Signature)
	}
	o.header.Set(set.ID, id)
	o.header.Set(set.Timestamp, strconv.FormatInt(now.Unix(), 10))
	o.header.Set(set.Signature, signatures)
	o.messageID, o.secret = id, secret.Name
	return nil
}

// framing are the headers that say how a body comes.
var framing = []string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect"}

func (o *outgoing) incoming(ctx context.Context) (*http.Request, error) {
	target, err := url.ParseRequestURI(o.target.uri)
	if err != nil {
		return nil, badRequest(fmt.Errorf("its request target is not a URI: %w", err))
	}
	ctx = context.WithValue(ctx, dispatchKey{}, o.dispatch)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, o.target.arrival.local)
	o.dispatch.body.content.Reset(o.body)
	r := &http.Request{
		Method:        o.target.method,
		URL:           target,
		Proto:         o.target.protocol,
		ProtoMajor:    o.target.major,
		ProtoMinor:    o.target.minor,
		Header:        o.header,
		Body:          &o.dispatch.body,
		ContentLength: int64(len(o.body)),
		Host:          o.target.host,
		RemoteAddr:    o.target.remoteAddr,
		RequestURI:    o.target.uri,
		TLS:           o.target.tls,
	}
	for _, name := range framing {
		r.Header.Del(name) // the body is here, and of known length
	}
	if len(o.body) == 0 {
		r.Body = http.NoBody
	} else {
		r.Header.Set("Content-Length", strconv.Itoa(len(o.body)))
	}
	return r.WithContext(ctx), nil
}

var (
	errBusy = newCallError(http.StatusTooManyRequests, "busy", "too many replays are under way: try again when one has ended")
	errLoop = newCallError(http.StatusLoopDetected, "loop", "a replay arrived at the inspector itself")
	errGone = newCallError(http.StatusConflict, "route_gone", "Caddy no longer listens where the delivery arrived")
)

// send lets the running configuration handle the request, and returns what a
// sender would get. It ends when ctx ends, and uses nothing else of ctx.
func (rc *Recorder) send(ctx context.Context, o *outgoing, logger *zap.Logger) (*answer, error) {
	server, _ := findServer(o.target.arrival)
	if server == nil {
		return nil, errGone
	}
	fresh, cancel := context.WithTimeout(context.Background(), replayTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	trial, err := o.incoming(fresh)
	if err != nil {
		return nil, err
	}
	if !rc.isGuarded(server, trial.Clone(fresh)) {
		return nil, errNotGuarded
	}
	r, err := o.incoming(fresh)
	if err != nil {
		return nil, err
	}
	w := newAnswerWriter(&sink{header: make(http.Header)})
	isAborted := serve(server, w, r, logger)
	return w.answer(nil, isAborted), nil
}

// serve reports whether a handler has cut the connection off. A panic does so, too.
func serve(server http.Handler, w http.ResponseWriter, r *http.Request, logger *zap.Logger) (isAborted bool) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		isAborted = true
		if err, ok := fault.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			logger.Error("a handler has panicked in a replay", zap.Any("panic", fault), zap.ByteString("stack", debug.Stack()))
		}
	}()
	server.ServeHTTP(w, r)
	return false
}

// sink is a response writer that nobody reads from.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) Flush()                      {}

// targetOf returns a request to a URL of this Caddy that came in at local. If local
// is nil, it came in where the URL says.
func targetOf(rawURL, remoteAddr string, local net.Addr) (request, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return request{}, errors.New("url: write one such as http://localhost:8080/webhooks/clerk")
	}
	rq := request{
		method: http.MethodPost, protocol: "HTTP/1.1", major: 1, minor: 1,
		host: u.Host, uri: u.RequestURI(), remoteAddr: remoteAddr,
	}
	if u.Scheme == "https" {
		rq.tls = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: u.Hostname(), NegotiatedProtocol: "http/1.1"}
	}
	if local == nil {
		if local, err = listenerOf(u); err != nil {
			return request{}, err
		}
	}
	rq.arrival.local = local
	if server, _ := findServer(rq.arrival); rq.tls != nil && asksForCertificates(server) {
		return request{}, errClientCertificate
	}
	return rq, nil
}

// asksForCertificates reports whether a server asks clients for a certificate, for
// at least one name. That check is part of the handshake, and a request inside the
// process has none.
func asksForCertificates(server *caddyhttp.Server) bool {
	return server != nil && slices.ContainsFunc(server.TLSConnPolicies, func(p *caddytls.ConnectionPolicy) bool {
		return p.ClientAuthentication != nil
	})
}

func listenerOf(u *url.URL) (net.Addr, error) {
	port := 80
	if u.Scheme == "https" {
		port = 443
	}
	if u.Port() != "" {
		var err error
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
	}
	_, local := findServer(arrival{local: &net.TCPAddr{IP: net.ParseIP(u.Hostname()), Port: port}})
	if local == nil {
		return nil, errNoSite
	}
	return local, nil
}

var (
	errNoSite            = errors.New("url: no site of this Caddy listens there")
	errClientCertificate = errors.New("url: the site asks for a client certificate, which an example cannot have: replay a delivery instead")
)

// Interface guard
var _ http.Flusher = (*sink)(nil)

type replayCall struct {
	edits
	Secret string `json:"secret"`
}

func (h *Handler) replay(w http.ResponseWriter, r *http.Request, recording *Recording) error {
	var call edits
	return h.act(w, r, &call, func() (*outgoing, error) { return h.recorder.replay(recording, call) })
}

func (h *Handler) signAndReplay(w http.ResponseWriter, r *http.Request, recording *Recording) error {
	var call replayCall
	return h.act(w, r, &call, func() (*outgoing, error) {
		return h.recorder.signAndReplay(recording, call.edits, call.Secret)
	})
}

func (h *Handler) send(w http.ResponseWriter, r *http.Request) error {
	var call exampleCall
	return h.act(w, r, &call, func() (*outgoing, error) { return h.recorder.example(call, r.RemoteAddr) })
}

func (h *Handler) act(w http.ResponseWriter, r *http.Request, call any, prepare func() (*outgoing, error)) error {
	// Reading and preparing take memory, too, so all of it counts as a replay under way.
	select {
	case h.recorder.replays <- struct{}{}:
		defer func() { <-h.recorder.replays }()
	default:
		return errBusy
	}
	if err := readCall(w, r, call); err != nil {
		return err
	}
	o, err := prepare()
	if err != nil {
		return err
	}
	return h.deliver(w, r, o)
}

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

// noteOn returns what is to say about the answer to o. recording is nil if no endpoint
// has received o.
func (rc *Recorder) noteOn(o *outgoing, recording *Recording, status int) string {
	var notes []string
	if recording == nil {
		notes = append(notes, notGuarded)
	}
	if recording == nil || recording.stages.forwarded > 0 { // the guard asks for no credentials
		has := func(name string) bool { return o.header[name] != nil }
		if missing := rc.credentialsNote(o.dispatch.of, status, has); missing != "" {
			notes = append(notes, missing)
		}
	}
	return strings.Join(notes, "; ")
}

const notGuarded = "something in front of the endpoint has answered it, so the endpoint has not received it"

func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, o *outgoing) error {
	start := time.Now()
	a, err := h.recorder.send(r.Context(), o, h.logger)
	if err != nil {
		return err
	}
	v := sentView{
		MessageID:  o.messageID,
		Signed:     o.secret != "",
		Secret:     o.secret,
		DurationMS: milliseconds(time.Since(start)),
		Answer:     a.view(),
	}
	if o.dispatch.of != 0 {
		v.ReplayOf = h.recorder.id(o.dispatch.of)
	}
	recording := o.dispatch.recording.Load()
	if recording != nil {
		v.Entry, v.Guarded = h.recorder.id(recording.seq), true
		v.DurationMS = milliseconds(recording.stages.answered) // as in the list
		v.Endpoint, v.Outcome, v.Reason = recording.endpoint, recording.decision.Outcome, recording.decision.Reason
	}
	v.Note = h.recorder.noteOn(o, recording, a.status)
	writeJSON(w, http.StatusOK, v)
	return nil
}
