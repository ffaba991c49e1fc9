package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// The script stands in the workflow as in the README. Both run it in the folder
// of the application.
func TestCIExample(t *testing.T) {
	const command = "./webhooks.sh npm start"
	script := testcaddy.ReadFile(t, "examples/ci/webhooks.sh")
	for _, name := range []string{"examples/ci/workflow.yml", "examples/ci/README.md"} {
		if !strings.Contains(testcaddy.ReadFile(t, name), command) {
			t.Errorf("%s does not run %s", name, command)
		}
	}
	workflow := testcaddy.ReadFile(t, "examples/ci/workflow.yml")
	if build := `go build -o "$RUNNER_TEMP/bin/caddy" ./cmd/caddy`; !strings.Contains(workflow, build) {
		t.Errorf("the workflow does not build the command of cmd/caddy: %s", workflow)
	}
	testcaddy.InstallCaddy(t)

	for _, tt := range []struct {
		name, application string
		code              int
		prints            []string
	}{
		{"an application that accepts events", "caddy respond --listen 127.0.0.1:3000 --status 200", 0, []string{"3 of 3 accepted", "200  ", "403  "}},
		{"an application that fails", "caddy respond --listen 127.0.0.1:3000 --status 500", 1, []string{"0 of 3 accepted"}},
		{"an application that does not start", "false", 1, []string{"nothing answers at http://127.0.0.1:3000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app, guard := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
			text := testcaddy.Replace(t, script, "localhost:3000", "127.0.0.1:3000")
			text = strings.ReplaceAll(testcaddy.Replace(t, text, "localhost:8080", guard), "127.0.0.1:3000", app)
			if tt.application == "false" {
				text = testcaddy.Replace(t, text, "seq 300", "seq 3")
			}
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "webhooks.sh"), []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			line := strings.Replace(command, "npm start", strings.ReplaceAll(tt.application, "127.0.0.1:3000", app), 1)
			output, code := testcaddy.RunLine(t, "cd "+folder+" && "+line)
			if code != tt.code {
				t.Errorf("exit code %d, want %d:\n%s", code, tt.code, output)
			}
			for _, want := range tt.prints {
				if !strings.Contains(output, strings.ReplaceAll(want, "127.0.0.1:3000", app)) {
					t.Errorf("it does not print %q:\n%s", want, output)
				}
			}
		})
	}
}
