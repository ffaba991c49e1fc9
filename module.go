// Package clerkwebhook is a Caddy plugin that guards webhook endpoints: only
// genuine deliveries of Clerk and other Svix or Standard Webhooks senders reach
// the backend, and only those of the event types that it wants.
package clerkwebhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/body"
	_ "github.com/caddyclerk/caddy-clerk-webhook/internal/command" // caddy clerk-webhook
	"github.com/caddyclerk/caddy-clerk-webhook/internal/config"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/response"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/selfcheck"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/summary"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler passes genuine webhook deliveries of wanted event types to the next
// handler, byte for byte, and nothing else. It verifies the signatures of Clerk,
// which sends through Svix, and of every other sender that follows the Standard
// Webhooks specification. Put it in front of the backend, on the path of its
// webhook endpoint only, because it refuses everything but a POST.
//
// It checks a request in this order, and rejects it with one of these statuses and
// reasons:
//
//   - 405 `method_not_allowed`: only POST is a delivery;
//   - 400 `missing_header`, `malformed_header`: exactly one each of `svix-id`,
//     `svix-timestamp` and `svix-signature`, or, without any of these, of
//     `webhook-id`, `webhook-timestamp` and `webhook-signature`;
//   - 403 `timestamp_too_old`, `timestamp_too_new`;
//   - 413 `body_too_large`, 408 `body_timeout`, 400 `body_incomplete`;
//   - 403 `signature_mismatch`.
//
// Rejections are errors, so `handle_errors` applies. The client learns the status
// only. A genuine delivery of an event type that is not wanted gets the `filtered`
// status. With `deduplicate`, a copy of a delivery that is done or under way is
// answered, too. All other deliveries go on, with the three verified headers as
// they came.
//
// The handler sets these placeholders:
//
// Placeholder | Description
// ------------|---------------
// `{http.clerk_webhook.outcome}` | `forwarded`, `filtered`, `duplicate` or `rejected`
// `{http.clerk_webhook.reason}` | Why a request was rejected: one of the reasons above. For a duplicate `in_progress` or `done`
// `{http.clerk_webhook.verified}` | `true` for a genuine delivery, else `false`
// `{http.clerk_webhook.id}` | The message's id, the same in all attempts to deliver it
// `{http.clerk_webhook.timestamp}` | When this attempt was signed, in seconds since 1970
// `{http.clerk_webhook.type}` | The event type
// `{http.clerk_webhook.secret}` | The name of the secret that verified
// `{http.clerk_webhook.event.*}` | A value in the payload, such as `event.data.id` or `event.data.email_addresses.0.email_address`. Control characters become spaces
//
// The id and the timestamp are set as soon as the headers are well-formed. For
// rejected requests they are what the sender claims. Type, secret and payload are
// set for verified deliveries only.
type Handler struct {
	// Tells endpoints apart in logs, metrics and the inspector. Metrics count
	// endpoints of one name together. It cannot have placeholders. Default:
	// `default`.
	Name string `json:"name,omitempty"`

	// The signing secrets of the senders. Any of them may have signed. Default:
	// one, `{env.CLERK_WEBHOOK_SIGNING_SECRET}`.
	Secret []Secret `json:"secret,omitempty"`

	// The event types to forward, as patterns: `user.created`, `user.*`,
	// `*.deleted`, `organization*`. A `*` stands for any run of characters.
	// Default: every event, also one whose type cannot be read.
	Events []string `json:"events,omitempty"`

	// The status for a genuine delivery of an event that is not wanted, from 200
	// to 599. A 2xx tells Svix not to retry it. An answer that can have a body
	// says why in a line of text. Default: 204.
	Filtered int `json:"filtered,omitempty"`

	// How far the signed timestamp may be from the clock, in the past and in the
	// future. At least 1s. Default: 5m.
	Tolerance caddy.Duration `json:"tolerance,omitempty"`

	// The largest body to accept, in bytes, at most 2147483646. A larger one is
	// refused unread if Content-Length announces it, and otherwise at the limit.
	// Default: 1048576.
	MaxBody int64 `json:"max_body,omitempty"`

	// How long a sender may take to send its body. At least 1ms. Svix gives up
	// after 15 seconds. Default: 15s.
	BodyTimeout caddy.Duration `json:"body_timeout,omitempty"`

	// Verify, set placeholders, count and log, but let every request through with
	// its whole body. Of a body that takes longer than body_timeout, the next
	// handler can read what has come, and then gets an error. That does not bound
	// what the guard does not read: the body if the headers are wrong, and what
	// exceeds max_body. Deliveries that verify are still filtered. Use it to watch
	// before you enforce. Default: false.
	ReportOnly bool `json:"report_only,omitempty"`

	// Forward each delivery once. Default: off.
	Deduplicate *Deduplicate `json:"deduplicate,omitempty"`

	// Hand deliveries to those who listen. Default: off.
	Relay *Relay `json:"relay,omitempty"`

	// Keep the last deliveries in memory, so that the clerk_webhook_inspector can
	// show and replay them. They hold personal data. Default: false.
	Inspect bool `json:"inspect,omitempty"`

	ring       keyring // of Secret, resolved
	filter     *eventFilter
	once       *deduplication // nil unless Deduplicate is set
	relaying   *relaying      // nil unless Relay is set
	metrics    *metrics
	summaries  *summary.Log
	inspection *inspection // nil unless Inspect is set
	logger     *zap.Logger
	now        func() time.Time
}

