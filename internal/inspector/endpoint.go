package inspector

import (
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
}

// Secret is a signing secret of an endpoint.
type Secret struct {
	Name string
	Key  *signature.Secret
}

// Register makes an endpoint known until Unregister is called with it.
func (rc *Recorder) Register(e *Endpoint) {
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

// currentEndpoints returns the endpoints by their names, of each the newest.
func (rc *Recorder) currentEndpoints() []*Endpoint {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	var current []*Endpoint
	for _, e := range slices.Backward(rc.endpoints) {
		if !slices.ContainsFunc(current, func(c *Endpoint) bool { return c.Name == e.Name }) {
			current = append(current, e)
		}
	}
	slices.Reverse(current)
	return current
}

// endpoint returns the newest endpoint of this name, or nil.
func (rc *Recorder) endpoint(name string) *Endpoint {
	for _, e := range rc.currentEndpoints() {
		if e.Name == name {
			return e
		}
	}
	return nil
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
