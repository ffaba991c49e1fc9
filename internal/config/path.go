package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	// placeholder matches a placeholder of Caddy. A name of a route, such as {id}, has no dot.
	placeholder = regexp.MustCompile(`\{[a-zA-Z0-9_-]+\.[a-zA-Z0-9_.-]+\}`)

	// ofRoutes matches what has a meaning in routes of a framework, in expressions or in
	// lists, such as :id, $id, [id], <id>, {id:.+}, (a|b), *id, .*, + and a comma between paths.
	ofRoutes = regexp.MustCompile(`[][(){}<>:;$|\\\p{Cc}\x{FFFD}]|\.[*+]|\*[\pL\pN_]|[, ]/|[, ]\*?$|\*/$|/\+(?:/|\*?$)`)
)

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
	special := ofRoutes.FindString(placeholder.ReplaceAllString(strings.TrimPrefix(pattern, "*"), "x"))
	switch {
	case strings.IndexAny(pattern, "/*{") != 0:
		return "does not begin with a slash"
	case rest != "" && CleanPath(rest) != rest:
		return "has a doubled slash or dots, which Caddy removes from the path of a request"
	case special != "":
		return fmt.Sprintf("has '%s', but a path matcher knows no routes, expressions or lists", special)
	case isPrefix && strings.Contains(strings.TrimPrefix(rest, "*"), "*"):
		return "has more than one *, so the last one stops at a slash"
	}
	return ""
}

// RepairPath says how to write a pattern without its mistakes.
func RepairPath(pattern string) string {
	if strings.IndexAny(pattern, "/*{") != 0 {
		return "write only the path, such as /api/webhooks*"
	}
	if end := strings.IndexAny(pattern, "?#"); end >= 0 {
		pattern = pattern[:end]
	}
	path, err := url.PathUnescape(strings.TrimRight(pattern, "*$,. "))
	path = strings.TrimSuffix(CleanPath(path), "/") + "*"
	switch {
	case err != nil || strings.HasPrefix(pattern, "*") || strings.ContainsAny(path, "%?#{\"`") || DecodedMistake(path) != "":
		return "use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary"
	case strings.Contains(path, " "):
		return fmt.Sprintf(`write "%s"`, path)
	}
	return "write " + path
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
