package shell

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Curl is a curl command that sends a request. Whatever its parts contain, a
// POSIX shell runs nothing but curl.
type Curl struct {
	Silent  bool // no progress, but errors
	Method  string
	URL     string
	Target  string   // the request target, if it is not the one of the URL
	Headers []Header // in this order
	Without []string // names of headers that curl must not add
	Body    []byte   // is sent byte for byte
	File    string   // a file with the body, for a body that is no short text
}

// Header is one line of a request's header.
type Header struct{ Name, Value string }

// maxArgument is the longest body, in bytes, that is an argument of the command.
// Linux allows 128 KiB.
const maxArgument = 100_000

// String returns the command with a line break at its end.
func (c Curl) String() string {
	source, body := c.body()
	lines := []string{source + c.request()}
	for _, h := range c.Headers {
		line := h.Name + ": " + h.Value
		if h.Value == "" {
			line = h.Name + ";" // for curl, a colon would remove the header
		}
		lines = append(lines, "--header "+printable(line))
	}
	for _, name := range c.Without {
		lines = append(lines, "--header "+Quote(name+":"))
	}
	if body != "" {
		lines = append(lines, body)
	}
	return strings.Join(lines, " \\\n  ") + "\n"
}

func (c Curl) request() string {
	request := "curl"
	if c.Silent {
		request += " --silent --show-error"
	}
	request += " --globoff --path-as-is --request " + Quote(c.Method) + " --url " + printable(c.URL)
	if c.Target != "" {
		request += " --request-target " + printable(c.Target)
	}
	return request
}

// body returns the option for the body, and the command in front of curl that
// writes the body into a pipe, if it needs one.
func (c Curl) body() (source, option string) {
	text := string(c.Body)
	switch {
	case text == "":
		return "", ""
	case isPrintable(text) && len(text) <= maxArgument:
		return "", "--data-raw " + Quote(text)
	case c.File != "":
		return "", "--data-binary " + Quote("@"+c.File)
	case isPrintable(text):
		return "printf %s " + Quote(text) + " | ", "--data-binary @-"
	}
	return decode(text) + " | ", "--data-binary @-"
}

func printable(text string) string {
	if isPrintable(text) {
		return Quote(text)
	}
	return `"$(` + decode(text) + `)"`
}

func decode(text string) string {
	return "printf %s " + Quote(base64.StdEncoding.EncodeToString([]byte(text))) + " | base64 -d"
}

func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, isUnprintable)
}

// isUnprintable reports whether terminals or shells drop a character, act on it or
// reorder others because of it.
func isUnprintable(c rune) bool {
	return unicode.In(c, unicode.Cc, unicode.Bidi_Control) && c != '\n' && c != '\t'
}
