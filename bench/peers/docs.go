//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The figures are between these lines of the document.
const (
	figuresBegin = "<!-- from here to the end mark written by bench/peers/run -->\n"
	figuresEnd   = "<!-- end mark -->\n"
)

// writeDocs writes the plots to files and the tables into the document.
func writeDocs(r results) error {
	if err := os.MkdirAll(imageFolder, 0o755); err != nil {
		return err
	}
	for name, image := range map[string]string{costImage: r.costChart().svg(), forgeriesImage: r.forgeriesChart().svg()} {
		if err := os.WriteFile(filepath.Join(imageFolder, name), []byte(image), 0o644); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(docsFile)
	if err != nil {
		return err
	}
	replaced, err := replaceFigures(string(text), r.markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", docsFile, err)
	}
	return os.WriteFile(docsFile, []byte(replaced), 0o644)
}

// replaceFigures replaces the text between the two lines with figures.
func replaceFigures(text, figures string) (string, error) {
	before, rest, found := strings.Cut(text, figuresBegin)
	_, after, foundEnd := strings.Cut(rest, figuresEnd)
	if !found || !foundEnd {
		return "", fmt.Errorf("the marks %q and %q are missing", figuresBegin, figuresEnd)
	}
	return before + figuresBegin + "\n" + figures + "\n" + figuresEnd + after, nil
}

// breakLines puts every turn and every list of figures of the JSON on its own
// line, so that you can compare versions.
func breakLines(data []byte) []byte {
	for _, mark := range []string{`{"environment"`, `{"backend"`, `{"subject"`, `{"per_second"`, `"forgeries"`} {
		data = bytes.ReplaceAll(data, []byte(mark), []byte("\n"+mark))
	}
	return append(bytes.TrimSpace(data), '\n')
}
