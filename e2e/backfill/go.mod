module github.com/caddyclerk/caddy-clerk-webhook/e2e/backfill

go 1.26.0

replace github.com/caddyclerk/caddy-clerk-webhook => ../..

require github.com/caddyclerk/caddy-clerk-webhook v0.0.0
