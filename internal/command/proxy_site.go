package command

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/spf13/cobra"
)

const defaultPort = "8080"

type site struct {
	Address    string   // in a Caddyfile
	OtherHosts string   // the address of the hosts that it does not serve; "" if it serves any
	Binds      []string // the interfaces; all if there are none
	port       string
	url        string // where a client on this machine finds it
	domain     string // "" for this machine or an IP address
	local      bool   // reachable from this machine only
}

// onThisMachine completes an address that is only a port, or a port and a path. It
// returns any other address as it is.
func onThisMachine(address string) (string, error) {
	port, _, _ := strings.Cut(address, "/")
	if port == "" || strings.Trim(port, "0123456789") != "" {
		return address, nil
	}
	if _, err := parsePort(port); err != nil {
		return "", err
	}
	return "localhost:" + address, nil
}

// parseSite reads --from. A name of this machine or an IP address says on which
// interface to listen. It says nothing about the Host header, so requests from a
// tunnel arrive under any name.
func parseSite(from string) (site, error) {
	address, err := onThisMachine(from)
	if err != nil {
		return site{}, err
	}
	a, err := httpcaddyfile.ParseAddress(address)
	if err != nil {
		return site{}, err
	}
	if a.Path != "" && a.Path != "/" {
		return site{}, errors.New("it has a path: give the endpoint's path with --path")
	}
	a.Scheme = strings.ToLower(a.Scheme)
	if a.Scheme != "" && a.Scheme != "http" && a.Scheme != "https" || a.Host == "" && a.Port == "" {
		return site{}, errNoHost
	}
	if a.Port, err = parsePort(a.Port); err != nil {
		return site{}, err
	}
	if err := checkScheme(a.Scheme, a.Port); err != nil {
		return site{}, err
	}
	if a.Host == "" {
		return plainSite(a, "localhost", nil)
	}
	h, err := parseHost(a.Host)
	if err != nil {
		return site{}, err
	}
	a.Host = h.name
	switch {
	case h.isThisMachine():
		return plainSite(a, "localhost", loopback())
	case h.ip.IsUnspecified():
		return plainSite(a, "localhost", []string{h.name})
	case h.ip.IsValid():
		return plainSite(a, h.name, []string{h.name})
	}
	return domainSite(a), nil
}

func plainSite(a httpcaddyfile.Address, host string, binds []string) (site, error) {
	s := site{Binds: binds}
	for _, bind := range binds {
		ip, _ := netip.ParseAddr(bind)
		s.local = ip.IsLoopback()
	}
	if a.Scheme == "https" || a.Scheme == "" && a.Port == "443" {
		if a.Host == "" {
			return site{}, errors.New("HTTPS needs a domain, such as https://hooks.example.com")
		}
		s.port = cmp.Or(a.Port, "443")
		s.Address = "https://" + net.JoinHostPort(a.Host, s.port)
		s.OtherHosts = "https://:" + s.port
		s.url = s.Address
		return s, nil
	}
	s.port = cmp.Or(a.Port, defaultPort)
	s.Address = "http://:" + s.port
	s.url = "http://" + net.JoinHostPort(host, s.port)
	return s, nil
}

func domainSite(a httpcaddyfile.Address) site {
	s := site{domain: a.Host, port: cmp.Or(a.Port, "443")}
	s.OtherHosts = "https://:" + s.port
	switch {
	case a.Scheme == "http" || a.Scheme == "" && a.Port == "80":
		s.port = cmp.Or(a.Port, "80")
		s.Address = "http://" + net.JoinHostPort(a.Host, s.port)
		s.OtherHosts = "http://:" + s.port
	case s.port == "443":
		s.Address = "https://" + a.Host
	default:
		s.Address = "https://" + a.Host + ":" + s.port
	}
	s.url = s.Address
	return s
}

func loopback() []string {
	addresses := []string{"127.0.0.1"}
	if listener, err := net.Listen("tcp", "[::1]:0"); err == nil {
		_ = listener.Close()
		addresses = append(addresses, "::1")
	}
	return addresses
}

// isAt reports whether a request to the upstream reaches the site.
func (s site) isAt(u upstream) bool {
	return s.port == u.port && (s.domain != "" && s.domain == u.host.name || slices.ContainsFunc(u.ips, s.listensOn))
}

