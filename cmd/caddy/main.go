// Command caddy is Caddy with this plugin, for trying and developing it. For
// production build one with xcaddy, together with the other plugins you use.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyclerk/caddy-clerk-webhook"
)

func main() {
	caddycmd.Main()
}
