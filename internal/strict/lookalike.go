package strict

import (
	"regexp"
	"strings"
)

// between matches what can be in front of a part of the path without a meaning to some
// backend: path parameters, a front controller, and backslashes or several slashes. A
// parameter can have encoded slashes.
const between = `([/\\]*;.*|[/\\]+[^/\\]*\.php[0-9]*)*[/\\]+`

var dotlessI = strings.NewReplacer("i", "[iı]", "I", "[iı]", "ı", "[iı]")

// lookalike matches the path, and paths that some backend reads as one that begins with
// it. At their start can be a host, as JavaScript's URL reads //host. They can have
// letters that are the same in another case: (?i) covers ſ and K, but not ı, which is I
// in capitals.
func lookalike(path string) *regexp.Regexp {
	pattern := `(?is)^([/\\][/\\]+(.*@)?[^/\\]+)?`
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		pattern += between + dotlessI.Replace(regexp.QuoteMeta(part))
	}
	return regexp.MustCompile(pattern)
}
