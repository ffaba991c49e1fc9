package memory

import (
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) stores.Store {
		s := new(Store)
		if err := s.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Cleanup(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}
