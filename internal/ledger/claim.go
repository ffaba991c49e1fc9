package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// Claim is the right to handle a delivery. Its holder must call Done or Release
// once.
type Claim struct {
	ledger *Ledger
	key    stores.Key
	id     string
	token  string
	until  time.Time

	renewal *time.Timer
	turn    chan struct{} // holds one value while a renewal is under way, and after the end
}

// Key returns the key of the claimed delivery.
func (c *Claim) Key() stores.Key { return c.key }

// Until returns the time when the claim ends at the latest.
func (c *Claim) Until() time.Time { return c.until }

// Claim asks for the right to handle the delivery of the message with this id. It
// grants the claim if the state is New. If the state is Done, at is the time when
// the delivery was handled.
//
// If the store fails, Claim decides by what this process knows and also returns an
// error. The caller decides whether to use a claim that only this process knows.
func (l *Ledger) Claim(ctx context.Context, key stores.Key, id string) (claim *Claim, state stores.State, at time.Time, err error) {
	c := &Claim{ledger: l, key: key, id: id, token: rand.Text(), until: time.Now().Add(stores.LongestClaim)}
	state, at, _ = l.memory.Claim(ctx, key, c.token, stores.LongestClaim)
	if state == stores.New && l.store != nil {
		state, at, err = l.claimInStore(ctx, c)
	}
	if state != stores.New {
		return nil, state, at, err
	}
	return c, stores.New, time.Time{}, err
}

func (l *Ledger) claimInStore(ctx context.Context, c *Claim) (state stores.State, at time.Time, err error) {
	err = l.call(ctx, StepClaim, c.id, func(ctx context.Context) (err error) {
		state, at, err = l.store.Claim(ctx, c.key, c.token, l.lease)
		return err
	})
	if err != nil {
		state = stores.New
		if earlier, ok := l.memory.doneElsewhere(c.key); ok {
			state, at = stores.Done, earlier
		}
	}
	if state != stores.New {
		// A done mark of another instance is not copied, so that forgetting it
		// there is enough.
		_ = l.memory.Release(ctx, c.key, c.token)
		return state, at, err
	}
	c.turn = make(chan struct{}, 1)
	c.renewal = time.AfterFunc(time.Hour, c.renew)
	c.renewal.Reset(l.lease / renewals) // only now, because renew needs the timer itself
	return state, at, err
}

// renew keeps the claim while the handlers run. They run on if it is lost, because
// what they have begun cannot be taken back.
func (c *Claim) renew() {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default: // the end has come
		return
	}
	left := time.Until(c.until)
	if left <= 0 {
		return
	}
	err := c.ledger.call(context.Background(), StepRenew, c.id, func(ctx context.Context) error {
		return c.ledger.store.Renew(ctx, c.key, c.token, min(c.ledger.lease, left))
	})
	if !errors.Is(err, stores.ErrLost) {
		c.renewal.Reset(c.ledger.lease / renewals)
	}
}

// end returns when no renewal is under way and none will be, so that none comes
// after the end of the claim.
func (c *Claim) end() {
	if c.turn != nil {
		c.turn <- struct{}{}
		c.renewal.Stop()
	}
}

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
