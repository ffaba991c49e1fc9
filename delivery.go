package clerkwebhook

import (
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/body"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// outcome is what became of a request. Its values are labels of metrics and
// values of the placeholder {http.clerk_webhook.outcome}.
type outcome string

const (
	forwarded outcome = "forwarded"
	filtered  outcome = "filtered"
	rejected  outcome = "rejected"
)

// delivery is what a guard has found out about a request so far.
type delivery struct {
	headers  signature.Headers // well-formed, but verified only if verified is true
	body     *body.Body        // nil until it has been received whole
	received time.Time         // when the body had arrived or was given up
	checked  time.Time         // when the signature had been checked
	verified bool
	secret   int // index in the keyring of the secret that verified
	kind     eventKind
	outcome  outcome
	reason   reason

	handler *Handler
	capture *inspector.Capture // nil unless it is recorded
}

func (d *delivery) releaseBody(r *http.Request) {
	if d.body != nil {
		d.body.ReleaseAfter(r.Context())
	}
}

// deliveryVar is the name of the request variable that holds the *delivery.
const deliveryVar = "clerk_webhook"

// publish makes d visible to placeholders and to the matcher. Everything that
// handles r from now on sees it, error routes too. A second guard on the same
// request replaces what the first has published.
func (d *delivery) publish(r *http.Request) {
	ctx := r.Context()
	isFirst := deliveryOf(r) == nil
	caddyhttp.SetVar(ctx, deliveryVar, d)
	repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !isFirst || !ok {
		return
	}
	repl.Map(func(key string) (any, bool) {
		name, ok := strings.CutPrefix(key, placeholderPrefix)
		if !ok {
			return nil, false
		}
		d := deliveryOf(r)
		if d == nil { // something else is in the variable now
			return nil, false
		}
		return d.placeholder(name)
	})
}

// deliveryOf returns what a guard has found out about r, or nil if no guard has
// seen it yet.
func deliveryOf(r *http.Request) *delivery {
	d, _ := caddyhttp.GetVar(r.Context(), deliveryVar).(*delivery)
	return d
}

const (
	placeholderPrefix = "http.clerk_webhook."
	payloadPrefix     = "event."
)

// placeholder returns the value of {http.clerk_webhook.<name>}, and whether that
// placeholder exists. Values that only a verified delivery has are empty for
// other requests.
func (d *delivery) placeholder(name string) (any, bool) {
	switch name {
	case "outcome":
		return string(d.outcome), true
	case "reason":
		return string(d.reason), true
	case "verified":
		return d.verified, true
	case "id":
		return d.headers.ID, true
	case "timestamp":
		return d.headers.Timestamp, true
	case "type":
		return oneLine(d.kind.name), true
	case "secret":
		return d.secretName(), true
	}
	if path, ok := strings.CutPrefix(name, payloadPrefix); ok {
		return d.payload(path), true
	}
	return nil, false
}

// secretName returns the name of the secret that verified, or "".
func (d *delivery) secretName() string {
	if !d.verified {
		return ""
	}
	return d.handler.ring.names[d.secret]
}

// payload returns the value at a path such as
// "data.email_addresses.0.email_address" of a verified payload: a string as its
// text, null or nothing as "", and anything else as JSON. The value is one line,
// because a control character in a header would make the request fail.
func (d *delivery) payload(path string) (value string) {
	if !d.verified {
		return ""
	}
	d.body.View(func(data []byte) {
		switch result := gjson.GetBytes(data, path); result.Type {
		case gjson.Null:
		case gjson.String:
			value = result.Str
		default: // as it was written: a large number keeps its digits
			value = result.Raw
		}
	})
	return oneLine(value)
}

func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, text)
}

// String keeps the payload out of whatever prints all variables of a request.
func (d *delivery) String() string { return string(d.outcome) }
