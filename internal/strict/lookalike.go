package strict

import (
	"cmp"
	"regexp"
	"strings"
	"unicode"
)

// maxLookalike bounds the paths that are compared, in bytes.
const maxLookalike = 2 << 10

// hasOddText reports whether a path has text that Caddy and some backends read in
// different ways. Only such a path, or one with the same letters, can look like another
// one. The check is quick.
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

// asciiPunctuation matches what may have no meaning in a name. CherryPy and CodeIgniter read
// - in a name as _, and some frameworks of PHP make webHooks of web-hooks.
const asciiPunctuation = "[ -.:-@[-`{-~]*"

// lookalike stands for the paths that some backend reads as one that begins with a guarded
// path.
type lookalike struct {
	odd     *regexp.Regexp // matches odd text
	isOdd   bool           // the guarded path has odd text, so a path without it can look like that one
	spelled *regexp.Regexp // matches the same names with other punctuation
	letters string         // those of the guarded path
}

func newLookalike(path string) lookalike {
	return lookalike{
		odd:     regexp.MustCompile(patternOf(path, regexp.QuoteMeta)),
		isOdd:   hasOddText(path),
		spelled: regexp.MustCompile(patternOf(path, withAnyPunctuation) + `([^\pL\pN]|$)`), // not webhook-settings for webhooks
		letters: lettersOf(path),
	}
}

// patternOf matches the path itself, too. At the start of a lookalike can be a host, as
// JavaScript's URL reads //host. It can have letters that are the same in another case:
// (?i) covers ſ and K, but not ı, which is I in capitals.
func patternOf(path string, ofName func(string) string) string {
	pattern := `(?is)^([/\\][/\\]+(.*@)?[^/\\]+)?`
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		pattern += between + dotlessI.Replace(ofName(name))
	}
	return pattern
}

func withAnyPunctuation(name string) (pattern string) {
	for _, c := range lettersOf(name) {
		pattern += asciiPunctuation + string(c)
	}
	return cmp.Or(pattern, regexp.QuoteMeta(name))
}

// lettersOf returns a path in lower case and without punctuation.
func lettersOf(path string) string {
	return strings.Map(func(c rune) rune {
		if c <= unicode.MaxASCII && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, path)
}

// matches takes a long path for a lookalike, because it would take long to look at, and a
// stranger can send many. hasOddText and letters are those of the path.
func (l lookalike) matches(path string, hasOddText bool, letters string) bool {
	if !hasOddText && !l.isOdd && (l.letters == "" || !strings.Contains(letters, l.letters)) {
		return false
	}
	return len(path) > maxLookalike || l.odd.MatchString(path) || l.spelled.MatchString(path)
}
