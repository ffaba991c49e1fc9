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

func TestStartedAs(t *testing.T) {
	const module = "example.com/m"
	t.Chdir("../..") // the folder with cmd/caddy
	for _, tt := range []struct{ name, arg0, pkg, want string }{
		{"by its name", "caddy", module + "/cmd/caddy", "caddy"},
		{"by its path", "./build/caddy", module + "/cmd/caddy", "./build/caddy"},
		{"by a path with a space", "/opt/my caddy", module + "/cmd/caddy", "'/opt/my caddy'"},
		{"by go run, in the module's folder", "/tmp/go-build1234/b001/exe/caddy", module + "/cmd/caddy", "go run ./cmd/caddy"},
		{"by go run, with a build cache of another name", "/tmp/cache/4c/4c31bc529ac65b14b581bfc3e1c8925146d38e5824addb46b73dbc026be1aa02-d/caddy", module + "/cmd/caddy", "go run ./cmd/caddy"},
		{"by go run, elsewhere", "/home/a/.cache/go-build/ab/abcd-d/caddy", module + "/cmd/other", "go run " + module + "/cmd/other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := startedAs(tt.arg0, tt.pkg, module); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
