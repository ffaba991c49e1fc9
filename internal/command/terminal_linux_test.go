package command

import (
	"os"
	"testing"
)

func TestColoursFollowTheConventions(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	reader, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer pipe.Close()
	for _, tt := range []struct {
		name          string
		out           *os.File
		noColor, term string
		enabled       bool
	}{
		{"a terminal", terminal, "", "xterm", true},
		{"NO_COLOR", terminal, "1", "xterm", false},
		{"a terminal that cannot", terminal, "", "dumb", false},
		{"a pipe", pipe, "", "xterm", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tt.noColor)
			t.Setenv("TERM", tt.term)
			if got := paletteFor(tt.out).enabled; got != tt.enabled {
				t.Errorf("colours: %v", got)
			}
		})
	}
}
