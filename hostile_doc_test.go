package clerkwebhook_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTestThatSecurityNamesExists keeps docs/security.md from promising
// what no test checks any more.
func TestEveryTestThatSecurityNamesExists(t *testing.T) {
	text := readFile(t, "docs/security.md")
	for _, match := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`(?: \\(([a-z0-9/]+)\\))?").FindAllStringSubmatch(text, -1) {
		name, folder := match[1], match[2]
		t.Run(name, func(t *testing.T) {
			if !hasTest(t, folder, name) {
				t.Errorf("there is no %s in %q", name, "./"+folder)
			}
		})
	}
	for _, match := range regexp.MustCompile("`(e2e/[a-z/]+)").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(match[1]); err != nil {
			t.Error(err)
		}
	}
	_, table, _ := strings.Cut(text, "| Guarantee | Tests |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		if !strings.Contains(row, "`Test") {
			t.Errorf("no test checks %s", row)
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(readFile(t, file), "\nfunc "+name+"(t *testing.T) {") {
			return true
		}
	}
	return false
}
