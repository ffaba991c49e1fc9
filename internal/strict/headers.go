package strict

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// dropHeaders removes the headers that some backends read as another path, or as a header
// with another name.
func dropHeaders(r *http.Request) {
	isTrusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	for name, values := range r.Header {
		mayMislead := namesSite[name] || strings.HasPrefix(name, "X-Forwarded-") && !isTrusted
		if replacesPath(name) || isOddName(name) || mayMislead && slices.ContainsFunc(values, hasPath) {
			delete(r.Header, name)
		}
	}
}

// replacements are how the names of headers begin from which some backends take the path
// of the request, or what stands in front of it: IIS and frameworks of PHP, Pyramid,
// Next.js, Nitro on Azure, the development server of Cloudflare, and Daphne.
var replacements = []string{"x-original-ur", "x-rewrite-ur", "x-vhm-root", "x-invoke-path", "x-matched-path", "x-ms-original-url", "mf-original-url", "daphne-root-path"}

// replacesPath reports whether a header is one of replacements. Backends read _ in its name
// as -.
func replacesPath(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return slices.ContainsFunc(replacements, func(start string) bool { return strings.HasPrefix(name, start) })
}

// isOddName reports whether a name has a character that lighttpd and some CGI servers read
// as _. Caddy itself drops names with _ or a dot, unless its configuration expects them.
// It has :protocol, which no sender can send as a header.
func isOddName(name string) bool {
	return strings.Trim(name, letters+digits+"-_.") != "" && !strings.HasPrefix(name, ":")
}

// namesSite has the headers from which some backends, such as Spring and Astro, make the
// URL of a request in front of its path. A proxy that is trusted can pass on those of a
// stranger. Only a proxy sends other X-Forwarded-* headers, and some of these have paths.
var namesSite = map[string]bool{
	"Forwarded": true, "X-Forwarded-Host": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true,
	"X-Forwarded-Protocol": true, "X-Forwarded-Scheme": true, "X-Forwarded-Server": true,
}

// hasPath reports whether a value has more than hosts, ports, schemes and the separators
// of RFC 7239, section 4.
func hasPath(value string) bool {
	return strings.Trim(value, letters+digits+` "=;,:.[]_-`+"\t") != ""
}
