package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// routeName matches what stands for other text in the routes of a framework, such as :id,
// $id, [id], <id>, {id} and (a|b). A placeholder of Caddy has a dot.
var routeName = regexp.MustCompile(`/[:$][^/*]+|\[[^/*]+\]|<[^/*]+>|\{[^{}/*.]+\}|\([^/*]+\)`)

// PathMistake returns why a pattern of Caddy's path matcher does not match what people
// mean. It returns "" if there is no mistake.
func PathMistake(pattern string) string {
	if end := strings.IndexAny(pattern, "?#"); end >= 0 {
		return fmt.Sprintf("contains '%c', but a path has no query and no fragment", pattern[end])
	}
	if strings.Contains(pattern, "%") {
		return "has an encoded character, so it does not match the same path in another form"
	}
	return DecodedMistake(pattern)
}

// DecodedMistake is PathMistake for a pattern that was decoded, so ?, # and % are text.
func DecodedMistake(pattern string) string {
	rest, isPrefix := strings.CutSuffix(pattern, "*")
	name := strings.Trim(routeName.FindString(rest), "/")
	switch {
	case strings.IndexAny(pattern, "/*{") != 0:
		return "does not begin with a slash"
	case rest != "" && CleanPath(rest) != rest:
		return "has a doubled slash or dots, which Caddy removes from the path of a request"
	case name != "":
		return fmt.Sprintf("has '%s', which does not stand for other text here", name)
	case isPrefix && strings.Contains(strings.TrimPrefix(rest, "*"), "*"):
		return "has more than one *, so the last one stops at a slash"
	}
	return ""
}

// RepairPath says how to write a pattern without its mistakes, if that is clear.
func RepairPath(pattern string) string {
	if end := strings.IndexAny(pattern, "?#"); end >= 0 {
		pattern = pattern[:end]
	}
	decoded, err := url.PathUnescape(pattern)
	decoded = routeName.ReplaceAllStringFunc(decoded, asStar)
	decoded = CleanPath("/" + strings.TrimRight(decoded, "*"))
	hasStar, hasSpace := strings.Contains(decoded, "*"), strings.Contains(decoded, " ")
	switch {
	case err != nil || strings.HasPrefix(pattern, "*") || strings.ContainsFunc(decoded, isUnclear) || hasStar && hasSpace:
		return "use a named matcher with path_regexp"
	case hasStar:
		return "use a named matcher with path_regexp " + expression(decoded)
	}
	decoded = strings.TrimSuffix(decoded, "/") + "*"
	if hasSpace {
		decoded = `"` + decoded + `"`
	}
	return "write " + decoded
}

// isUnclear reports whether a character has a meaning in a Caddyfile or a path matcher, or
// cannot be seen.
func isUnclear(c rune) bool {
	return strings.ContainsRune("\"`{}[]<>%?#:", c) || !unicode.IsPrint(c) || c == unicode.ReplacementChar
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

// asStar keeps the slash in front of a name.
func asStar(name string) string {
	if strings.HasPrefix(name, "/") {
		return "/*"
	}
	return "*"
}

// expression matches what people mean by a * in a path, also if it stands for nothing or has
// an encoded slash, as in some backends. Caddy's path matcher ignores case.
func expression(pattern string) string {
	expression := "(?is)^"
	for part := range strings.SplitAfterSeq(regexp.QuoteMeta(pattern), "/") {
		if part == `\*/` {
			part = "(.*/)?"
		}
		expression += strings.ReplaceAll(part, `\*`, ".*")
	}
	return expression
}
