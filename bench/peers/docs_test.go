//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
)

const top = "../.."

func TestFiguresAreReplacedBetweenTheMarks(t *testing.T) {
	text := "before\n" + figuresBegin + "old\n" + figuresEnd + "after\n"
	got, err := replaceFigures(text, "new\n")
	if want := "before\n" + figuresBegin + "\nnew\n\n" + figuresEnd + "after\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, broken := range []string{"", figuresBegin, figuresEnd + figuresBegin} {
		if _, err := replaceFigures(broken, "new\n"); err == nil {
			t.Errorf("%q is no error", broken)
		}
	}
}

// The documentation must have the figures of the last results.
func TestTheDocumentShowsTheResults(t *testing.T) {
	r, err := readResults(filepath.Join(top, resultsFile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(top, docsFile))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := replaceFigures(string(text), r.markdown()); err != nil || again != string(text) {
		t.Errorf("%s does not show %s (error %v): run bench/peers/run -render", docsFile, resultsFile, err)
	}
	for name, want := range map[string]string{costImage: r.costChart().svg(), forgeriesImage: r.forgeriesChart().svg()} {
		if image, err := os.ReadFile(filepath.Join(top, imageFolder, name)); err != nil || string(image) != want {
			t.Errorf("%s does not show %s (error %v): run bench/peers/run -render", name, resultsFile, err)
		}
	}
}
