package inspector

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// httpApp returns the HTTP app of the running configuration, or nil if it has
// none. It must not be kept: after a reload it would serve what was.
func httpApp() *caddyhttp.App {
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return nil
	}
	running, _ := app.(*caddyhttp.App)
	return running
}

// findServer returns the server that listens at local now, and its address, or
// nil. Servers are not found by their names, since these move when sites come
// and go. An address without an IP stands for any.
func findServer(local net.Addr) (*caddyhttp.Server, net.Addr) {
	app := httpApp()
	if app == nil || local == nil {
		return nil, nil
	}
	var (
		best    *caddyhttp.Server
		at      net.Addr
		closest int
	)
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		if addr, match := closestListener(app.Servers[name], local); match > closest {
			best, at, closest = app.Servers[name], addr, match
		}
	}
	return best, at
}

// arrivedAt returns the local address of the connection of a request with this
// context. Where a load balancer in front tells another one, by the PROXY
// protocol, that would not be found again, so it is a listener's.
func arrivedAt(ctx context.Context) net.Addr {
	local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || local == nil || len(server.Listeners()) == 0 {
		return local
	}
	if _, match := closestListener(server, local); match > 0 {
		return local
	}
	return server.Listeners()[0].Addr()
}

// closestListener returns the address of the server's that is closest to that
// of a connection, and how close it is, as matchAddr tells.
func closestListener(server *caddyhttp.Server, local net.Addr) (closest net.Addr, match int) {
	for _, listener := range server.Listeners() {
		if m := matchAddr(listener.Addr(), local); m > match {
			closest, match = listener.Addr(), m
		}
	}
	return closest, match
}

// matchAddr tells how closely a listener's address is that of a connection that
// it has accepted: 0 is not at all, and more is closer.
func matchAddr(listener, local net.Addr) int {
	listenerIP, listenerPort, ok := splitAddr(listener)
	if !ok {
		if listener.String() == local.String() {
			return 2
		}
		return 0
	}
	ip, port, ok := splitAddr(local)
	switch {
	case !ok || port != listenerPort:
		return 0
	case listenerIP.Equal(ip):
		return 2
	case isAny(listenerIP) || isAny(ip):
		return 1
	}
	return 0
}

func isAny(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }

// splitAddr returns the parts of an address of TCP or, with HTTP/3, UDP.
func splitAddr(addr net.Addr) (ip net.IP, port int, ok bool) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP, a.Port, true
	case *net.UDPAddr:
		return a.IP, a.Port, true
	}
	return nil, 0, false
}

// portOf returns the port at which a server listens, or 0.
func portOf(server *caddyhttp.Server) int {
	for _, listener := range server.Listeners() {
		if _, port, ok := splitAddr(listener.Addr()); ok {
			return port
		}
	}
	return 0
}
