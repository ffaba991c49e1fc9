// Package diagnosis says why the signature of a delivery does not match. It undoes the
// usual mistakes with secrets, headers and bodies, first one at a time and then several
// together. Each time it computes the signature again. A cause is proven if the
// signature matches after the mistake is undone.
//
// The package is for the command and the inspector. Nothing that decides about a
// request may use it. It does not know Caddy or HTTP.
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

// DefaultTolerance is how far a timestamp may be before or after the receiver's clock
// by default.
const DefaultTolerance = 5 * time.Minute

// Delivery is what was received, and what is known about it.
type Delivery struct {
	// Headers may have their names in any spelling. Other headers than the three
	// help too.
	Headers map[string][]string

	// Body is what was received, byte for byte. In a body over 1 MiB, no cause is
	// looked for.
	Body []byte

	// Received is the time of reception, by the receiver's clock.
	Received time.Time

	// Tolerance is how far the timestamp may be from Received. Default:
	// DefaultTolerance.
	Tolerance time.Duration

	// Secrets are the secrets that the endpoint accepts.
	Secrets []Secret

	// OtherSecrets are the secrets of other endpoints and environments. They
	// never make a delivery valid, but can explain it.
	OtherSecrets []Secret

	// OtherAttempts are the headers of other deliveries. Headers of this delivery
	// may come from one of them.
	OtherAttempts []map[string][]string
}

// Result is the outcome of a diagnosis.
type Result struct {
	// Valid says whether the delivery is genuine and fresh. The guard decides in
	// the same way.
	Valid bool

	// Secret is the name of the secret that made the signature. It is set for a
	// delivery that is not valid too, if Verified is true.
	Secret string

	// Verified says whether the signature is right after the proven findings are
	// undone. If so, the next four fields are as the sender signed them. If not,
	// they are empty.
	Verified bool
	ID       string
	Time     time.Time
	Age      time.Duration // at reception
	Type     string

	// Findings are the causes, the most probable first. A delivery that is not
	// valid has at least one. A valid one has none.
	Findings []Finding
}

// Finding is one cause.
type Finding struct {
	Code Code `json:"code"`

	// Proven says whether the signature is right after this cause and the other
	// proven causes are undone.
	Proven bool `json:"proven"`

	// Message says what is wrong and what to do. It contains nothing of the
	// delivery but numbers.
	Message string `json:"message"`
}

// Diagnose looks for the reasons why a delivery is not valid. Its time is bounded for
// any delivery, and is well under a second on common machines.
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
		return Finding{code, true, err.Error() + "; apart from that, the signature is right"}
	}
	return Finding{code, false, err.Error()}
}
