package stores

import "github.com/caddyclerk/caddy-clerk-webhook/internal/placeholder"

// Resolve replaces the placeholders in an argument of a store, such as
// {env.REDIS_URL} or {file./run/secrets/redis}. If one has no value, it returns an
// error that names the placeholder. No error repeats a value, since it may have a
// password.
//
// Keep the argument as it was written in the field that is marshalled, so that the
// exported config has no password.
func Resolve(argument string) (string, error) { return placeholder.Resolve(argument, "") }
