package clerkwebhook

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
)

// inspection records the deliveries of a guard for the inspector. A nil
// *inspection records nothing, which is what a guard without inspect has.
type inspection struct {
	recorder     *inspector.Recorder
	endpoint     *inspector.Endpoint
	fingerprints [][32]byte // of the endpoint's secrets
}

// newInspection lends the guard's secrets to the inspector until release is
// called: it signs replays with them and explains rejections.
func newInspection(h *Handler) *inspection {
	i := &inspection{
		recorder: inspector.Acquire(),
		endpoint: &inspector.Endpoint{Name: h.Name, Tolerance: time.Duration(h.Tolerance), Guard: h},
	}
	for index, key := range h.keys {
		i.endpoint.Secrets = append(i.endpoint.Secrets, inspector.Secret{Name: h.Secret[index].Name, Key: key})
		i.fingerprints = append(i.fingerprints, key.Fingerprint())
	}
	i.recorder.Register(i.endpoint)
	return i
}

func (i *inspection) release() error {
	if i == nil {
		return nil
	}
	i.recorder.Unregister(i.endpoint)
	return i.recorder.Release()
}

// watch begins to record a delivery. The guard goes on with the response writer
// and the next handler that it returns.
func (i *inspection) watch(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d *delivery) (*watched, http.ResponseWriter, caddyhttp.Handler) {
	if i == nil {
		return nil, w, next
	}
	o := &watched{inspection: i, exchange: i.recorder.Begin(i.endpoint, w, r), delivery: d, next: next}
	return o, o.exchange.Writer(), o
}

// watched is a delivery that is being recorded. It is also the next handler, so
// that it sees when the delivery is handed on.
type watched struct {
	inspection *inspection
	exchange   *inspector.Exchange
	delivery   *delivery
	next       caddyhttp.Handler
}

// verified is called when the guard knows whether the delivery is genuine. The
// body may be given back after that.
func (o *watched) verified() {
	if o == nil {
		return
	}
	v := o.verdict()
	if o.delivery.body == nil {
		o.exchange.Verified(v, nil, false)
		return
	}
	o.delivery.body.read(func(data []byte) { o.exchange.Verified(v, data, true) })
}

// ServeHTTP records the delivery as one under way and hands it on.
func (o *watched) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	o.exchange.Forwarded(o.verdict())
	returned := false
	defer func() {
		if !returned { // but panicked, as reverse_proxy does to cut the connection
			o.exchange.Abort()
		}
	}()
	err := o.next.ServeHTTP(w, r)
	returned = true
	return err
}

// end records what the guard, or a handler behind it, has answered.
func (o *watched) end(err *error) {
	if o != nil {
		o.exchange.End(o.verdict(), *err)
	}
}

// verdict is what the guard has found out so far.
func (o *watched) verdict() inspector.Verdict {
	d := o.delivery
	v := inspector.Verdict{
		Outcome:   string(d.outcome),
		Reason:    string(d.reason),
		Verified:  d.verified,
		MessageID: d.headers.ID,
		SignedAt:  d.headers.Time,
		Type:      d.eventType,
		Secret:    d.secretName(),
	}
	if d.verified {
		v.Fingerprint = o.inspection.fingerprints[d.secret]
	}
	return v
}

// isReplay reports whether a developer has sent r once more on purpose, so that
// it is forwarded although it has been handled already.
func isReplay(r *http.Request) bool { return inspector.IsReplay(r.Context()) }

// Interface guard
var _ caddyhttp.Handler = (*watched)(nil)
