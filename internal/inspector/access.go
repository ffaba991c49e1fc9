package inspector

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Why a request is refused.
var (
	errRemotePeer = errors.New("the inspector answers requests from this machine only: set allow_remote, with authentication in front, to change that")
	errForwarded  = errors.New("the request says that it was forwarded, and the inspector answers requests from this machine only: set allow_remote, with authentication in front, to change that")
	errForeign    = errors.New("the inspector answers to the names localhost, 127.0.0.1 and [::1] only: set allow_remote, with authentication in front, to change that")
)

// checkLocal returns an error unless r comes from this machine and means it. A
// page of another site can make a browser send requests here, even under a name
// that its owner has let point to 127.0.0.1; but it cannot choose that the name
// is localhost.
func checkLocal(r *http.Request) error {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return errRemotePeer
	}
	// A proxy or a tunnel on this machine is a local peer, too.
	for name := range r.Header {
		if isForwarding(name) {
			return errForwarded
		}
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	switch strings.ToLower(host) {
	case "localhost", "127.0.0.1", "::1":
		return nil
	}
	return errForeign
}

// isForwarding tells headers that proxies and tunnels add.
func isForwarding(name string) bool {
	switch name {
	case "Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "Cdn-Loop":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "Cf-")
}

// contentSecurityPolicy lets the page load its own parts and talk to its own
// API. Nothing in it can run a script that stands in text, whatever a sender
// has put there.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// protect sets the headers that every answer has.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
