package redis

import (
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

func TestStoreKeepsItsPromises(t *testing.T) {
	server := daemon.StartRedis(t)
	storetest.Run(t, func(t *testing.T) stores.Store { return newStore(t, server.URL()) })
}
