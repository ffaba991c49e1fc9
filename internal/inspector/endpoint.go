package inspector

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
)

// Endpoint is what a guard lends to the inspector, to sign replays and to explain
// rejections. No key leaves the process.
type Endpoint struct {
	Name      string
	Secrets   []diagnosis.Secret
	Tolerance time.Duration
	Guard     caddyhttp.MiddlewareHandler // to find the routes that lead to it

	identity string // tells it apart from others of its name, also after a reload
}

// Register makes an endpoint known until Unregister is called with it.
func (rc *Recorder) Register(e *Endpoint) {
	e.identity = e.identify()
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.endpoints = append(rc.endpoints, e)
}

// Unregister undoes Register.
func (rc *Recorder) Unregister(e *Endpoint) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if i := slices.Index(rc.endpoints, e); i >= 0 {
		rc.endpoints = slices.Delete(rc.endpoints, i, i+1)
	}
}

// identify returns one text for the name and the secrets.
func (e *Endpoint) identify() string {
	hash := sha256.New()
	for _, s := range e.Secrets {
		fingerprint := s.Key.Fingerprint()
		hash.Write(fingerprint[:])
	}
	return e.Name + " " + hex.EncodeToString(hash.Sum(nil))
}

// currentEndpoints returns the endpoints. Of several with the same name and the
// same secrets, as during a reload, it returns the newest.
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

// endpointOf returns the endpoint at which r arrived. If that has other secrets by
// now, it returns the only endpoint of that name. It returns nil if there is none.
func endpointOf(r *Recording, current []*Endpoint) *Endpoint {
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

// secretOf returns the secret that verified r, if the configuration still has it.
// Its name may have changed.
func (rc *Recorder) secretOf(r *Recording) (diagnosis.Secret, bool) {
	if !r.decision.Verified {
		return diagnosis.Secret{}, false
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	found := diagnosis.Secret{}
	for _, e := range slices.Backward(rc.endpoints) {
		for _, s := range e.Secrets {
			if s.Key.Fingerprint() != r.decision.Fingerprint {
				continue
			}
			if e.Name == r.endpoint {
				return s, true // rather than an equal one of another endpoint
			}
			if found.Key == nil {
				found = s
			}
		}
	}
	return found, found.Key != nil
}

// signer returns the secret of this name if it can sign. If name is "", it returns
// the first secret that can.
func (e *Endpoint) signer(name string) (diagnosis.Secret, bool) {
	for _, s := range e.Secrets {
		if s.Key.Symmetric() && (name == "" || s.Name == name) {
			return s, true
		}
	}
	return diagnosis.Secret{}, false
}

// locate returns a URL that leads to an endpoint, and the address of the listener
// there. It takes the URL of the last genuine delivery, or else one that the
// routes of the running configuration show. The listener can differ from the
// URL's, because a tunnel or a socket may be between. It returns "" if it finds
// none.
func (rc *Recorder) locate(e *Endpoint) (string, net.Addr) {
	current := rc.currentEndpoints()
	for _, r := range slices.Backward(rc.snapshot().recordings) {
		if endpointOf(r, current) != e || !r.decision.Verified || r.request.method != "POST" {
			continue
		}
		if _, local := findServer(r.request.arrival); local != nil && r.request.host != "" {
			return r.url(), local
		}
	}
	return locateInRoutes(e)
}

func locateInRoutes(e *Endpoint) (string, net.Addr) {
	app := httpApp()
	if app == nil {
		return "", nil
	}
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		server := app.Servers[name]
		conditions, found := findGuard(server.Routes, e, conditions{host: "localhost", path: "/"})
		if listeners := server.Listeners(); found && conditions.areKnown() && len(listeners) > 0 {
			return conditions.url(server), listeners[0].Addr()
		}
	}
	return "", nil
}

// conditions are what the matchers on the way to a handler ask for.
type conditions struct {
	host   string // "" if no one host is known
	prefix string // that was stripped off the path
	path   string // "" if no one path is known
	others bool   // a matcher asks for something that a URL does not have
}

func (c conditions) areKnown() bool { return c.host != "" && c.path != "" && !c.others }

func findGuard(routes caddyhttp.RouteList, e *Endpoint, at conditions) (conditions, bool) {
	for _, route := range routes {
		here := at.below(route.MatcherSets)
		for _, handler := range route.Handlers {
			if handler == e.Guard {
				return here, true
			}
			switch h := handler.(type) {
			case *rewrite.Rewrite:
				here.prefix += h.StripPathPrefix
				at.prefix = here.prefix // for the routes that follow it
			case *caddyhttp.Subroute:
				if found, ok := findGuard(h.Routes, e, here); ok {
					return found, true
				}
			}
		}
	}
	return conditions{}, false
}

func (c conditions) below(sets caddyhttp.MatcherSets) conditions {
	if len(sets) == 0 {
		return c
	}
	for _, matcher := range sets[0] {
		switch m := matcher.(type) {
		case *caddyhttp.MatchHost:
			c.host, _ = firstConcrete(*m)
		case *caddyhttp.MatchPath:
			c.path = ""
			if path, ok := firstConcrete(*m); ok {
				c.path = c.prefix + path
			}
		case *caddyhttp.MatchMethod, *caddyhttp.MatchProtocol, *caddyhttp.MatchTLS:
		default:
			c.others = true
		}
	}
	return c
}

// firstConcrete returns the first pattern without a wildcard, not counting one at
// its end.
func firstConcrete(patterns []string) (string, bool) {
	for _, pattern := range patterns {
		pattern = strings.TrimSuffix(pattern, "*")
		if pattern != "" && !strings.ContainsAny(pattern, "*{}") {
			return pattern, true
		}
	}
	return "", false
}

func (c conditions) url(server *caddyhttp.Server) string {
	u := url.URL{Scheme: "http", Host: c.host, Path: c.path}
	usual := 80
	if len(server.TLSConnPolicies) > 0 {
		u.Scheme, usual = "https", 443
	}
	if port := portOf(server); port != 0 && port != usual {
		u.Host = net.JoinHostPort(strings.Trim(c.host, "[]"), strconv.Itoa(port))
	}
	return u.String()
}
