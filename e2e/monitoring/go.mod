module github.com/caddyclerk/caddy-clerk-webhook/e2e/monitoring

go 1.26.0
