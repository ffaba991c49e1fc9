package testcaddy

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// ReadFile returns a file of the project. Its name begins at the project's root.
func ReadFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Root returns the folder of the project.
func Root() string {
	_, file, _, _ := runtime.Caller(0) //nolint:dogsled // only the file matters
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Replace fails the test where there is nothing to replace, since it would
// then test something else than it says.
func Replace(t testing.TB, text, old, replacement string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in\n%s", old, text)
	}
	return strings.ReplaceAll(text, old, replacement)
}

// WriteSecret writes a file and returns its path.
func WriteSecret(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
