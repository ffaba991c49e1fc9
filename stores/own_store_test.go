package stores_test

import (
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

// The example is what an author of a store begins with.
func TestExample(t *testing.T) {
	storetest.Run(t, func(*testing.T) stores.Store { return Shelf{} })
}

// It is loaded as deduplicate does. That is not here, because what this package's tests
// import gets into the go.mod of redis and postgres.
func TestExampleInCaddyfile(t *testing.T) {
	Example()
	d := caddyfile.NewTestDispenser("shelf")
	d.Next()
	module, err := caddyfile.UnmarshalModule(d, stores.Namespace+".shelf")
	if _, isStore := module.(stores.Store); err != nil || !isStore {
		t.Errorf("the module is %T, %v", module, err)
	}
}
