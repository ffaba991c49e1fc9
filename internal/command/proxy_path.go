package command

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
)

// parsePath reads --path, which is the path of a URL, encoded or not. The guard takes
// it decoded. It covers each path that begins so, and so it cannot have what Caddy's
// path matcher does not take literally.
func parsePath(given string) (string, error) {
	if !strings.HasPrefix(given, "/") {
		return "", fmt.Errorf("--path %q: begin it with a slash", given)
	}
	if i := strings.IndexAny(given, "?#"); i >= 0 {
		return "", fmt.Errorf("--path %q: write --path %s, without the %c and what follows it. The guard covers the path with any query", given, shell.Word(given[:i]), given[i])
	}
	decoded, err := url.PathUnescape(strings.TrimSuffix(given, "*"))
	if err != nil {
		return "", fmt.Errorf("--path %q: %w. In a path, write %%25 for a percent sign", given, err)
	}
	if i := strings.IndexFunc(decoded, isSpecial); i >= 0 {
		return "", fmt.Errorf("--path %q has %q, which a path matcher of Caddy does not take literally: write the part before it, --path %s, which guards each path that begins with it", given, firstRune(decoded[i:]), shell.Word(decoded[:i]))
	}
	if cleaned := cleanPath(decoded); cleaned != decoded {
		return "", fmt.Errorf("--path %q: Caddy looks at paths without doubled slashes and dots, so write --path %s", given, shell.Word(cleaned))
	}
	return decoded, nil
}

func isSpecial(r rune) bool {
	return strings.ContainsRune("*{}%", r) || unicode.IsControl(r) || r == utf8.RuneError
}

func firstRune(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}

func cleanPath(p string) string {
	cleaned := path.Clean(p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

// Matcher is the path matcher of all that begins with the path. To many backends, a
// slash at its end makes no difference.
func (p *proxy) Matcher() string {
	if p.guardsAll() {
		return "/*"
	}
	return strings.TrimSuffix(p.Path, "/") + "*"
}

func (p *proxy) guardsAll() bool { return p.Path == "/" }

func (p *proxy) endpoint() string { return p.Listener.url + (&url.URL{Path: p.Path}).EscapedPath() }
