package stores_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func TestResolve(t *testing.T) {
	t.Setenv("STORE_URL", "redis://:password@localhost:6379\n")
	t.Setenv("STORE_EMPTY", " ")
	file, empty := filepath.Join(t.TempDir(), "url"), filepath.Join(t.TempDir(), "empty")
	for name, text := range map[string]string{file: "redis://file\n", empty: "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const braces = "a secret is written in braces: remove the braces, or put the secret into an environment variable and write {env.NAME}"
	for _, test := range []struct{ name, argument, want, wrong string }{
		{"a text without placeholders", "redis://localhost", "redis://localhost", ""},
		{"a variable", "{env.STORE_URL}", "redis://:password@localhost:6379", ""},
		{"a part of a text", "{env.STORE_URL}/2", "redis://:password@localhost:6379/2", ""},
		{"a file", "{file." + file + "}", "redis://file", ""},
		{"a variable that is not set", "{env.STORE_NONE}", "", "the placeholder {env.STORE_NONE} has no value: the environment variable STORE_NONE is not set"},
		{"a variable that is empty", "{env.STORE_URL}{env.STORE_EMPTY}", "", "the placeholder {env.STORE_EMPTY} has no value: the environment variable STORE_EMPTY is empty"},
		{"a file that is not there", "{file./none}", "", "the placeholder {file./none} has no value: open /none: no such file or directory"},
		{"a file that is empty", "{file." + empty + "}", "", "the placeholder {file." + empty + "} has no value: the file " + empty + " is empty"},
		{"a file without a slash", "{http.request.uri.path.file.url}", "", "{file.url} is read as a part of a request's path: write {file./path/to/url} or {file../url}"},
		{"a URL in braces", "{redis://:password@localhost}", "", braces},
		{"a URL as the name of a variable", "{env.redis://:password@localhost}", "", braces},
		{"a URL as the path of a file", "{file.redis://:password@localhost}", "", braces},
		{"keywords in braces", "{host=localhost password=password}", "", braces},
		{"a placeholder of requests", "{http.request.host}", "", "the placeholder {http.request.host} has no value: use {env.NAME} or {file./path} here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := stores.Resolve(test.argument)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			switch {
			case (err != nil) != (test.wrong != ""):
				t.Errorf("got the error %v, want %q", err, test.wrong)
			case err != nil && err.Error() != test.wrong:
				t.Errorf("got the error\n%v, want\n%s", err, test.wrong)
			case err != nil && strings.Contains(err.Error(), "password"):
				t.Error("the error repeats a value")
			}
		})
	}
}