const (
	defaultName        = "default"
	defaultFiltered    = http.StatusNoContent
	defaultTolerance   = caddy.Duration(5 * time.Minute)
	defaultMaxBody     = 1 << 20
	defaultBodyTimeout = caddy.Duration(15 * time.Second)

	leastTolerance   = time.Second // the unit of timestamps
	leastBodyTimeout = time.Millisecond

	largestMaxBody = math.MaxInt32 - 1
	maxNameLength  = 100
)

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.clerk_webhook",
		New: func() caddy.Module { return new(Handler) },
	}
}

// UnmarshalJSON decodes the options. It refuses a signing secret in an option that is
// not for secrets, without repeating it.
func (h *Handler) UnmarshalJSON(raw []byte) error {
	type options Handler // without this method
	return config.Decode(raw, (*options)(h), checkJSONDuration, "secret[].value", "secret[].rotation[]")
}

// checkJSONDuration names the option in the error of a duration, which Caddy does not.
func checkJSONDuration(option string, value json.Token) error {
	if !slices.Contains([]string{"tolerance", "body_timeout", "deduplicate.window"}, option) {
		return nil
	}
	switch text := value.(type) {
	case float64, nil: // in nanoseconds, or not set
		return nil
	case string:
		if err := checkNotOff(option, text); err != nil {
			return err
		}
		return setDuration(new(caddy.Duration), text, 0)
	}
	return errors.New(`write a duration such as "5m"`)
}

// Provision sets defaults, resolves the secrets and registers the metrics.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.setDefaults()
	h.now = time.Now
	if err := checkName(h.Name); err != nil { // before it becomes a label
		return fmt.Errorf("name: %w", err)
	}
	h.logger = ctx.Logger().With(zap.String("endpoint", h.Name))

	var err error
	if h.ring, err = resolveSecrets(h.Secret, h.logger); err != nil {
		return signature.RedactError(err)
	}
	if h.filter, err = newEventFilter(h.Events); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	warnOfUnknownEvents(h.logger, "events", h.filter.patterns)
	h.warnOfTimes()
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	h.metrics = acquireMetrics(h.Name, h.ring.names)
	h.summaries = summary.Acquire(h.Name, h.logger)
	if h.Deduplicate != nil {
		if err := h.provisionDeduplication(ctx); err != nil {
			return fmt.Errorf("deduplicate: %w", signature.RedactError(err)) // Caddy repeats an unknown option of a store
		}
	}
	if h.Relay != nil {
		if err := h.provisionRelay(); err != nil {
			return err
		}
	}
	if h.Inspect {
		h.inspection = newInspection(h)
	}
	return nil
}

