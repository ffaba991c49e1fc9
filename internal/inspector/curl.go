package inspector

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
)

func (h *Handler) curl(w http.ResponseWriter, r *http.Request) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	if !record.request.body.isComplete() {
		return errBodyCut
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_ = writeInTime(w, []byte(curlCommand(record)))
	return nil
}

// curlCommand returns a command for a POSIX shell that sends r as it was
// received. Whatever a sender has put into it stays inside single quotes.
func curlCommand(r *Record) string {
	var c strings.Builder
	body := r.request.body.data
	asArgument := isPrintable(string(body)) && len(body) <= maxArgument
	switch {
	case asArgument:
	case isPrintable(string(body)):
		c.WriteString("printf %s " + shell.Quote(string(body)) + " | ")
	default:
		c.WriteString(decoded(string(body)) + " | ")
	}
	c.WriteString("curl --globoff --path-as-is --request " + shell.Quote(r.request.method) + " --url " + word(r.url()))
	if strings.Contains(r.request.uri, "#") {
		c.WriteString(" --request-target " + word(r.request.uri)) // of a URL it would be cut off
	}
	for _, f := range sortedFields(r.request.header) {
		if f.redacted || f.name == "Content-Length" {
			continue
		}
		line := f.name + ": " + f.value
		if f.value == "" {
			line = f.name + ";" // which is how curl sends an empty one
		}
		c.WriteString(" \\\n  --header " + word(line))
	}
	for _, name := range []string{"Accept", "Content-Type", "User-Agent"} {
		if !hasHeader(r.request.header, name) {
			c.WriteString(" \\\n  --header " + shell.Quote(name+":")) // or curl would add one
		}
	}
	switch {
	case len(body) == 0:
	case asArgument:
		c.WriteString(" \\\n  --data-raw " + shell.Quote(string(body)))
	default:
		c.WriteString(" \\\n  --data-binary @-")
	}
	c.WriteString("\n")
	return c.String()
}

// maxArgument is for a body to be an argument. What is larger goes through a
// pipe: Linux takes 128 KiB.
const maxArgument = 100_000

// word returns text as one word for a shell.
func word(text string) string {
	if isPrintable(text) {
		return shell.Quote(text)
	}
	return `"$(` + decoded(text) + `)"`
}

// decoded returns a command that prints text without having it.
func decoded(text string) string {
	return "printf %s " + shell.Quote(base64.StdEncoding.EncodeToString([]byte(text))) + " | base64 -d"
}

func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, isUnprintable)
}

// isUnprintable tells characters that terminals and shells do not take, or
// show, as they are.
func isUnprintable(c rune) bool {
	return unicode.In(c, unicode.Cc, unicode.Bidi_Control) && c != '\n' && c != '\t'
}

func sortedFields(fields []field) []field {
	sorted := slices.Clone(fields)
	slices.SortStableFunc(sorted, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	return sorted
}
