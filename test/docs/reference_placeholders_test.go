package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestReferenceHasEveryPlaceholder asks a real request for every name that could
// be a placeholder: each string in the guard's source. Caddy itself cannot list
// the placeholders of a request.
func TestReferenceHasEveryPlaceholder(t *testing.T) {
	const prefix = "http.clerk_webhook."
	actual := make(map[string]string)
	testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		for text := range stringsInSource(t) {
			path, documented := text, text
			if strings.HasSuffix(text, ".") {
				path, documented = text+"data.id", text+"*"
			}
			if _, known := repl.Get(prefix + path); known {
				actual["{"+prefix+documented+"}"] = ""
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\ntest_handler\n}\n")
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
	if len(actual) == 0 {
		t.Fatal("the guard has no placeholder at all")
	}
	referenceTable{heading: "Placeholders", value: noValue}.check(t, actual)
}

// stringsInSource returns every string in the source of the guard.
func stringsInSource(t *testing.T) map[string]bool {
	found := make(map[string]bool)
	files, err := filepath.Glob(filepath.Join(testcaddy.Root(), "*.go"))
	if err != nil {
		t.Error(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					found[text] = true
				}
			}
			return true
		})
	}
	return found
}