// warnOfTimes warns about times that are valid but protect less than most people want.
func (h *Handler) warnOfTimes() {
	tolerance := time.Duration(h.Tolerance)
	if tolerance > time.Hour {
		h.logger.Warn("tolerance is over an hour: anyone with a captured delivery can send it again for that long; 5m is enough for Clerk and Svix, because they make a new signature for each attempt",
			zap.Duration("tolerance", tolerance))
	}
	if h.Deduplicate != nil && time.Duration(h.Deduplicate.Window) < tolerance {
		h.logger.Warn("the window of deduplicate is shorter than tolerance: a copy that comes after the window can still be fresh, and is then forwarded again; write a window that is at least as long as tolerance",
			zap.Duration("window", time.Duration(h.Deduplicate.Window)), zap.Duration("tolerance", tolerance))
	}
}

func (h *Handler) setDefaults() {
	if h.Name == "" {
		h.Name = defaultName
	}
	if len(h.Secret) == 0 {
		h.Secret = []Secret{{Value: "{env." + signature.SecretVariable + "}"}}
	}
	if h.Filtered == 0 {
		h.Filtered = defaultFiltered
	}
	if h.Tolerance == 0 {
		h.Tolerance = defaultTolerance
	}
	if h.MaxBody == 0 {
		h.MaxBody = defaultMaxBody
	}
	if h.BodyTimeout == 0 {
		h.BodyTimeout = defaultBodyTimeout
	}
	if h.Deduplicate != nil {
		h.Deduplicate.setDefaults()
	}
}

// Validate checks the values that Provision does not have to understand.
func (h *Handler) Validate() error {
	if err := checkFiltered(h.Filtered); err != nil {
		return fmt.Errorf("filtered: %w", err)
	}
	if err := checkDuration(time.Duration(h.Tolerance), leastTolerance); err != nil {
		return fmt.Errorf("tolerance: %w", err)
	}
	if err := checkMaxBody(h.MaxBody); err != nil {
		return fmt.Errorf("max_body: %w", err)
	}
	if err := checkDuration(time.Duration(h.BodyTimeout), leastBodyTimeout); err != nil {
		return fmt.Errorf("body_timeout: %w", err)
	}
	if h.Deduplicate != nil {
		if err := h.Deduplicate.validate(); err != nil {
			return fmt.Errorf("deduplicate: %w", err)
		}
	}
	return nil
}

// checkName refuses names that cannot be the label of a metric, and those that
// must not be one.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name cannot be empty")
	case len(name) > maxNameLength:
		return fmt.Errorf("a name may have at most %d bytes", maxNameLength)
	case !utf8.ValidString(name):
		return errors.New("a name must be valid UTF-8")
	case signature.HoldsSecret(name), signature.HoldsPassword(name), isKey(name) && signature.MayHoldSecret(name):
		return errors.New("a name is public: do not put a secret into it")
	case strings.Contains(name, "{"):
		return errors.New("a name cannot have placeholders: write it out, or use {$NAME} in a Caddyfile")
	}
	return nil
}

func checkFiltered(status int) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("%d is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it", status)
	}
	return nil
}

func checkDuration(d, least time.Duration) error {
	switch {
	case d <= 0:
		return fmt.Errorf("%s is not a duration above zero, such as 15s or 5m", d)
	case d < least: // a number in JSON, most likely
		return fmt.Errorf(`%s is too short: write at least %s (in JSON a plain number means nanoseconds: write text such as "5m")`, d, least)
	}
	return nil
}

func checkMaxBody(size int64) error {
	if size <= 0 || size > largestMaxBody {
		return fmt.Errorf("%d bytes is not a size above zero and below 2GiB, such as 1MiB", size)
	}
	return nil
}

