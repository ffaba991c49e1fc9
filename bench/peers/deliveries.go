//go:build linux

package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

const (
	// otherSecret signs the forgeries. Only their signature differs from that
	// of genuine deliveries.
	otherSecret = "whsec_YW5vdGhlciBzZWNyZXQgb2YgYSBzdHJhbmdlcg=="

	// deliveriesOfRound is how many different deliveries the connections send
	// in turn.
	deliveriesOfRound = 256
)

// delivered numbers all deliveries, so that no id is used twice.
var delivered atomic.Int64

// newDeliveries returns deliveries of one payload. Each has its own id. Svix's
// library signs them now.
func newDeliveries(size int, forged bool) ([]rig.Request, error) {
	body, err := rig.Payload(size)
	if err != nil {
		return nil, err
	}
	secret := rig.Secret
	if forged {
		secret = otherSecret
	}
	requests := make([]rig.Request, deliveriesOfRound)
	for i := range requests {
		id := fmt.Sprintf("msg_2bNiO3fLmZ8QJm4rXq%09d", delivered.Add(1))
		header, err := rig.SignedHeaders(secret, id, time.Now(), body)
		if err != nil {
			return nil, err
		}
		requests[i] = rig.NewRequest(http.MethodPost, "hooks.example.com", header, body)
	}
	return requests, nil
}
