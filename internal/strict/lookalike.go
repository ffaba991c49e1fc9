package strict

import (
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
	lower := strings.ToLower(path)
	return strings.HasPrefix(path, "//") || strings.ContainsFunc(path, isOddRune) || strings.Contains(lower, ".php") || strings.Contains(lower, "_next")
}

// nextData matches where Next.js has the data of its pages. With a middleware, as Clerk's own
// quick start has it, Next.js takes /_next/data/<build>/a.json for /a. A language can be in
// front of a.
const nextData = `[/\\]+_next[/\\]+data[/\\]+[^/\\]+([/\\]+(index|default|[a-z]{2,3}([-_][a-z0-9]+)*))?`

// between matches what can be in front of a part of the path without a meaning to some
// backend: path parameters, a front controller, the start of nextData, and backslashes or
// several slashes. A parameter can have encoded slashes. Frameworks of PHP need no slash
// behind the front controller: to them, /index.phpa is /a.
const between = `([/\\]*;.*|[/\\]+[^/\\]*\.php[0-9]*|` + nextData + `)*[/\\]+([^/\\]*\.php[0-9]*)?`

var dotlessI = strings.NewReplacer("i", "[iı]", "I", "[iı]", "ı", "[iı]")

// dropped matches what some backends drop or change in a name. CherryPy and CodeIgniter read
// - as _, some frameworks of PHP make webHooks of web-hooks, and Bottle drops bytes that are
// not UTF-8.
const dropped = "[^a-zA-Z0-9/]*"

// droppedInFront is without _, because such a name is a usual one: /__clerk is the path of
// Clerk's own proxy.
const droppedInFront = "[^a-zA-Z0-9/_]*"

// lookalike stands for the paths that some backend reads as one that begins with a guarded
// path.
type lookalike struct {
	odd     *regexp.Regexp // matches odd text, and other punctuation where the path has some
	isOdd   bool           // the guarded path has odd text, so a path without it can look like that one
	spelled *regexp.Regexp // matches the same letters and digits with others between
	plain   string         // the letters and digits of the guarded path
}

func newLookalike(path string) lookalike {
	return lookalike{
		odd:     regexp.MustCompile(patternOf(path, otherPunctuation)),
		isOdd:   hasOddText(path),
		spelled: regexp.MustCompile(patternOf(path, morePunctuation) + `([^\pL\pN]|$)`), // not webhook-settings for webhooks
		plain:   plainOf(path),
	}
}

// patternOf matches the path itself, too. At the start of a lookalike can be a host, as
// JavaScript's URL reads //host. It can have letters that are the same in another case:
// (?i) covers ſ and K, but not ı, which is I in capitals.
func patternOf(path string, ofName func(string) string) string {
	pattern := `(?is)^([/\\][/\\]+(.*@)?[^/\\]+)?`
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		text := regexp.QuoteMeta(name)
		if plainOf(name) != "" {
			text = ofName(name)
		}
		pattern += between + dotlessI.Replace(text)
	}
	return pattern
}

var punctuation = regexp.MustCompile("[^a-zA-Z0-9\u0080-\U0010ffff]+")

// otherPunctuation matches a name with other punctuation where it has some.
func otherPunctuation(name string) string {
	return punctuation.ReplaceAllLiteralString(name, dropped)
}

// morePunctuation matches a name with punctuation anywhere.
func morePunctuation(name string) string {
	return droppedInFront + strings.Join(strings.Split(plainOf(name), ""), dropped) + dropped
}

// plainOf returns the letters and digits of a path, in lower case.
func plainOf(path string) string {
	return strings.Map(func(c rune) rune {
		if c <= unicode.MaxASCII && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, path)
}

// matches takes a long path for a lookalike, because it would take long to look at, and a
// stranger can send many.
func (l lookalike) matches(path, plain string, isOdd bool) bool {
	if !isOdd && !l.isOdd && (l.plain == "" || !strings.Contains(plain, l.plain)) {
		return false
	}
	return len(path) > maxLookalike || l.odd.MatchString(path) || l.spelled.MatchString(path)
}
