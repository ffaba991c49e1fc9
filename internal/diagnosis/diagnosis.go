// Package diagnosis says why a delivery does not verify. It undoes, one by one
// and then together, what commonly happens to secrets, headers and bodies, and
// computes the signature again: a cause that it calls proven is one without
// which the delivery verifies.
//
// The package is for people at a desk and for the inspector. Nothing that
// decides about a request may use it. It knows neither Caddy nor HTTP.
package diagnosis

import (
	"errors"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// DefaultTolerance is how far a timestamp may be from the clock, both ways,
// where nothing else is said.
const DefaultTolerance = 5 * time.Minute

// Delivery is what was received and what is known about it.
type Delivery struct {
	// Headers may have their names in any spelling. All headers help, not only
	// the three.
	Headers map[string][]string

	// Body is what was received, byte for byte. The causes of one over 1 MiB
	// are not looked for.
	Body []byte

	// Received is when, by the clock of the receiver.
	Received time.Time

	// Tolerance is how far the timestamp may be from Received. Default:
	// DefaultTolerance.
	Tolerance time.Duration

	// Secrets are those that the endpoint accepts.
	Secrets []Secret

	// OtherSecrets are those of other endpoints and environments. They make no
	// delivery valid, but can explain one.
	OtherSecrets []Secret

	// OtherAttempts are the headers of deliveries with which this one may have
	// been mixed up.
	OtherAttempts []map[string][]string
}

// Result is what has been found.
type Result struct {
	// Valid is whether the delivery is genuine and fresh, as the guard decides
	// it.
	Valid bool

	// Secret is the name of the secret that made the signature, also where
	// the delivery is not valid but its signature could be explained.
	Secret string

	// Verified is whether the signature could be explained: what follows is
	// then as the sender signed it, and otherwise empty.
	Verified bool
	ID       string
	Time     time.Time
	Age      time.Duration // at reception
	Type     string

	// Findings are why the delivery is not valid, the most probable cause
	// first. There is at least one unless it is valid.
	Findings []Finding
}

// Finding is one cause.
type Finding struct {
	Code Code `json:"code"`

	// Proven is whether the signature was computed again without this cause
	// (and the other proven ones) and found right.
	Proven bool `json:"proven"`

	// Message says what is wrong and what to do, in a sentence that holds
	// nothing of the delivery but numbers.
	Message string `json:"message"`
}

// Diagnose looks for the reason why a delivery is not valid. It takes a bounded
// time, well under a second on common machines, whatever it is given.
func Diagnose(d Delivery) Result { return diagnose(d, fullBudget) }

func diagnose(d Delivery, limits budget) Result {
	if d.Tolerance <= 0 {
		d.Tolerance = DefaultTolerance
	}
	d.Headers = canonical(d.Headers)
	headers, headerErr := signature.ParseHeaders(d.Headers)
	keys := keyCandidates(d)

	found := (&search{budget: limits}).run(d, headers, keys)
	if found == nil {
		return Result{Findings: unexplained(d, headers, headerErr, keys)}
	}

	r := Result{
		Verified: true,
		Secret:   found.secret,
		ID:       found.headers.ID,
		Type:     string(event.TypeOf(found.body)),
		Findings: found.fixes,
	}
	if headerErr != nil && !explainsHeaders(found.fixes) {
		r.Findings = append(r.Findings, headerFinding(headerErr, true))
	}
	r.checkClock(found.headers, d)
	r.Valid = len(r.Findings) == 0
	return r
}

// canonical returns h with its names in the form that Go's http.Header has.
func canonical(h map[string][]string) map[string][]string {
	c := make(map[string][]string, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		key := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		c[key] = append(c[key], h[name]...)
	}
	return c
}

func headerFinding(err error, proven bool) Finding {
	code := MalformedHeader
	var e *signature.Error
	if errors.As(err, &e) && e.Reason == signature.MissingHeader {
		code = MissingHeader
	}
	if proven {
		return Finding{code, true, err.Error() + "; otherwise the signature is right"}
	}
	return Finding{code, false, err.Error()}
}
