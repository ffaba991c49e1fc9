package inspector

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// locate returns a URL at which an endpoint can be reached, and the address of
// the listener there: where its last genuine delivery came in, or else where
// the routes of the running configuration lead to its guard. The listener need
// not be the one that the URL names, since a tunnel or a socket may be between.
// It returns "" if neither tells.
func (rc *Recorder) locate(e *Endpoint) (string, net.Addr) {
	current := rc.currentEndpoints()
	for _, r := range slices.Backward(rc.snapshot().records) {
		if endpointOf(r, current) != e || !r.verdict.Verified || r.request.method != "POST" {
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
		place, found := findGuard(server.Routes, e, place{host: "localhost", path: "/"})
		if listeners := server.Listeners(); found && place.isKnown() && len(listeners) > 0 {
			return place.url(server), listeners[0].Addr()
		}
	}
	return "", nil
}

// place is what the matchers on the way to a handler ask for.
type place struct {
	host    string // "" if no one host is known
	prefix  string // has been stripped off the path
	path    string // "" if no one path is known
	further bool   // something is asked for that a URL does not have
}

func (p place) isKnown() bool { return p.host != "" && p.path != "" && !p.further }

// findGuard looks for the endpoint's guard below routes.
func findGuard(routes caddyhttp.RouteList, e *Endpoint, at place) (place, bool) {
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
	return place{}, false
}

// below narrows the place down to what one of the sets of matchers asks for.
func (p place) below(sets caddyhttp.MatcherSets) place {
	if len(sets) == 0 {
		return p
	}
	for _, matcher := range sets[0] {
		switch m := matcher.(type) {
		case *caddyhttp.MatchHost:
			p.host, _ = firstConcrete(*m)
		case *caddyhttp.MatchPath:
			p.path = ""
			if path, ok := firstConcrete(*m); ok {
				p.path = p.prefix + path
			}
		case *caddyhttp.MatchMethod, *caddyhttp.MatchProtocol, *caddyhttp.MatchTLS:
		default:
			p.further = true
		}
	}
	return p
}

// firstConcrete returns the first pattern that stands for one value, or the
// beginning of one that ends in a wildcard.
func firstConcrete(patterns []string) (string, bool) {
	for _, pattern := range patterns {
		pattern = strings.TrimSuffix(pattern, "*")
		if pattern != "" && !strings.ContainsAny(pattern, "*{}") {
			return pattern, true
		}
	}
	return "", false
}

func (p place) url(server *caddyhttp.Server) string {
	u := url.URL{Scheme: "http", Host: p.host, Path: p.path}
	usual := 80
	if len(server.TLSConnPolicies) > 0 {
		u.Scheme, usual = "https", 443
	}
	if port := portOf(server); port != 0 && port != usual {
		u.Host = net.JoinHostPort(strings.Trim(p.host, "[]"), strconv.Itoa(port))
	}
	return u.String()
}
