module github.com/caddyclerk/caddy-clerk-webhook/e2e/examples

go 1.26.0
