package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// lookupWait bounds the look-up of a backend's name.
const lookupWait = 2 * time.Second

// upstream is the address of --to. A socket has an address only.
type upstream struct {
	address string // in a Caddyfile; "" for the echo backend
	host    host
	port    string
	ips     []netip.Addr // as far as they are known
}

var (
	defaultPorts = map[string]string{"http": "80", "h2c": "80", "https": "443"}

	errNoUpstream = errors.New("give a host and a port only, such as localhost:3000 or https://app.example.com. The proxy does not change paths")
)

func parseUpstream(to string) (upstream, error) {
	to, err := onThisMachine(to)
	if err != nil {
		return upstream{}, err
	}
	if strings.ContainsFunc(to, unicode.IsSpace) || strings.ContainsAny(to, "{}`") {
		return upstream{}, errNoUpstream
	}
	if socket, isSocket := strings.CutPrefix(to, "unix/"); isSocket && socket != "" {
		return upstream{address: to}, nil
	}
	scheme, address, hasScheme := strings.Cut(to, "://")
	if !hasScheme {
		scheme, address = "http", to
	}
	parsed, err := url.Parse(scheme + "://" + address)
	if err != nil || parsed.Host == "" || parsed.Host == ":" || strings.ContainsAny(address, "/*@,?#") {
		return upstream{}, errNoUpstream
	}
	defaultPort, isKnown := defaultPorts[parsed.Scheme]
	if !isKnown {
		return upstream{}, fmt.Errorf("a backend speaks http://, https:// or h2c://, not %s://", parsed.Scheme)
	}
	u := upstream{}
	if u.port, err = parsePort(cmp.Or(parsed.Port(), defaultPort)); err != nil {
		return upstream{}, err
	}
	u.host, err = parseHost(cmp.Or(parsed.Hostname(), "localhost"))
	switch {
	case errors.Is(err, errNoHost):
		return upstream{}, errNoUpstream
	case err != nil:
		return upstream{}, err
	}
	u.address = net.JoinHostPort(u.host.name, u.port)
	if hasScheme {
		if err := checkScheme(parsed.Scheme, u.port); err != nil {
			return upstream{}, err
		}
		u.address = parsed.Scheme + "://" + u.address
	}
	switch {
	case u.host.isThisMachine() || u.host.ip.IsUnspecified():
		u.ips = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	case u.host.ip.IsValid():
		u.ips = []netip.Addr{u.host.ip}
	}
	return u, nil
}

// resolve looks up the addresses of a name. If it has none, its backend may come later.
func (u *upstream) resolve(lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)) {
	if len(u.ips) > 0 || u.host.name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
	defer cancel()
	u.ips, _ = lookup(ctx, "ip", u.host.name)
	for i, ip := range u.ips {
		u.ips[i] = ip.Unmap()
	}
}
