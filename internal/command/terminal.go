package command

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether a person reads what is written to w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// palette colours text, or leaves it as it is where nobody would see it.
type palette struct{ enabled bool }

// paletteFor follows the convention of NO_COLOR.
func paletteFor(w io.Writer) palette {
	return palette{isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p palette) good(s string) string { return p.paint("32", s) }
func (p palette) bad(s string) string  { return p.paint("31", s) }
func (p palette) dim(s string) string  { return p.paint("2", s) }
func (p palette) bold(s string) string { return p.paint("1", s) }

func (p palette) paint(code, s string) string {
	if !p.enabled {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// printable makes one line of s that no terminal takes for commands, of at most
// limit characters.
func printable(s string, limit int) string {
	var b strings.Builder
	for i, c := range s {
		if limit--; limit < 0 {
			return b.String() + "…"
		}
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + hexByte(s[i]))
		case unicode.IsPrint(c):
			b.WriteRune(c)
		default:
			b.WriteString(escapeRune(c))
		}
	}
	return b.String()
}

func hexByte(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// escapeRune spells a character as Go does: \n, \x1b, \u202e.
func escapeRune(c rune) string {
	quoted := strconv.QuoteRune(c)
	return quoted[1 : len(quoted)-1]
}
