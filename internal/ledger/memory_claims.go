package ledger

import (
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// heldClaims are claims that only this process knows, so they end with it. They are not
// safe for concurrent use.
type heldClaims map[stores.Key]held

type held struct {
	token string
	until time.Time
}

// take grants the claim until then, unless another token has it.
func (c heldClaims) take(key stores.Key, token string, now, until time.Time) bool {
	if c.hasAnother(key, token, now) {
		return false
	}
	c[key] = held{token, until}
	return true
}

func (c heldClaims) hasAnother(key stores.Key, token string, now time.Time) bool {
	h, ok := c[key]
	return ok && h.token != token && now.Before(h.until)
}

// release removes the claim of the token, and not that of a later copy.
func (c heldClaims) release(key stores.Key, token string) {
	if c[key].token == token {
		delete(c, key)
	}
}
