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
		read := asRead.Replace(strings.ToLower(name))
		if isOddName(name) || replacesPath(read) || namesSite[read] && slices.ContainsFunc(values, hasPath) || isOtherForwarded(read) && !isTrusted {
			delete(r.Header, name)
		}
	}
}

// asRead writes a name as a backend reads it from a CGI variable.
var asRead = strings.NewReplacer("_", "-", ".", "-")

// replacements are how the names of headers begin from which some backends take the path
// of the request, or what stands in front of it: IIS and frameworks of PHP, Pyramid,
// Next.js, Nitro on Azure, the development server of Cloudflare, and Daphne.
var replacements = []string{"x-original-ur", "x-rewrite-ur", "x-vhm-root", "x-invoke-path", "x-matched-path", "x-ms-original-url", "mf-original-url", "daphne-root-path"}

func replacesPath(name string) bool {
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
// stranger.
var namesSite = map[string]bool{
	"forwarded": true, "x-forwarded-host": true, "x-forwarded-port": true, "x-forwarded-proto": true,
	"x-forwarded-protocol": true, "x-forwarded-scheme": true, "x-forwarded-server": true,
}

// isOtherForwarded reports whether a header is one of the others that only a proxy sends.
// Some of these have a path or the beginning of one. Caddy itself replaces X-Forwarded-For.
func isOtherForwarded(name string) bool {
	return strings.HasPrefix(name, "x-forwarded-") && name != "x-forwarded-for" && !namesSite[name]
}

// hasPath reports whether a value has more than hosts, ports, schemes and the separators
// of RFC 7239, section 4.
func hasPath(value string) bool {
	return strings.Trim(value, letters+digits+` "=;,:.[]_-`+"\t") != ""
}
