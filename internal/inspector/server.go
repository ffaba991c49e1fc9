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

// findServer returns the server that now listens where a request arrived, and the
// address of its listener, or nil. It does not look for a server's name, because
// names change when sites come and go. An address without an IP matches any.
func findServer(a arrival) (best *caddyhttp.Server, at net.Addr) {
	app := httpApp()
	if app == nil || a.local == nil {
		return nil, nil
	}
	closest := 0
	for _, local := range a.candidates() {
		for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
			for _, listener := range app.Servers[name].Listeners() {
				if match := matchAddr(listener.Addr(), local); match > closest {
					best, at, closest = app.Servers[name], listener.Addr(), match
				}
			}
		}
	}
	return best, at
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

func splitAddr(addr net.Addr) (ip net.IP, port int, ok bool) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP, a.Port, true
	case *net.UDPAddr:
		return a.IP, a.Port, true
	}
	return nil, 0, false
}

func portOf(server *caddyhttp.Server) int {
	for _, listener := range server.Listeners() {
		if _, port, ok := splitAddr(listener.Addr()); ok {
			return port
		}
	}
	return 0
}
