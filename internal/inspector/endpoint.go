package inspector

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// Endpoint is what a guard lends to the inspector: enough to sign replays and
// to explain rejections. None of its keys ever leaves the process.
type Endpoint struct {
	Name      string
	Secrets   []Secret
	Tolerance time.Duration
	Guard     caddyhttp.MiddlewareHandler // to find its place among the routes

	identity string // tells it apart from others of its name, also after a reload
}

// Secret is a signing secret of an endpoint.
type Secret struct {
	Name string
	Key  *signature.Key
}

// Register makes an endpoint known until Unregister is called with it.
func (rc *Recorder) Register(e *Endpoint) {
	e.identity = e.identify()
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.endpoints = append(rc.endpoints, e)
}

// Unregister takes back what Register was called with.
func (rc *Recorder) Unregister(e *Endpoint) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if i := slices.Index(rc.endpoints, e); i >= 0 {
		rc.endpoints = slices.Delete(rc.endpoints, i, i+1)
	}
}

// identify returns the name and the secrets in one word.
func (e *Endpoint) identify() string {
	hash := sha256.New()
	for _, s := range e.Secrets {
		fingerprint := s.Key.Fingerprint()
		hash.Write(fingerprint[:])
	}
	return e.Name + " " + hex.EncodeToString(hash.Sum(nil))
}

// currentEndpoints returns the endpoints, of those of one name and the same
// secrets the newest: during a reload there are two.
func (rc *Recorder) currentEndpoints() []*Endpoint {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	var current []*Endpoint
	for _, e := range slices.Backward(rc.endpoints) {
		if !slices.ContainsFunc(current, func(c *Endpoint) bool { return c.identity == e.identity }) {
			current = append(current, e)
		}
	}
	slices.Reverse(current)
	return current
}

// endpointOf returns the one of these at which r arrived, or, if that has other
// secrets by now, the only one of its name. It returns nil if neither is there.
func endpointOf(r *Record, current []*Endpoint) *Endpoint {
	var namesakes []*Endpoint
	for _, e := range current {
		if e.identity == r.endpointIdentity {
			return e
		}
		if e.Name == r.endpoint {
			namesakes = append(namesakes, e)
		}
	}
	if len(namesakes) != 1 {
		return nil
	}
	return namesakes[0]
}

// secretOf returns the secret that verified r, if it still is in the
// configuration. Its name may be another by now.
func (rc *Recorder) secretOf(r *Record) (Secret, bool) {
	if !r.verdict.Verified {
		return Secret{}, false
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	found := Secret{}
	for _, e := range slices.Backward(rc.endpoints) {
		for _, s := range e.Secrets {
			if s.Key.Fingerprint() != r.verdict.Fingerprint {
				continue
			}
			if e.Name == r.endpoint {
				return s, true // rather than another endpoint's that is equal
			}
			if found.Key == nil {
				found = s
			}
		}
	}
	return found, found.Key != nil
}

// signer returns the secret of this name that can sign, or the first that can
// if name is "".
func (e *Endpoint) signer(name string) (Secret, bool) {
	for _, s := range e.Secrets {
		if s.Key.Symmetric() && (name == "" || s.Name == name) {
			return s, true
		}
	}
	return Secret{}, false
}
