package diagnosis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/tidwall/gjson"
)

// maxGrowth is how many times as long as the body an encoding may be.
const maxGrowth = 4

// maxDepth is the deepest nesting of JSON that is encoded again. Reading takes a pass
// for each level.
const maxDepth = 32

type spacing struct {
	indent, comma, colon string
}

// spacings are the spacings of common encoders. Svix's is the first.
var spacings = []spacing{
	{comma: ",", colon: ":"},                  // JSON.stringify(x), Go, PHP, Ruby
	{comma: ", ", colon: ": "},                // Python's json.dumps(x)
	{indent: "  ", comma: ",", colon: ": "},   // JSON.stringify(x, null, 2)
	{indent: "    ", comma: ",", colon: ": "}, // PHP's JSON_PRETTY_PRINT, indent=4
	{indent: "\t", comma: ",", colon: ": "},
	{indent: "  ", comma: ",", colon: " : "}, // Jackson and others in Java
}

type quoting func(b []byte, raw, value string) []byte

// quotings are the quotings of common encoders. The first leaves strings as they are.
var quotings = []quoting{
	func(b []byte, raw, _ string) []byte { return append(b, raw...) },
	escaping(""),                // JSON.stringify, Svix
	escaping("<>&\u2028\u2029"), // Go
	escaping("ascii"),
	escaping("/"),
	escaping("/ascii"), // PHP
}

// maxEncoded is the number of bytes that all encodings of one body may have.
const maxEncoded = 24 << 20

// eachEncoding calls yield with what common encoders make of the JSON in body, until
// yield returns false. Encodings that differ least come first. Numbers keep their
// digits.
func eachEncoding(body []byte, yield func(encoded []byte, fixes ...Finding) (more bool)) {
	tree, ok := parseJSON(body)
	if !ok {
		return
	}
	limit := maxGrowth*len(body) + 1024
	trimmed := bytes.TrimSpace(body)
	original := slices.IndexFunc(spacings, func(s spacing) bool {
		return bytes.Equal(tree.encode(nil, encoding{s, quotings[0], false, limit}, 0), trimmed)
	})
	sorted := sync.OnceValue(tree.sorted)
	total := 0
	for _, c := range encodings(original) {
		e := c.value
		e.limit = limit
		source := tree
		if e.sorted {
			source = sorted()
		}
		encoded := source.encode(make([]byte, 0, len(body)), e, 0)
		total += len(encoded)
		if total > maxEncoded || len(encoded) <= limit && !yield(encoded, c.fixes...) {
			return
		}
	}
}

// encodings returns all encodings. original is the index of the body's spacing in
// spacings, or -1.
func encodings(original int) []candidate[encoding] {
	var all []candidate[encoding]
	for _, sorted := range []bool{false, true} {
		for q, quoting := range quotings {
			for s, spacing := range spacings {
				fixes := encodedAgain(s != original, q != 0, sorted)
				all = append(all, candidate[encoding]{encoding{spacing: spacing, quoting: quoting, sorted: sorted}, fixes})
			}
		}
	}
	sortByFixes(all)
	return all
}

// encodedAgain returns the findings about an encoding. The first has the text that they
// share.
func encodedAgain(spacing, escaping, keyOrder bool) []Finding {
	var fixes []Finding
	add := func(differs bool, code Code, what string) {
		switch {
		case !differs:
		case len(fixes) == 0:
			fixes = append(fixes, proven(code, "the body was parsed and encoded again on its way, which changed "+what+": "+passOn))
		default:
			fixes = append(fixes, proven(code, "it also changed "+what))
		}
	}
	add(spacing, JSONSpacing, "its white space")
	add(escaping, JSONEscaping, "how its characters are escaped (such as <, >, &, / or those outside ASCII)")
	add(keyOrder, JSONKeyOrder, "the order of its keys")
	return fixes
}

const passOn = "verify the bytes that were received, and pass them on unchanged"

