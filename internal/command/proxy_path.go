package command

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/config"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
)

// parsePath reads --path, which is the path of a URL, encoded or not. The guard gets
// it decoded, and covers each path that begins with it. So the path cannot have
// characters that Caddy's path matcher does not read as plain text.
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
	if cleaned := config.CleanPath(decoded); cleaned != decoded {
		return "", fmt.Errorf("--path %q: Caddy looks at paths without doubled slashes and dots, so write --path %s", given, shell.Word(cleaned))
	}
	if at := special.FindStringIndex(decoded); at != nil {
		return "", fmt.Errorf("--path %q has %q, which not every router and path matcher reads as plain text. Write only the part before it: --path %s. It guards each path that begins with this part", given, strings.TrimSuffix(decoded[at[0]:at[1]], "/"), shell.Word(cmp.Or(strings.TrimRight(decoded[:at[0]], ". "), "/")))
	}
	return decoded, nil
}

// special matches what a path matcher does not read as plain text, and what stands for
// other text in the routes of a framework, such as :id, [id], <id>, $id and (a|b). Some
// backends do not see what follows a semicolon. On Windows, Caddy reads a backslash as a
// slash, and drops dots and spaces at the end of a part.
var special = regexp.MustCompile(`[][(){}<>*:;$|%\\\p{Cc}\x{FFFD}]|[. ]+(?:/|$)`)

// Matcher is the path matcher of all that begins with the path. To many backends, a
// slash at its end makes no difference.
func (p *proxy) Matcher() string {
	if p.guardsAll() {
		return "/*"
	}
	return p.prefix() + "*"
}

func (p *proxy) prefix() string { return strings.TrimSuffix(p.Path, "/") }

func (p *proxy) guardsAll() bool { return p.Path == "/" }

// EscapedPath is the path as in a URL.
func (p *proxy) EscapedPath() string { return escaped(p.Path) }

// EscapedPrefix is how all guarded paths begin.
func (p *proxy) EscapedPrefix() string { return escaped(p.prefix()) }

func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

func (p *proxy) endpoint() string { return p.Listener.url + p.EscapedPath() }
