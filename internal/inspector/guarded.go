package inspector

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	maphandler "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	"golang.org/x/net/http/httpguts"
)

var errNotGuarded = newCallError(http.StatusConflict, "not_guarded", "this Caddy has no route from this URL to an endpoint with the option 'inspect', so the request was not sent: check the URL, and check that the endpoint has 'inspect'")

// isGuarded reports whether the routes of a server lead r to the guard of an
// endpoint. Otherwise the inspector could reach every site of this Caddy. No handler
// of the site runs. It may change r.
func (rc *Recorder) isGuarded(server *caddyhttp.Server, r *http.Request) bool {
	return hasValidHost(r) && rc.leadsToGuard(server, r.Clone(r.Context())) &&
		(!dropAmbiguous(r.Header) || rc.leadsToGuard(server, r))
}

// hasValidHost reports whether Caddy takes the request. It refuses others before any
// route, and an error route would get them.
func hasValidHost(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return httpguts.ValidHostHeader(r.Host) && strings.Trim(host, ".") != ""
}

// dropAmbiguous removes headers that Caddy removes before any route, unless its
// configuration expects them. It reports whether there was one.
func dropAmbiguous(header http.Header) (found bool) {
	for name := range header {
		if strings.ContainsAny(name, "_.") {
			delete(header, name)
			found = true
		}
	}
	return found
}

func (rc *Recorder) leadsToGuard(server *caddyhttp.Server, r *http.Request) bool {
	s := routeSearch{server: server, guards: rc.guards(), groups: make(map[string]bool)}
	w := &sink{header: make(http.Header)}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, server)
	return s.routes(server.Routes, r, func(*http.Request) bool { return false })
}

// guards returns the guards of all endpoints, those of one name and secret, too.
func (rc *Recorder) guards() map[caddyhttp.MiddlewareHandler]bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	guards := make(map[caddyhttp.MiddlewareHandler]bool)
	for _, e := range rc.endpoints {
		guards[e.Guard] = true
	}
	return guards
}

// routeSearch follows a request along the routes of a server, as Caddy does.
type routeSearch struct {
	server *caddyhttp.Server
	guards map[caddyhttp.MiddlewareHandler]bool
	groups map[string]bool // of which a route has matched
	named  int             // named routes that were entered
}

// maxNamedRoutes ends a search in named routes that invoke each other.
const maxNamedRoutes = 100

// rest goes on with what comes after a route or a handler.
type rest func(*http.Request) bool

func (s *routeSearch) routes(routes caddyhttp.RouteList, r *http.Request, after rest) bool {
	if len(routes) == 0 {
		return after(r)
	}
	route := routes[0]
	others := func(r *http.Request) bool { return s.routes(routes[1:], r, after) }
	if s.groups[route.Group] {
		return others(r)
	}
	switch matches, err := route.MatcherSets.AnyMatchWithError(r); {
	case err != nil:
		return false
	case !matches:
		return others(r)
	}
	if route.Group != "" {
		s.groups[route.Group] = true
	}
	if route.Terminal {
		others = func(*http.Request) bool { return false }
	}
	return s.handlers(route.Handlers, r, others)
}

func (s *routeSearch) handlers(handlers []caddyhttp.MiddlewareHandler, r *http.Request, after rest) bool {
	if len(handlers) == 0 {
		return after(r)
	}
	handler := handlers[0]
	others := func(r *http.Request) bool { return s.handlers(handlers[1:], r, after) }
	switch h := handler.(type) {
	case *caddyhttp.Subroute:
		return s.routes(h.Routes, r, others)
	case *caddyhttp.Invoke:
		s.named++
		route, found := s.server.NamedRoutes[h.Name]
		return found && s.named <= maxNamedRoutes && s.routes(caddyhttp.RouteList{*route}, r, others)
	case *reverseproxy.Handler:
		return asksFirst(h) && s.routes(h.HandleResponse[0].Routes, r, others)
	case *rewrite.Rewrite, *caddyhttp.VarsMiddleware, *headers.Handler, *maphandler.Handler:
		return changes(handler, r, others)
	}
	return s.guards[handler] || !answers(handler) && others(r)
}

// changes goes on with the request as a handler changes it. It is for handlers that
// do nothing else. Matchers that follow look at what they have changed.
func changes(handler caddyhttp.MiddlewareHandler, r *http.Request, after rest) (found bool) {
	err := handler.ServeHTTP(&sink{header: make(http.Header)}, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		found = after(r)
		return nil
	}))
	return found && err == nil
}

// answers reports whether a handler keeps requests from what follows it. A handler
// of another plugin is taken to pass them on.
func answers(handler caddyhttp.MiddlewareHandler) bool {
	module, ok := handler.(caddy.Module)
	if !ok {
		return false
	}
	switch module.CaddyModule().ID {
	case "http.handlers.static_response", "http.handlers.error", "http.handlers.file_server", "http.handlers.metrics",
		"http.handlers.acme_server", "http.handlers.clerk_webhook", "http.handlers.clerk_webhook_inspector":
		return true
	}
	return false
}

// asksFirst reports whether a proxy is one of forward_auth: it asks one page of another
// server, without the body, and passes on what that accepts. Nothing else reaches a
// server before the guard, such as a page for those who are refused.
func asksFirst(proxy *reverseproxy.Handler) bool {
	if proxy.Rewrite == nil || proxy.Rewrite.Method != http.MethodGet || len(proxy.HandleResponse) != 1 {
		return false
	}
	page, _, _ := strings.Cut(proxy.Rewrite.URI, "?")
	accepted := proxy.HandleResponse[0]
	return page != "" && !strings.Contains(page, "{") &&
		accepted.StatusCode == "" && accepted.Match != nil &&
		slices.Equal(accepted.Match.StatusCode, []int{2}) && len(accepted.Match.Headers) == 0
}