type node struct {
	raw     string // of a value that is neither object nor array
	text    string // of a string
	kind    byte   // '{', '[', '"' or 0
	members []member
}

// member is a member of an object or, without a key, an element of an array.
type member struct {
	key   node
	value node
}

func parseJSON(body []byte) (tree node, ok bool) {
	if !json.Valid(body) {
		return node{}, false
	}
	root := gjson.ParseBytes(body)
	if !root.IsObject() && !root.IsArray() {
		return node{}, false
	}
	return parse(root, 0)
}

func parse(r gjson.Result, depth int) (n node, ok bool) {
	switch {
	case depth > maxDepth:
		return node{}, false
	case r.Type == gjson.String:
		return node{raw: r.Raw, text: r.Str, kind: '"'}, true
	case !r.IsObject() && !r.IsArray():
		return node{raw: r.Raw}, true
	}
	n.kind = '['
	if r.IsObject() {
		n.kind = '{'
	}
	ok = true
	r.ForEach(func(key, value gjson.Result) bool {
		var m member
		if m.value, ok = parse(value, depth+1); !ok {
			return false
		}
		m.key = node{raw: key.Raw, text: key.Str, kind: '"'}
		n.members = append(n.members, m)
		return true
	})
	return n, ok
}

type encoding struct {
	spacing spacing
	quoting quoting
	sorted  bool // whether it is for a sorted tree
	limit   int  // encoding stops at this length
}

func (n node) encode(b []byte, e encoding, depth int) []byte {
	switch n.kind {
	case '"':
		return e.quoting(b, n.raw, n.text)
	case 0:
		return append(b, n.raw...)
	}
	b = append(b, n.kind)
	for i, m := range n.members {
		if len(b) > e.limit {
			return b
		}
		if i > 0 {
			b = append(b, e.spacing.comma...)
		}
		b = e.spacing.newline(b, depth+1)
		if n.kind == '{' {
			b = e.quoting(b, m.key.raw, m.key.text)
			b = append(b, e.spacing.colon...)
		}
		b = m.value.encode(b, e, depth+1)
	}
	if len(n.members) > 0 {
		b = e.spacing.newline(b, depth)
	}
	return append(b, n.kind+2) // ']' and '}' come two after '[' and '{'
}

// sorted returns a copy in which the members of all objects are in the order of their
// names.
func (n node) sorted() node {
	n.members = slices.Clone(n.members)
	for i := range n.members {
		n.members[i].value = n.members[i].value.sorted()
	}
	if n.kind == '{' {
		slices.SortStableFunc(n.members, func(a, b member) int { return strings.Compare(a.key.text, b.key.text) })
	}
	return n
}

func (s spacing) newline(b []byte, depth int) []byte {
	if s.indent == "" {
		return b
	}
	b = append(b, '\n')
	for range depth {
		b = append(b, s.indent...)
	}
	return b
}

// escaping returns a quoting that escapes the characters that JSON requires and those
// in extra. If extra ends in "ascii", it also escapes all characters outside ASCII.
func escaping(extra string) quoting {
	extra, ascii := strings.CutSuffix(extra, "ascii")
	return func(b []byte, _, value string) []byte {
		b = append(b, '"')
		for _, r := range value {
			switch {
			case r == '"' || r == '\\':
				b = append(b, '\\', byte(r))
			case r == '/' && strings.ContainsRune(extra, r):
				b = append(b, `\/`...)
			case r < ' ':
				b = appendControl(b, r)
			case strings.ContainsRune(extra, r) || ascii && r > '~':
				b = appendEscape(b, r)
			default:
				b = append(b, string(r)...)
			}
		}
		return append(b, '"')
	}
}

func appendControl(b []byte, r rune) []byte {
	if i := strings.IndexRune("\b\f\n\r\t", r); i >= 0 {
		return append(b, '\\', "bfnrt"[i])
	}
	return appendEscape(b, r)
}

func appendEscape(b []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}
