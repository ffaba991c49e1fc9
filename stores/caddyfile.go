package stores

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// UnmarshalBare reads the Caddyfile tokens of a store without arguments and
// options. Its errors do not repeat what they found, because that may be a
// password.
func UnmarshalBare(d *caddyfile.Dispenser) error {
	d.Next() // the store's name
	name := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no arguments", name)
	}
	if d.NextBlock(0) {
		return d.Errf("%s has no options: its block may only have on_failure", name)
	}
	return nil
}
