package command

import (
	"bytes"
	"testing"
)

func TestPrintable(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"plain text stays", "Zoë & <b>", 99, "Zoë & <b>"},
		{"control sequences are escaped", "\x1b[31mred\a\b", 99, `\x1b[31mred\a\b`},
		{"lines become one", "a\r\nb\tc", 99, `a\r\nb\tc`},
		{"characters that change the direction of text are escaped", "a\u202eb\u200b", 99, `a\u202eb\u200b`},
		{"C1 controls are escaped", "\u009b31m", 99, `\u009b31m`},
		{"bytes that are not UTF-8 are escaped", "a\xff\x80b", 99, `a\xff\x80b`},
		{"a replacement character stays", "\uFFFD", 99, "\uFFFD"},
		{"length is counted in characters", "ääää", 3, "äää…"},
		{"short text is not cut", "ääää", 4, "ääää"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := printable(tt.in, tt.limit); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOnlyTerminalsGetColours(t *testing.T) {
	if got := paletteFor(&bytes.Buffer{}).bad("x"); got != "x" {
		t.Errorf("got %q for what is no terminal", got)
	}
	if got := (palette{enabled: true}).bad("x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("got %q for a terminal", got)
	}
}
