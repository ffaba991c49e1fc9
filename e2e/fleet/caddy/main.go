// Command caddy is Caddy with the plugin and the storage of these tests.
package main

import (
	_ "github.com/caddyclerk/caddy-clerk-webhook"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyclerk/caddy-clerk-webhook/e2e/fleet/redisstorage"
)

func main() {
	caddycmd.Main()
}
