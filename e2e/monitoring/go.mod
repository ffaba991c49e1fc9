module github.com/caddyclerk/caddy-clerk-webhook/e2e/monitoring

go 1.26.0

require github.com/caddyclerk/caddy-clerk-webhook v0.0.0

replace github.com/caddyclerk/caddy-clerk-webhook => ../..
