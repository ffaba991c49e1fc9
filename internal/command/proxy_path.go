package command

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

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
	if cleaned := cleanPath(decoded); cleaned != decoded {
		return "", fmt.Errorf("--path %q: Caddy looks at paths without doubled slashes and dots, so write --path %s", given, shell.Word(cleaned))
	}
	if at := special.FindStringIndex(decoded); at != nil {
		return "", fmt.Errorf("--path %q has %q, which a path matcher of Caddy does not take literally on every system: write the part before it, --path %s, which guards each path that begins with it", given, strings.TrimSuffix(decoded[at[0]:at[1]], "/"), shell.Word(strings.TrimRight(decoded[:at[0]], ". ")))
	}
	return decoded, nil
}

// special matches what a path matcher does not take literally. On Windows, Caddy takes a
// backslash for a slash, and drops dots and spaces at the end of a part.
var special = regexp.MustCompile(`[*{}%\\\p{Cc}\x{FFFD}]|[. ]+(?:/|$)`)

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

// between matches what can be in front of a part of the path without a meaning to some
// backend: path parameters, a front controller, and backslashes or several slashes. A
// parameter can have encoded slashes.
const between = `([/\\]*;.*|[/\\]+[^/\\]*\.php[0-9]*)*[/\\]+`

// Lookalike is a regular expression of paths that some backend takes for one that begins
// with the guarded path. At their start can be a host, as JavaScript's URL reads //host.
// They can have letters that are the same in another case: (?i) covers ſ and K.
func (p *proxy) Lookalike() string {
	pattern := `(?is)^([/\\][/\\]+(.*@)?[^/\\]+)?`
	for part := range strings.SplitSeq(strings.Trim(p.Path, "/"), "/") {
		pattern += between + strings.NewReplacer("i", "[iı]", "I", "[iı]").Replace(regexp.QuoteMeta(part))
	}
	return pattern
}

func (p *proxy) guardsAll() bool { return p.Path == "/" }

func (p *proxy) endpoint() string { return p.Listener.url + (&url.URL{Path: p.Path}).EscapedPath() }
