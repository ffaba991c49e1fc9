module github.com/caddyclerk/caddy-clerk-webhook/e2e/browser

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.22.1
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
)

require (
	github.com/caddyclerk/caddy-clerk-webhook v0.0.0
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/svix/svix-webhooks v1.44.0
	gopkg.in/validator.v2 v2.0.1 // indirect
)

replace github.com/caddyclerk/caddy-clerk-webhook => ../..
