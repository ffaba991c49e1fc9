package clerkwebhook

import _ "github.com/caddyclerk/caddy-clerk-webhook/internal/command" // caddy clerk-webhook
