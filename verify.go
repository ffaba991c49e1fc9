package clerkwebhook

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/body"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// verify decides whether r is a genuine delivery, cheapest checks first, and
// notes in d what it finds. It returns nil for a genuine delivery.
//
// With report_only the next handler can read r as if verify had not touched it,
// whatever the result is, but no longer than body_timeout. Otherwise it can do so for a genuine delivery only.
func (h *Handler) verify(w http.ResponseWriter, r *http.Request, d *delivery) *rejection {
	if r.Method != http.MethodPost { // step 1
		return errNotPost
	}
	if rejected := h.checkHeaders(r, d); rejected != nil { // steps 2 and 3
		return rejected
	}
	if rejected := h.receiveBody(w, r, d); rejected != nil { // step 4
		return rejected
	}
	return h.checkSignature(d) // step 5
}

// checkHeaders decides what the headers alone can tell: whether they are there,
// well-formed and fresh.
func (h *Handler) checkHeaders(r *http.Request, d *delivery) *rejection {
	var err error
	if d.headers, err = signature.ParseHeaders(r.Header); err != nil {
		return rejectionOf(err)
	}
	if err := d.headers.CheckFreshness(h.now(), time.Duration(h.Tolerance)); err != nil {
		return rejectionOf(err)
	}
	return nil
}

// receiveBody reads the body, bounded in size and time.
func (h *Handler) receiveBody(w http.ResponseWriter, r *http.Request, d *delivery) *rejection {
	if r.ContentLength > h.MaxBody {
		return announcedTooLarge(r.ContentLength, h.MaxBody)
	}
	if r.ContentLength == 0 || r.Body == nil {
		d.body, d.received = &body.Body{}, time.Now()
		d.body.Restore(r)
		return nil
	}
	start := time.Now()
	body.SetDeadline(w, r, time.Duration(h.BodyTimeout))
	received, err := body.Read(r.Body, r.ContentLength, h.MaxBody)
	d.received = time.Now()
	if err == nil && int64(len(received.Bytes())) < r.ContentLength {
		err = io.ErrUnexpectedEOF // a handler in front has read the body and hidden the error
	}
	if err != nil {
		why := h.bodyFault(err, len(received.Bytes()), d.received.Sub(start))
		if h.ReportOnly {
			received.PutBack(w, r, err)
		} else {
			received.Release()
		}
		return why
	}
	d.body = received
	received.Restore(r)
	body.ClearDeadline(w, r)
	return nil
}

// bodyFault says why the body could not be received. Other directives can limit it, too.
func (h *Handler) bodyFault(err error, arrived int, took time.Duration) *rejection {
	var (
		maxBytes *http.MaxBytesError
		handled  caddyhttp.HandlerError // as request_body returns it
		timeout  net.Error
	)
	switch {
	case errors.Is(err, body.ErrTooLarge):
		return tooLarge(int64(arrived), h.MaxBody)
	case errors.As(err, &maxBytes):
		return tooLargeInFront(maxBytes.Limit)
	case errors.As(err, &handled) && handled.StatusCode == http.StatusRequestEntityTooLarge:
		return errInFront
	case !errors.Is(err, os.ErrDeadlineExceeded) && (!errors.As(err, &timeout) || !timeout.Timeout()):
		return errBrokenBody
	case took < time.Duration(h.BodyTimeout):
		return errServerTime
	}
	return errSlowBody
}

func (h *Handler) checkSignature(d *delivery) *rejection {
	index, err := signature.Verify(h.ring.keys, &d.headers, d.body.Bytes())
	d.checked = time.Now()
	verifyDuration.Observe(d.checked.Sub(d.received).Seconds())
	if err != nil {
		return rejectionOf(err)
	}
	d.verified, d.secret = true, index
	return nil
}