// Cleanup gives back what Provision acquired. That may be nothing if Provision
// failed.
func (h *Handler) Cleanup() error {
	var errs []error
	if h.inspection != nil {
		errs = append(errs, h.inspection.release())
	}
	if h.summaries != nil {
		errs = append(errs, h.summaries.Release(h.logger))
	}
	if h.once != nil {
		errs = append(errs, h.releaseDeduplication())
	}
	if h.metrics != nil {
		errs = append(errs, h.metrics.release())
	}
	if h.relaying != nil {
		errs = append(errs, h.releaseRelay())
	}
	return errors.Join(errs...)
}

// ServeHTTP rejects r, acknowledges it, or lets it go on to the next handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.relaying != nil && relay.IsListener(r) {
		return h.listen(w, r)
	}
	d := &delivery{handler: h}
	defer d.releaseBody(r)
	if h.inspection != nil && !selfcheck.Is(r) {
		return h.inspection.record(w, r, d, h.behind(d, next), h.handle)
	}
	return h.handle(w, r, d, h.behind(d, next))
}

// handle takes a request through the steps that the contract of Handler names.
func (h *Handler) handle(w http.ResponseWriter, r *http.Request, d *delivery, next caddyhttp.Handler) error {
	if why := h.verify(w, r, d); why != nil { // steps 1 to 5: is it genuine?
		return h.reject(w, r, d, next, why)
	}
	h.metrics.countVerified(d, h.now())
	removeUnverified(r.Header, d.headers.Set)

	d.kind = h.filter.kindOf(event.TypeOf(d.body.Bytes())) // step 6: is it wanted?
	if !d.kind.wanted {
		return h.acknowledge(w, r, d)
	}
	if h.once != nil && !isReplay(r) { // step 7: is it a copy?
		return h.forwardOnce(w, r, d, next)
	}
	return h.forward(w, r, d, next) // step 8
}

// reject counts and logs a request that is not genuine, and returns the error
// that answers it. With report_only the request goes on instead.
func (h *Handler) reject(w http.ResponseWriter, r *http.Request, d *delivery, next caddyhttp.Handler, why *rejection) error {
	d.outcome, d.reason = rejected, why.Reason
	d.publish(r)
	if selfcheck.Is(r) {
		selfcheck.Confirm(w, r)
	} else {
		h.metrics.countRejected(why.Reason)
		h.logRejection(r, d, why)
	}
	if isBroken(why.Reason) && r.ProtoMajor == 1 {
		// Nobody knows where a broken body ends. net/http can take the rest of it for
		// the next request: of a trailer, and of any body in full duplex.
		w.Header().Set("Connection", "close")
	}
	if h.ReportOnly {
		return next.ServeHTTP(w, r)
	}
	if why.Reason == methodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	status := rejectionStatus[why.Reason]
	if kept := withhold(w, r, d, why); kept {
		h.summaries.Note(errorRouteLeftOut, deliveryEvent{id: d.headers.ID})
		w.WriteHeader(status)
		return nil
	}
	return caddyhttp.Error(status, why)
}

// errorRouteLeftOut is logged because handle_errors is expected to answer.
var errorRouteLeftOut = summary.Kind{
	Level:   zapcore.WarnLevel,
	Message: "rejected without handle_errors",
	Key:     "reason",
	Value: "a handler in front of the guard copied the request, and {http.request.body} kept the body outside of the copy, so an error route could deliver it: " +
		"put what uses {http.request.body} in front of handlers such as tracing and forward_auth",
}

// untyped is logged because it is probably a mistake: Clerk's payloads all have a type.
var untyped = summary.Kind{
	Level:   zapcore.WarnLevel,
	Message: "deliveries filtered that have no type",
	Key:     "reason",
	Value:   `the payload has no top-level "type" with a text value, so no pattern in the option events matches it: to forward it, remove the option events`,
}

func (h *Handler) acknowledge(w http.ResponseWriter, r *http.Request, d *delivery) error {
	h.settle(r, d, filtered)
	if d.kind.name == "" {
		h.summaries.Note(untyped, deliveryEvent{id: d.headers.ID})
	}
	if !mayHaveText(h.Filtered) {
		w.WriteHeader(h.Filtered)
		return nil
	}
	return respond(w, h.Filtered, d.kind.whyFiltered(h.Filtered))
}

