package strict

import (
	"regexp"
	"strings"
	"unicode"
)

// maxLookalike bounds the paths that are compared, in bytes.
const maxLookalike = 2 << 10

// hasOddText reports whether a path has text that Caddy and some backends read in
// different ways. Only such a path can look like another one. The check is quick.
func hasOddText(path string) bool {
	isOddRune := func(c rune) bool { return c == ';' || c == '\\' || c > unicode.MaxASCII }
	return strings.HasPrefix(path, "//") || strings.ContainsFunc(path, isOddRune) || strings.Contains(strings.ToLower(path), ".php")
}

// between matches what can be in front of a part of the path without a meaning to some
// backend: path parameters, a front controller, and backslashes or several slashes. A
// parameter can have encoded slashes. Frameworks of PHP need no slash behind the front
// controller: to them, /index.phpa is /a.
const between = `([/\\]*;.*|[/\\]+[^/\\]*\.php[0-9]*)*[/\\]+([^/\\]*\.php[0-9]*)?`

var dotlessI = strings.NewReplacer("i", "[iı]", "I", "[iı]", "ı", "[iı]")

// lookalike stands for the paths that some backend reads as one that begins with a guarded
// path.
type lookalike struct {
	pattern *regexp.Regexp
	isOdd   bool // the guarded path has odd text, so a path without it can look like that one
}

// newLookalike matches the path itself, too. At the start of a lookalike can be a host, as
// JavaScript's URL reads //host. It can have letters that are the same in another case:
// (?i) covers ſ and K, but not ı, which is I in capitals.
func newLookalike(path string) lookalike {
	pattern := `(?is)^([/\\][/\\]+(.*@)?[^/\\]+)?`
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		pattern += between + dotlessI.Replace(regexp.QuoteMeta(part))
	}
	return lookalike{regexp.MustCompile(pattern), hasOddText(path)}
}

// matches takes a long path for a lookalike, because it would take long to look at, and a
// stranger can send many.
func (l lookalike) matches(path string) bool {
	return len(path) > maxLookalike || l.pattern.MatchString(path)
}
