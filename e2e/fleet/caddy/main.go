// Command caddy is Caddy with the plugin, its stores, and a clock that these tests
// can set.
package main

import (
	_ "github.com/caddyclerk/caddy-clerk-webhook"
	_ "github.com/caddyclerk/caddy-clerk-webhook/stores/postgres"
	_ "github.com/caddyclerk/caddy-clerk-webhook/stores/redis"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyclerk/caddy-clerk-webhook/e2e/fleet/clock"
)

func main() {
	caddycmd.Main()
}
