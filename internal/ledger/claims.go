package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// Claims are the right to handle a delivery that is known under several keys. That is
// so while the secret of its sender is rotated. Their holder must call Done or Release
// once.
type Claims []*Claim

// ClaimAll is Claim for a delivery under each of the fingerprints. It grants all claims
// or none. All callers must give the fingerprints that they share in the same order, so
// that of two copies the first to get a shared one gets the rest, too.
func (l *Ledger) ClaimAll(ctx context.Context, fingerprints [][sha256.Size]byte, id string) (claims Claims, state stores.State, at time.Time, err error) {
	for _, fingerprint := range fingerprints {
		claim, state, at, failure := l.Claim(ctx, KeyOf(fingerprint, id), id)
		err = errors.Join(err, failure)
		if state != stores.New {
			claims.Release(ctx)
			return nil, state, at, err
		}
		claims = append(claims, claim)
	}
	return claims, stores.New, time.Time{}, err
}

// Have reports whether one of the claims is for the key.
func (cs Claims) Have(key stores.Key) bool {
	return slices.ContainsFunc(cs, func(c *Claim) bool { return c.key == key })
}

// Until returns the time when the first claim ends at the latest.
func (cs Claims) Until() time.Time { return cs[0].until }

// Done remembers that the delivery was handled with success.
func (cs Claims) Done(ctx context.Context) {
	for _, c := range cs {
		c.Done(ctx)
	}
}

// Release gives up the claims, so that the next copy of the delivery can be handled.
func (cs Claims) Release(ctx context.Context) {
	for _, c := range cs {
		c.Release(ctx)
	}
}
