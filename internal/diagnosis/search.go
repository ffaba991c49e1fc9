package diagnosis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// candidate is what a value may have been instead of what was received, and what must
// have happened to it.
type candidate[T any] struct {
	value T
	fixes []Finding
}

// sortByFixes sorts the candidates by the number of their fixes.
func sortByFixes[T any](all []candidate[T]) {
	slices.SortStableFunc(all, func(a, b candidate[T]) int { return len(a.fixes) - len(b.fixes) })
}

type key struct {
	name   string
	secret *signature.Key
}

// maxFixes is how many things can have gone wrong at once.
const maxFixes = 4

// budget bounds the work of one diagnosis, in bytes.
type budget struct {
	bodies     int // in memory
	signatures int // to sign
	timestamps int // to sign in the search for another attempt's timestamp
}

var fullBudget = budget{bodies: 16 << 20, signatures: 96 << 20, timestamps: 48 << 20}

// The cost of a trial besides the length of the text that it hashes, in bytes.
const (
	trialCost   = 512
	ed25519Cost = 100 << 10 // for each signature in the header
)

// maxBody is the largest body in which causes are looked for.
const maxBody = 1 << 20

type search struct{ budget budget }

type match struct {
	headers signature.Headers
	secret  string
	body    []byte
	fixes   []Finding
}

// run returns the combination with the fewest fixes that verifies, or nil.
func (s *search) run(d Delivery, parsed signature.Headers, keys []candidate[key]) *match {
	headers := headerCandidates(d, parsed)
	bodies := []candidate[[]byte]{{value: d.Body}}
	if m := s.combine(0, headers, keys, bodies); m != nil {
		return m
	}
	if len(d.Body) > maxBody {
		return nil
	}
	bodies = bodyCandidates(d, s.budget.bodies)
	for fixes := 1; fixes <= maxFixes; fixes++ {
		if m := s.combine(fixes, headers, keys, bodies); m != nil {
			return m
		}
	}
	return s.searchTimestamp(d, headers, keys)
}

func (s *search) combine(fixes int, headers []candidate[signature.Headers], keys []candidate[key], bodies []candidate[[]byte]) *match {
	for _, h := range headers {
		for _, b := range bodies {
			for _, k := range keys {
				if len(h.fixes)+len(b.fixes)+len(k.fixes) != fixes {
					continue
				}
				if fixes > 0 && !spend(&s.budget.signatures, k.value, h.value, b.value) {
					return nil
				}
				if !verifies(k.value.secret, h.value, b.value) {
					continue
				}
				return &match{h.value, k.value.name, b.value, slices.Concat(k.fixes, h.fixes, b.fixes)}
			}
		}
	}
	return nil
}

// searchTimestamp looks for the second at which the signature was made. It starts at
// the received timestamp and goes both ways.
func (s *search) searchTimestamp(d Delivery, headers []candidate[signature.Headers], keys []candidate[key]) *match {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k candidate[key]) bool { return len(k.fixes) > 0 })
	if len(headers) == 0 || len(keys) == 0 { // without a key, nothing would use up the budget
		return nil
	}
	first := headers[0]
	start, err := strconv.ParseInt(first.value.Timestamp, 10, 64)
	if err != nil || len(first.fixes) > 0 || InMilliseconds(start) {
		return nil
	}
	for distance := int64(1); distance < start; distance++ {
		for _, at := range []int64{start - distance, start + distance} {
			for _, k := range keys {
				if !spend(&s.budget.timestamps, k.value, first.value, d.Body) {
					return nil
				}
				h := first.value
				h.Timestamp, h.Time = strconv.FormatInt(at, 10), time.Unix(at, 0)
				if verifies(k.value.secret, h, d.Body) {
					return &match{h, k.value.name, d.Body, []Finding{otherTimestamp(start, at)}}
				}
			}
		}
	}
	return nil
}

func otherTimestamp(received, signed int64) Finding {
	direction, distance := "later", time.Duration(signed-received)*time.Second
	if distance < 0 {
		direction, distance = "earlier", -distance
	}
	return proven(TimestampOtherAttempt, fmt.Sprintf("the timestamp is from another attempt: the signature was made for a time %s %s; take all three headers from the same request", distance, direction))
}

func verifies(secret *signature.Key, h signature.Headers, body []byte) bool {
	_, err := signature.Verify([]*signature.Key{secret}, &h, body)
	return err == nil
}

// spend takes the cost of trying the key on a delivery from left, and reports whether
// there was enough. An HMAC is computed once, and Ed25519 hashes the body once for each
// signature in the header.
func spend(left *int, k key, h signature.Headers, body []byte) bool {
	text := len(h.ID) + len(body)
	if !k.secret.Symmetric() {
		text = (text + ed25519Cost) * min(strings.Count(h.Signatures, "v1a,"), signature.MaxEd25519Attempts)
	}
	*left -= trialCost + len(h.Signatures) + text
	return *left >= 0
}

func proven(code Code, message string) Finding { return Finding{code, true, message} }
