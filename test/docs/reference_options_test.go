package docs_test

import (
	"context"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	clerkwebhook "github.com/caddyclerk/caddy-clerk-webhook"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

var optionsTable = referenceTable{heading: "Options", value: noValue}

func TestReferenceHasEveryOption(t *testing.T) {
	actual := make(map[string]string)
	for field := range reflect.TypeFor[clerkwebhook.Handler]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			actual[name] = ""
		}
	}
	optionsTable.check(t, actual)
}

// TestReferenceExampleHasEveryOption checks that the Caddyfile above the table
// sets everything that the table has.
func TestReferenceExampleHasEveryOption(t *testing.T) {
	actual := make(map[string]string)
	for name := range adapted(t, blockUnder(t, "Options").text) {
		if name != "handler" {
			actual[name] = ""
		}
	}
	optionsTable.check(t, actual)
}

// TestReferenceHasTheDefaults compares a guard that sets nothing with one that
// sets the documented defaults.
func TestReferenceHasTheDefaults(t *testing.T) {
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", testcaddy.Secret)
	var options strings.Builder
	for row := range strings.Lines(optionsTable.text(t)) {
		cells := cellsOf(strings.TrimSpace(row))
		name, standard := strings.Trim(cells[0], "`"), cells[2]
		switch {
		case strings.HasPrefix(standard, "`"):
			options.WriteString(name + " " + strings.Trim(standard, "`") + "\n")
		case strings.HasPrefix(standard, "off (when on: "):
			values := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(standard, -1)
			line := name
			for _, value := range values {
				line += " " + value[1]
			}
			wantSameGuard(t, line, name)
		case standard != "off" && standard != "every event":
			t.Errorf("the default of %s is in a form that this test does not know: %s", name, standard)
		}
	}
	if options.Len() == 0 {
		t.Error("no default is documented")
	}
	wantSameGuard(t, options.String(), "")
}

func wantSameGuard(t *testing.T, documented, bare string) {
	t.Helper()
	got, want := provisioned(t, bare), provisioned(t, documented)
	if got != want {
		t.Errorf("with the options %q a guard has\n%s\nbut with the documented defaults it has\n%s", bare, got, want)
	}
}

// provisioned returns the JSON of a guard with the options once Caddy has loaded
// it, which sets the defaults.
func provisioned(t *testing.T, options string) string {
	t.Helper()
	config := adapted(t, "clerk_webhook {\n"+options+"\n}")
	delete(config, "handler")
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	handler, err := ctx.LoadModuleByID("http.handlers.clerk_webhook", text)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(handler); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// adapted returns the guard of a Caddyfile that consists of a site's directives.
func adapted(t *testing.T, directives string) map[string]json.RawMessage {
	t.Helper()
	config, err := testcaddy.Adapt("http://localhost {\n" + directives + "\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]json.RawMessage
	var search func(text json.RawMessage)
	search = func(text json.RawMessage) {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(text, &object) == nil {
			if string(object["handler"]) == `"clerk_webhook"` {
				found = object
				return
			}
			for _, value := range object {
				search(value)
			}
		} else if json.Unmarshal(text, &list) == nil {
			for _, value := range list {
				search(value)
			}
		}
	}
	search(config)
	if found == nil {
		t.Fatalf("there is no guard in %s", config)
	}
	return found
}
