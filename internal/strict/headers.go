package strict

import (
	"net/http"
	"slices"
	"strings"
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// dropHeaders removes the headers that some backends read as another path, or as a header
// with another name.
func dropHeaders(header http.Header) {
	for name, values := range header {
		if replacesPath(name) || isOddName(name) || namesSite[name] && slices.ContainsFunc(values, hasPath) {
			delete(header, name)
		}
	}
}

// replacesPath reports whether some backends take the path of the request from a header.
// They read _ in its name as -.
func replacesPath(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return strings.HasPrefix(name, "x-original-ur") || strings.HasPrefix(name, "x-rewrite-ur")
}

// isOddName reports whether a name has a character that lighttpd and some CGI servers read
// as _. Caddy itself drops names with _ or a dot, unless its configuration expects them.
// It has :protocol, which no sender can send as a header.
func isOddName(name string) bool {
	return strings.Trim(name, letters+digits+"-_.") != "" && !strings.HasPrefix(name, ":")
}

// namesSite has the headers from which some backends, such as Spring, make the URL of a
// request. Caddy removes those with X-, unless they come from a trusted proxy.
var namesSite = map[string]bool{"Forwarded": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true}

// hasPath reports whether a value has more than hosts, ports, schemes and the separators
// of RFC 7239, section 4.
func hasPath(value string) bool {
	return strings.Trim(value, letters+digits+` "=;,:.[]_-`+"\t") != ""
}
