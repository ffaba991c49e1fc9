package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

var ownStore = regexp.MustCompile(`(redis|postgres) {env\.\w+}`)

// checkStores checks a configuration with a store that this Caddy is built without,
// first as it is and then with another store in its place. The store's own tests
// check its options.
func checkStores(t *testing.T, text string) {
	store := ownStore.FindStringSubmatch(text)
	if store == nil {
		t.Fatal("it names no store")
	}
	site := "http://localhost {\n" + text + "}\n"
	if _, err := testcaddy.Adapt(site); err == nil || !strings.Contains(err.Error(), "built without the store "+store[1]) {
		t.Errorf("as it is: %v", err)
	}
	site = strings.Replace(site, "\t\ttable clerk_webhook_deliveries\n", "", 1)
	if _, err := testcaddy.Adapt(strings.Replace(site, store[0], "storage", 1)); err != nil {
		t.Errorf("with storage: %v", err)
	}
}

// checkStoresAreBuilt checks that .ci/run builds with this command.
func checkStoresAreBuilt(t *testing.T, command string) {
	script := testcaddy.ReadFile(t, ".ci/run")
	_, script, _ = strings.Cut(script, "build_with_stores() {\n")
	script, _, _ = strings.Cut(script, "list-modules")
	built := strings.NewReplacer("$module", "github.com/caddyclerk/caddy-clerk-webhook", ` --output "$out/caddy-with-stores"`, "", "\"", "", "\\\n", "").Replace(script)
	command = strings.ReplaceAll(command, "\\\n", "")
	if !strings.Contains(strings.Join(strings.Fields(built), " "), strings.Join(strings.Fields(command), " ")) {
		t.Errorf("it does not build with\n%s\nbut with\n%s", command, built)
	}
}

// The compose files of the fleet give the Caddyfile stores that this Caddy is built
// without.
func TestFleetComposeFiles(t *testing.T) {
	for _, store := range []string{"redis", "postgres"} {
		t.Run(store, func(t *testing.T) {
			text := testcaddy.ReadFile(t, "examples/fleet/compose."+store+".yaml")
			value := regexp.MustCompile(`(?m)^  STORE: (\w+ {env\.(\w+)})$`).FindStringSubmatch(text)
			if value == nil || !strings.Contains(text, "\n  "+value[2]+": "+store) {
				t.Fatalf("it does not set STORE and its variable: %q", value)
			}
			config := strings.ReplaceAll(testcaddy.ReadFile(t, "examples/fleet/Caddyfile"), "{$STORE:storage}", value[1])
			if _, err := testcaddy.Adapt(config); err == nil || !strings.Contains(err.Error(), "built without the store "+store) {
				t.Errorf("the Caddyfile with %q: %v", value[1], err)
			}
		})
	}
}