func (s site) listensOn(ip netip.Addr) bool {
	return len(s.Binds) == 0 && isOwn(ip) || slices.ContainsFunc(s.Binds, func(bind string) bool {
		bound := netip.MustParseAddr(bind)
		return bound == ip || bound.IsUnspecified() && isOwn(ip)
	})
}

// checkFree finds out whether something listens there already. Two Caddys would
// share the port.
func (s site) checkFree() error {
	binds := s.Binds
	if len(binds) == 0 {
		binds = []string{""}
	}
	for _, bind := range binds {
		listener, err := net.Listen("tcp", net.JoinHostPort(bind, s.port))
		if err != nil {
			return err
		}
		_ = listener.Close()
	}
	return nil
}

// listenError explains an error of checkFree. The flag gives the address, and another
// is an address that would work.
func listenError(err error, flag, another string) error {
	var operation *net.OpError
	if !errors.As(err, &operation) {
		return err
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens on %s: stop it, or choose another port with --%s, such as --%s %s", operation.Addr, flag, flag, another)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("no permission to listen on %s: ports below 1024 need privileges. Choose another port with --%s, or see 'caddy help' about setcap", operation.Addr, flag)
	}
	return fmt.Errorf("listening on %s: %w", operation.Addr, operation.Err)
}

const (
	inspectFlag      = "inspect"
	defaultInspector = "localhost:4040"
	withoutInspector = "off"
)

func (p *proxy) parseInspect(cmd *cobra.Command) error {
	address, _ := cmd.Flags().GetString(inspectFlag)
	if address == withoutInspector {
		return nil
	}
	inspector, err := parseSite(address)
	if err != nil {
		return fmt.Errorf("--inspect %s: %w", address, err)
	}
	if !inspector.local {
		return fmt.Errorf("--inspect %s: other machines could open it, and the inspector shows personal data. Give an address of this machine, such as %s, or use clerk_webhook_inspector in a Caddyfile behind authentication", address, defaultInspector)
	}
	if another := inspector.underOwnName(); another != inspector.url {
		return fmt.Errorf("--inspect %s: the inspector answers under the names localhost, 127.0.0.1 and [::1] only: give one of these, such as %s", address, strings.TrimPrefix(another, "http://"))
	}
	p.Inspector = &inspector
	p.anyInspectorPort = !cmd.Flags().Changed(inspectFlag)
	return p.checkInspectorPort()
}

// checkInspectorPort keeps the inspector away from the proxy and the backend.
func (p *proxy) checkInspectorPort() error {
	if p.Inspector == nil {
		return nil
	}
	flag, taken := p.inspectorPortTaken()
	switch {
	case !taken:
		return nil
	case p.anyInspectorPort:
		return p.nextInspectorPort()
	}
	return fmt.Errorf("--inspect %s has the same port as --%s: give another port, or turn the inspector off with --inspect=%s", p.Inspector.url, flag, withoutInspector)
}

// underOwnName returns the URL of a local site under a name to which the inspector
// answers.
func (s site) underOwnName() string {
	scheme, address, _ := strings.Cut(s.url, "://")
	switch host, port, _ := net.SplitHostPort(address); host {
	case "localhost", "127.0.0.1", "::1":
		return s.url
	default:
		return scheme + "://localhost:" + port
	}
}

// inspectorPortTaken reports whether another flag has the inspector's port, and which
// one. It may be the port of a backend that has not started yet.
func (p *proxy) inspectorPortTaken() (flag string, taken bool) {
	switch {
	case p.Inspector.port == p.Listener.port:
		return "from", true
	case p.Inspector.isAt(p.to):
		return "to", true
	}
	return "", false
}

// freeInspectorPort takes the next port if another program has the default one, such
// as ngrok or a second proxy.
func (p *proxy) freeInspectorPort() error {
	const most = 20
	if p.Inspector == nil {
		return nil
	}
	err := p.Inspector.checkFree()
	for i := 0; p.anyInspectorPort && errors.Is(err, syscall.EADDRINUSE) && i < most; i++ {
		if err := p.nextInspectorPort(); err != nil {
			return err
		}
		err = p.Inspector.checkFree()
	}
	return listenError(err, inspectFlag, "localhost:4041")
}

func (p *proxy) nextInspectorPort() error {
	for taken := true; taken; _, taken = p.inspectorPortTaken() {
		port, err := strconv.Atoi(p.Inspector.port)
		if err != nil {
			return err
		}
		if *p.Inspector, err = parseSite("localhost:" + strconv.Itoa(port+1)); err != nil {
			return err
		}
	}
	return nil
}
