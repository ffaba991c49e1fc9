//go:build linux

package main

import (
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

const deliveryID = "msg_2bNiO3fLmZ8QJm4rXqf0Tt9yWcD"

// signedHeaders returns the headers of a genuine delivery that was signed at
// the given time.
func signedHeaders(at time.Time, body []byte) (http.Header, error) {
	return rig.SignedHeaders(rig.Secret, deliveryID, at, body)
}
