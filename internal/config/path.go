package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// routeName matches a name that stands for other text, as Express and Next.js write it.
var routeName = regexp.MustCompile(`/:[^/*]+|\[[^/*]+\]`)

// PathMistake returns why a pattern of Caddy's path matcher does not match what people
// mean, and what to write. It returns "" if there is no mistake.
func PathMistake(pattern string) string {
	rest, isPrefix := strings.CutSuffix(pattern, "*")
	cleaned := CleanPath(rest)
	name := routeName.FindString(rest)
	switch end := strings.IndexAny(pattern, "?#"); {
	case end >= 0:
		return fmt.Sprintf("contains '%c', but a path has no query and no fragment: write %s* (a * matches any characters)", pattern[end], pattern[:end])
	case strings.Contains(pattern, "%"):
		return "has an encoded character, so it does not match the same path in another form: " + decodedPath(rest, isPrefix)
	case rest != "" && cleaned != rest:
		cleaned = strings.TrimSuffix(cleaned, "/")
		return fmt.Sprintf("has a doubled slash or dots, so it does not match %s: write %s*", cleaned, cleaned)
	case name != "":
		return fmt.Sprintf("has '%s', which stands for other text in routes of a framework, but not here: use a named matcher with path_regexp %s", strings.Trim(name, "/"), expression(routeName.ReplaceAllStringFunc(rest, asStar)))
	case isPrefix && strings.Contains(strings.TrimPrefix(rest, "*"), "*"):
		return "has more than one *, so the last one stops at a slash: use a named matcher with path_regexp " + expression(rest)
	}
	return ""
}

// CleanPath removes doubled slashes and dots, as Caddy's path matcher does. It keeps a slash
// at the end.
func CleanPath(p string) string {
	cleaned := path.Clean(p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

func decodedPath(rest string, isPrefix bool) string {
	decoded, err := url.PathUnescape(rest)
	if err != nil || strings.ContainsAny(decoded, "*?#%{}") {
		return "use a named matcher with path_regexp"
	}
	if isPrefix {
		decoded += "*"
	}
	return fmt.Sprintf("write %q", decoded)
}

// asStar keeps the slash in front of a name.
func asStar(name string) string {
	if strings.HasPrefix(name, "/") {
		return "/*"
	}
	return "*"
}

// expression matches what people mean by a * in a path, and encoded slashes for it, as
// backends that decode a part by itself do. Caddy's path matcher ignores case.
func expression(pattern string) string {
	start := "(?is)^"
	if strings.HasPrefix(pattern, "*") {
		start, pattern = "(?is)", strings.TrimPrefix(pattern, "*")
	}
	return start + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
}
