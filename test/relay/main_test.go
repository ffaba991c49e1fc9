package relay_test

import _ "github.com/caddyclerk/caddy-clerk-webhook" // which is tested
