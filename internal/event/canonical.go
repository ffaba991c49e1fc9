package event

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Canonical returns payload as JavaScript's JSON.stringify(JSON.parse(payload))
// writes it. The result is compact, keeps the order of the members, and has only one
// spelling of each number and string. A backend whose framework has parsed the body
// can then verify the signature after it writes the body again.
//
// It is an error if payload is not a JSON object in UTF-8 or nests deeper than 1000
// levels. It is also an error if JavaScript would change its meaning or order. That
// is so for a number that JavaScript cannot represent, a name that is given twice,
// and a name that looks like an array index, which JavaScript moves to the front.
func Canonical(payload []byte) ([]byte, error) {
	switch {
	case !utf8.Valid(payload):
		return nil, errors.New("it is not UTF-8")
	case bytes.HasPrefix(payload, []byte("\ufeff")):
		return nil, errors.New("it begins with a byte order mark, which is not JSON: save it as UTF-8 without one")
	case depth(payload) > maxDepth:
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	case !gjson.ValidBytes(payload):
		return nil, errors.New("it is not JSON")
	case !opensObject(payload):
		return nil, errors.New("it is not a JSON object")
	}
	return appendCanonical(make([]byte, 0, len(payload)), nil, gjson.ParseBytes(payload))
}

const maxDepth = 1000

// IsValid reports whether payload is JSON that nests at most 1000 levels deep. gjson
// alone needs a gigabyte of stack for a few megabytes of nested arrays.
func IsValid(payload []byte) bool { return depth(payload) <= maxDepth && gjson.ValidBytes(payload) }

// depth returns how deep JSON nests. For any other text, it is at least as deep as the
// part that is JSON.
func depth(payload []byte) (deepest int) {
	level, inString := 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++ // whatever is escaped
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

func appendCanonical(dst []byte, path *trail, value gjson.Result) ([]byte, error) {
	switch {
	case value.IsObject():
		return appendObject(dst, path, value)
	case value.IsArray():
		return appendArray(dst, path, value)
	case value.Type == gjson.String:
		return appendString(dst, value.Raw), nil
	case value.Type == gjson.Number:
		number, err := canonicalNumber(value.Raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return append(dst, number...), nil
	}
	return append(dst, value.Raw...), nil // true, false, null
}

func appendObject(dst []byte, path *trail, object gjson.Result) ([]byte, error) {
	var err error
	seen := make(map[string]bool)
	dst = append(dst, '{')
	object.ForEach(func(key, value gjson.Result) bool {
		name := string(appendString(nil, key.Raw))
		memberPath := path.member(key.Str)
		switch {
		case seen[name]:
			err = fmt.Errorf("%s is given twice", memberPath)
			return false
		case isArrayIndex(key.Str):
			err = fmt.Errorf("%s: JavaScript moves a member with a number as its name to the front, so a backend that writes the body again cannot verify it", memberPath)
			return false
		}
		if len(seen) > 0 {
			dst = append(dst, ',')
		}
		seen[name] = true
		dst = append(append(dst, name...), ':')
		dst, err = appendCanonical(dst, memberPath, value)
		return err == nil
	})
	return append(dst, '}'), err
}

func appendArray(dst []byte, path *trail, array gjson.Result) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	i := 0
	array.ForEach(func(_, value gjson.Result) bool { // a list of them takes a hundred times their size
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, err = appendCanonical(dst, path.element(i), value)
		i++
		return err == nil
	})
	return append(dst, ']'), err
}

// isArrayIndex reports whether name is an array index for JavaScript. Properties with
// such names come first in an object, wherever they are in the text.
func isArrayIndex(name string) bool {
	n, err := strconv.ParseUint(name, 10, 32)
	return err == nil && n < 1<<32-1 && strconv.FormatUint(n, 10) == name
}

// maxDigits bounds a number, because comparing two takes a time that grows with the
// square of their length. No number that JavaScript can represent needs more.
const maxDigits = 1100

// canonicalNumber returns the number in JavaScript's spelling.
func canonicalNumber(literal string) (string, error) {
	if len(literal) > maxDigits {
		return "", fmt.Errorf("%s has more than %d characters", shorten(literal), maxDigits)
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return "", fmt.Errorf("%s is too large for JavaScript", shorten(literal))
	}
	if f == 0 {
		if strings.ContainsAny(mantissa(literal), "123456789") {
			return "", fmt.Errorf("%s is too small for JavaScript", shorten(literal))
		}
		return "0", nil
	}
	format := byte('f')
	if abs := max(f, -f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	written := strconv.FormatFloat(f, format, -1, 64)
	if format == 'e' { // JavaScript writes 1e-9, and Go 1e-09
		written = strings.Replace(strings.Replace(written, "e-0", "e-", 1), "e+0", "e+", 1)
	}
	if !sameNumber(literal, written) {
		return "", fmt.Errorf("JavaScript would read %s as %s: send it as a string", shorten(literal), written)
	}
	return written, nil
}

func mantissa(literal string) string {
	digits, _, _ := strings.Cut(strings.ToLower(literal), "e")
	return digits
}

func sameNumber(a, b string) bool {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}

// shorten keeps error messages readable.
func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// appendString appends a JSON string, with its quotes, in the spelling of
// JSON.stringify.
func appendString(dst []byte, raw string) []byte {
	dst = append(dst, '"')
	for s := raw[1 : len(raw)-1]; s != ""; {
		var c rune
		c, s = nextRune(s)
		dst = appendRune(dst, c)
	}
	return append(dst, '"')
}

// nextRune cuts the first character or escape off the inside of a valid JSON string.
// It returns half of a surrogate pair as it is.
func nextRune(s string) (c rune, rest string) {
	if s[0] != '\\' {
		c, size := utf8.DecodeRuneInString(s)
		return c, s[size:]
	}
	if s[1] != 'u' {
		return rune(unescaped[strings.IndexByte(escapes, s[1])]), s[2:]
	}
	c, rest = hexRune(s[2:6]), s[6:]
	if strings.HasPrefix(rest, `\u`) {
		if pair := utf16.DecodeRune(c, hexRune(rest[2:6])); pair != utf8.RuneError {
			return pair, rest[6:]
		}
	}
	return c, rest
}

func hexRune(digits string) rune {
	n, _ := strconv.ParseUint(digits, 16, 16) // the JSON is valid
	return rune(n)
}

// The characters after a backslash, and the characters that they stand for.
const (
	escapes   = `"\/bfnrt`
	unescaped = "\"\\/\b\f\n\r\t"
)

func appendRune(dst []byte, c rune) []byte {
	if i := strings.IndexRune(unescaped, c); i >= 0 && c != '/' {
		return append(dst, '\\', escapes[i])
	}
	if c < ' ' || utf16.IsSurrogate(c) {
		return fmt.Appendf(dst, `\u%04x`, c)
	}
	return utf8.AppendRune(dst, c)
}
