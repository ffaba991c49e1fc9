package clerkwebhook

import (
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/summary"
)

// reason says why a request was rejected. Its values are labels of metrics and
// values of the placeholder {http.clerk_webhook.reason}.
type reason = signature.Reason

const (
	methodNotAllowed reason = "method_not_allowed"
	bodyTooLarge     reason = "body_too_large"
	bodyTimeout      reason = "body_timeout"
	bodyIncomplete   reason = "body_incomplete"
)

// rejectionStatus is what the client learns of a rejection.
var rejectionStatus = map[reason]int{
	methodNotAllowed:          http.StatusMethodNotAllowed,
	signature.MissingHeader:   http.StatusBadRequest,
	signature.MalformedHeader: http.StatusBadRequest,
	signature.TooOld:          http.StatusForbidden,
	signature.TooNew:          http.StatusForbidden,
	bodyTooLarge:              http.StatusRequestEntityTooLarge,
	bodyTimeout:               http.StatusRequestTimeout,
	bodyIncomplete:            http.StatusBadRequest,
	signature.Mismatch:        http.StatusForbidden,
}

// isBroken reports whether the body broke off before its end.
func isBroken(why reason) bool { return why == bodyTimeout || why == bodyIncomplete }

type rejection = signature.Error

var (
	errNotPost    = &rejection{Reason: methodNotAllowed, Detail: "only POST is a delivery"}
	errSlowBody   = &rejection{Reason: bodyTimeout, Detail: "the body did not arrive within body_timeout"}
	errServerTime = &rejection{Reason: bodyTimeout, Detail: "the server's timeouts read_body or read_body_idle ended the body before body_timeout did"}
	errBrokenBody = &rejection{Reason: bodyIncomplete, Detail: "the body ended before it was complete"}
	errInFront    = &rejection{Reason: bodyTooLarge, Detail: "the body is larger than request_body or another directive in front of the guard allows"}
)

// announcedTooLarge and tooLarge join their texts by hand, because package fmt would
// cost more in a flood.
func announcedTooLarge(announced, maxBody int64) *rejection {
	return &rejection{Reason: bodyTooLarge, Detail: "Content-Length is " + strconv.FormatInt(announced, 10) + " bytes, and max_body is " + strconv.FormatInt(maxBody, 10)}
}

func tooLarge(arrived, maxBody int64) *rejection {
	return &rejection{Reason: bodyTooLarge, Detail: strconv.FormatInt(arrived, 10) + " bytes of the body had come when the guard stopped reading, and max_body is " + strconv.FormatInt(maxBody, 10)}
}

func tooLargeInFront(limit int64) *rejection {
	return &rejection{Reason: bodyTooLarge, Detail: errInFront.Detail + ": its limit is " + strconv.FormatInt(limit, 10) + " bytes"}
}

// rejectionOf is for errors of the signature package that concern a delivery. Each
// of them is a *rejection itself. errors.As would cost time in a flood of forgeries.
func rejectionOf(err error) *rejection {
	return err.(*rejection) //nolint:errorlint,forcetypeassert // see above
}

// logRejection logs each rejection at debug, as Caddy logs its own 4xx, and a summary
// at warn.
func (h *Handler) logRejection(r *http.Request, d *delivery, why *rejection) {
	message, detail := "deliveries rejected", "delivery rejected"
	if h.ReportOnly {
		message, detail = "deliveries let through that would be rejected without report_only", "delivery let through that would be rejected without report_only"
	}
	e := newRejectionEvent(r, d, h.now(), why)
	h.summaries.Note(summary.Kind{Level: zapcore.WarnLevel, Message: message, Key: "reason", Value: string(why.Reason)}, e)
	if c := h.logger.Check(zapcore.DebugLevel, detail); c != nil {
		c.Write(zap.String("reason", string(why.Reason)), zap.Inline(e))
	}
}

// deliveryEvent is what a summed-up log line says about its latest delivery. What
// checked the values has bounded their length, and the error text is this program's
// own or the storage's.
type deliveryEvent struct {
	id                   string
	age                  time.Duration
	clientIP, remoteAddr string
	err                  error
}

// newRejectionEvent describes the rejection of r. The client IP is the sender's, also
// behind the trusted_proxies of Caddy.
func newRejectionEvent(r *http.Request, d *delivery, now time.Time, why *rejection) deliveryEvent {
	e := deliveryEvent{id: d.headers.ID, remoteAddr: r.RemoteAddr, err: why}
	e.clientIP, _ = caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if d.headers.Set != nil {
		e.age = now.Sub(d.headers.Time)
	}
	return e
}

// MarshalLogObject satisfies zapcore.ObjectMarshaler.
func (e deliveryEvent) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if e.id != "" {
		enc.AddString("id", e.id)
	}
	if e.age != 0 {
		enc.AddDuration("age", e.age)
	}
	if e.clientIP != "" {
		enc.AddString("client_ip", e.clientIP)
	}
	if e.remoteAddr != "" {
		enc.AddString("remote_addr", e.remoteAddr)
	}
	if e.err != nil {
		enc.AddString("error", e.err.Error())
	}
	return nil
}
