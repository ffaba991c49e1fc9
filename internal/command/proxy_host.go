package command

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// host is the host of an address.
type host struct {
	name string     // a domain, another name or the IP address
	ip   netip.Addr // not valid for a name
}

var (
	// names maps names as browsers do: one in capitals or in wide letters is the same.
	names = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.VerifyDNSLength(true), idna.CheckHyphens(true), idna.BidiRule())

	noHostCharacter = regexp.MustCompile(`[^a-z0-9._-]`)

	// endsInNumber matches what is an IPv4 address in the URL standard, or an error.
	endsInNumber = regexp.MustCompile(`(^|\.)([0-9]+|0x[0-9a-f]*)$`)

	errNoHost = errors.New("give an address such as http://localhost:8080, or a domain")
)

// parseHost refuses a host that is an IP address to some programs and a name to others.
// A proxy listens on all interfaces for a name.
func parseHost(text string) (host, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		if ip.Zone() != "" {
			return host{}, fmt.Errorf("write %s, without the zone of the IP address", ip.WithZone(""))
		}
		ip = ip.Unmap() // ::ffff:127.0.0.1 is this machine
		return host{ip.String(), ip}, nil
	}
	name, err := names.ToASCII(text)
	if err != nil || noHostCharacter.MatchString(name) {
		return host{}, errNoHost
	}
	if short, hasDot := strings.CutSuffix(name, "."); hasDot {
		return host{}, fmt.Errorf("write %s, without the dot at its end", short)
	}
	if endsInNumber.MatchString(name) {
		return host{}, fmt.Errorf("%s is no IP address, and no domain ends with a number: write an IP address in full, such as 127.0.0.1, or a host and a port, such as localhost:8080", text)
	}
	return host{name: name}, nil
}

// isThisMachine reports whether each program takes the name for the loopback interface.
func (h host) isThisMachine() bool {
	return h.name == "localhost" || strings.HasSuffix(h.name, ".localhost")
}

// parsePort returns a port without zeros in front, or "" for none.
func parsePort(port string) (string, error) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("%s is not a port: give a number from 1 to 65535", port)
	}
	return strconv.FormatUint(n, 10), nil
}

// checkScheme refuses a port that means the other scheme, as Caddy does.
func checkScheme(scheme, port string) error {
	switch {
	case port == "443" && (scheme == "http" || scheme == "h2c"):
		return errors.New("443 is the port of HTTPS: begin with https://, or give another port")
	case port == "80" && scheme == "https":
		return errors.New("80 is the port of HTTP: begin with http://, or give another port")
	}
	return nil
}

// isOwn reports whether this machine has the address.
func isOwn(ip netip.Addr) bool {
	own, _ := net.InterfaceAddrs() // without them, loopback remains
	return ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().WithZone("") == ip
	})
}
