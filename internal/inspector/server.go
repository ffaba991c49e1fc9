package inspector

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// httpApp returns the HTTP app of the running configuration, or nil if it has none.
// Do not keep it: after a reload it would serve the old configuration.
func httpApp() *caddyhttp.App {
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return nil
	}
	running, _ := app.(*caddyhttp.App)
	return running
}

// arrival is where a request came in.
type arrival struct {
	local  net.Addr // of the connection
	listen []string // where the server listens, by its configuration
}

// arrivedAt must not look at the server's listeners. While Caddy starts, some of
// them accept requests before all are in the list.
func arrivedAt(ctx context.Context) arrival {
	local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return arrival{local: local}
	}
	return arrival{local, server.Listen}
}

// candidates are the addresses at which the request can have come in. That is the
// address of the connection if the server listens there. A load balancer in front
// can name another one by the PROXY protocol. Then it can be any of the server's.
func (a arrival) candidates() []net.Addr {
	listened := listenerAddrs(a.listen)
	isOwn := func(listener net.Addr) bool { return matchAddr(listener, a.local) > 0 }
	if len(listened) == 0 || slices.ContainsFunc(listened, isOwn) {
		return []net.Addr{a.local}
	}
	return listened
}

// listenerAddrs returns the addresses of listeners with this configuration. A host
// name stands for any address here.
func listenerAddrs(listen []string) (addrs []net.Addr) {
	for _, text := range listen {
		address, err := caddy.ParseNetworkAddress(text)
		if err != nil {
			continue
		}
		if address.IsUnixNetwork() {
			name, _, _ := strings.Cut(address.Host, "|") // permissions
			addrs = append(addrs, &net.UnixAddr{Net: address.Network, Name: name})
			continue
		}
		for port := max(1, address.StartPort); port <= address.EndPort; port++ { // an inherited one has none
			addrs = append(addrs, &net.TCPAddr{IP: net.ParseIP(address.Host), Port: int(port)})
		}
	}
	return addrs
}

// findServer returns the server that listens now where a request arrived, and its
// address there, or nil. It does not look for the server's name, because names move
// when sites come and go. An address without an IP stands for any.
func findServer(a arrival) (*caddyhttp.Server, net.Addr) {
	app := httpApp()
	if app == nil || a.local == nil {
		return nil, nil
	}
	var (
		best    *caddyhttp.Server
		at      net.Addr
		closest int
	)
	for _, local := range a.candidates() {
		for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
			if addr, match := closestListener(app.Servers[name], local); match > closest {
				best, at, closest = app.Servers[name], addr, match
			}
		}
	}
	return best, at
}

// closestListener returns the server's address that is closest to that of a
// connection, and how close it is: see matchAddr.
func closestListener(server *caddyhttp.Server, local net.Addr) (closest net.Addr, match int) {
	for _, listener := range server.Listeners() {
		if m := matchAddr(listener.Addr(), local); m > match {
			closest, match = listener.Addr(), m
		}
	}
	return closest, match
}

// matchAddr returns how well a listener's address fits a connection: 0 is not at
// all, and more is better.
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

// portOf returns a server's port, or 0.
func portOf(server *caddyhttp.Server) int {
	for _, listener := range server.Listeners() {
		if _, port, ok := splitAddr(listener.Addr()); ok {
			return port
		}
	}
	return 0
}
