package clerkwebhook

import (
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
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

var (
	errMethod     = errors.New("only POST is a delivery")
	errDeclared   = errors.New("Content-Length is over max_body")
	errOverLimit  = errors.New("the body is over max_body")
	errTimeout    = errors.New("the body did not arrive within body_timeout")
	errIncomplete = errors.New("the body ended before it was complete")
)

// verify decides whether r is a genuine delivery, cheapest checks first, and
// notes what it finds in d. It returns the reason and an error if r is not
// genuine. In report_only mode r can be read by the next handler as if verify
// had not touched it, whatever the result; otherwise only if there is no error.
func (h *Handler) verify(w http.ResponseWriter, r *http.Request, d *delivery) (reason, error) {
	if r.Method != http.MethodPost {
		return methodNotAllowed, errMethod
	}
	if why, err := h.checkHeaders(r, d); err != nil {
		return why, err
	}
	if why, err := h.receiveBody(w, r, d); err != nil {
		return why, err
	}
	return h.checkSignature(d)
}

// checkHeaders decides what the headers alone can tell: whether they are there,
// well-formed and fresh.
func (h *Handler) checkHeaders(r *http.Request, d *delivery) (why reason, err error) {
	if d.headers, err = signature.ParseHeaders(r.Header); err == nil {
		err = d.headers.CheckFreshness(h.now(), time.Duration(h.Tolerance))
	}
	if err != nil {
		return reasonOf(err), err
	}
	return "", nil
}

// reasonOf is for errors of the signature package that concern a delivery. All
// of them carry their reason and none is wrapped, and errors.As would show in a
// flood of forgeries.
func reasonOf(err error) reason {
	return err.(*signature.Error).Reason //nolint:errorlint,forcetypeassert // see above
}

// receiveBody reads the body, bounded in size and time.
func (h *Handler) receiveBody(w http.ResponseWriter, r *http.Request, d *delivery) (reason, error) {
	if r.ContentLength > h.MaxBody {
		return bodyTooLarge, errDeclared
	}
	if r.ContentLength == 0 || r.Body == nil {
		d.body = &body{}
		return "", nil
	}

	timeout := time.Duration(h.BodyTimeout)
	start := time.Now()
	if !h.ReportOnly {
		setBodyDeadline(w, r, timeout)
	}
	received, err := readBody(r.Body, r.ContentLength, h.MaxBody)
	if err != nil {
		if h.ReportOnly {
			received.putBack(r, err)
		} else {
			received.release()
		}
		return bodyFault(err)
	}
	d.body = received
	if h.ReportOnly {
		received.restore(r)
		if time.Since(start) > timeout {
			return bodyTimeout, errTimeout
		}
		return "", nil
	}
	clearBodyDeadline(w)
	received.restore(r)
	return "", nil
}

// bodyFault tells apart why a body could not be read whole.
func bodyFault(err error) (reason, error) {
	var (
		tooLarge *http.MaxBytesError
		handled  caddyhttp.HandlerError // of a request_body directive in front
		timeout  net.Error
	)
	switch {
	case errors.As(err, &tooLarge),
		errors.As(err, &handled) && handled.StatusCode == http.StatusRequestEntityTooLarge:
		return bodyTooLarge, errOverLimit
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return bodyTimeout, errTimeout
	}
	return bodyIncomplete, errIncomplete
}

// checkSignature compares the signatures with every secret's.
func (h *Handler) checkSignature(d *delivery) (reason, error) {
	start := time.Now()
	index, err := signature.Verify(h.keys, &d.headers, d.body.data)
	h.metrics.verifyDuration.Observe(time.Since(start).Seconds())
	if err != nil {
		return reasonOf(err), err
	}
	d.verified, d.secret = true, index
	return "", nil
}