// mayHaveText reports whether an answer with the status can have a body.
func mayHaveText(status int) bool {
	return status != http.StatusNoContent && status != http.StatusResetContent && status != http.StatusNotModified
}

func (h *Handler) forward(w http.ResponseWriter, r *http.Request, d *delivery, next caddyhttp.Handler) error {
	return h.forwardTo(response.Track(w, false), r, d, next)
}

var errUnanswered = errors.New("no handler answered the delivery: put one such as reverse_proxy behind clerk_webhook")

// forwardTo lets the next handler answer. If no handler does, it returns an error:
// Caddy would send an empty 200, and Svix would treat the message as delivered.
func (h *Handler) forwardTo(answer *response.Tracker, r *http.Request, d *delivery, next caddyhttp.Handler) error {
	h.settle(r, d, forwarded)
	if err := next.ServeHTTP(answer, r); err != nil || answer.Answered() {
		return err
	}
	h.summaries.Note(summary.Kind{Level: zapcore.WarnLevel, Message: "deliveries not answered", Key: "reason", Value: errUnanswered.Error()}, deliveryEvent{id: d.headers.ID})
	return caddyhttp.Error(http.StatusBadGateway, errUnanswered)
}

func (h *Handler) settle(r *http.Request, d *delivery, o outcome) {
	d.outcome = o
	d.publish(r)
	h.metrics.count(d)
	if c := h.logger.Check(zapcore.DebugLevel, "delivery verified"); c != nil {
		c.Write(
			zap.String("outcome", string(o)),
			zap.String("reason", string(d.reason)),
			zap.String("id", d.headers.ID),
			zap.String("type", d.kind.name),
			zap.String("secret", d.secretName()))
	}
}

// withhold leaves nothing of a rejected request for handle_errors to pass on: no body
// and no header of the signature. Otherwise an error route could deliver a forgery. With
// an upgrade, the sender could send one on the same connection. It returns true if a part
// of the body is kept where it cannot be reached, so that no error route may run.
func withhold(w http.ResponseWriter, r *http.Request, d *delivery, why *rejection) (kept bool) {
	for _, set := range []*signature.HeaderSet{signature.SvixHeaders, signature.StandardHeaders} {
		delete(r.Header, set.ID)
		delete(r.Header, set.Timestamp)
		delete(r.Header, set.Signature)
	}
	delete(r.Header, "Upgrade")
	signature.RemoveLookalikes(r.Header)
	if r.Method == http.MethodConnect { // which is an upgrade if it names a protocol
		delete(r.Header, ":protocol") // HTTP/2
		r.Proto = fmt.Sprintf("HTTP/%d.%d", r.ProtoMajor, r.ProtoMinor)
	}
	// What has failed cannot be read any further, and a new deadline would swallow a
	// 408.
	isRead := d.body != nil || isBroken(why.Reason)
	kept = body.Withhold(w, r, isRead)
	if d.body == nil && r.Context().Err() != nil {
		// net/http cancels a request whose body it could not read, although the sender
		// may wait for the answer. With that, reverse_proxy would answer 499. Nothing tells
		// whether the sender leaves later, because net/http watches only connections whose
		// request it has read to its end.
		*r = *r.WithContext(context.WithoutCancel(r.Context()))
	}
	return kept
}

// removeUnverified removes what would let something unverified travel with a
// delivery. After an upgrade the sender could send what it likes on the same
// connection. Headers of the other dialect were not verified, nor were those that some
// backends read as a verified one.
func removeUnverified(header http.Header, verified *signature.HeaderSet) {
	delete(header, "Upgrade")
	signature.RemoveLookalikes(header)
	if verified != signature.SvixHeaders {
		return // a set is only taken for the other dialect if no svix-* is there
	}
	delete(header, signature.StandardHeaders.ID)
	delete(header, signature.StandardHeaders.Timestamp)
	delete(header, signature.StandardHeaders.Signature)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
