//go:build linux

// Package rig has what the benchmark programs share: deliveries, the load, the
// processes, their CPU time and memory.
package rig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// Kilobyte is the unit of body sizes.
const Kilobyte = 1 << 10

const (
	// Secret is the signing secret of the measured servers.
	Secret = "whsec_bm90IGEgc2VjcmV0LCBvbmx5IGZvciBiZW5jaA=="

	// EventType is the type of every payload.
	EventType = "organizationMembership.created"
)

// Payload returns an event as Clerk sends it, compact and with its type last.
// Padding in its data brings it to exactly size bytes.
func Payload(size int) ([]byte, error) {
	example, known := event.Example(EventType)
	if !known {
		return nil, fmt.Errorf("there is no example of %s", EventType)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, example); err != nil {
		return nil, err
	}
	const opening = `{"data":{`
	rest, ok := bytes.CutPrefix(compact.Bytes(), []byte(opening))
	if !ok || !bytes.HasSuffix(rest, []byte(`,"type":"`+EventType+`"}`)) {
		return nil, fmt.Errorf("the example of %s does not begin with its data and end with its type", EventType)
	}
	padding, err := padding(size - compact.Len())
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(opening), padding, rest), nil
}

// padding returns members of a JSON object, with a comma after the last. They
// are as many small records as fit into size, and then a string.
func padding(size int) ([]byte, error) {
	const (
		record  = `{"id":"inv_2bNiO3fLmZ8QJm4rXqf0Tt9yWcD","role":"org:member","created_at":1771059845123,"accepted":true},`
		records = `"records":[`
		filler  = `null],"note":"",`
	)
	room := size - len(records) - len(filler)
	if room < 0 {
		return nil, fmt.Errorf("the example of %s is too large to be padded", EventType)
	}
	members := records + strings.Repeat(record, room/len(record)) + strings.TrimSuffix(filler, `",`)
	return []byte(members + strings.Repeat("x", room%len(record)) + `",`), nil
}

// SignedHeaders returns the headers of a delivery of body. Svix's library signs
// them with the secret, for the given time.
func SignedHeaders(secret, id string, at time.Time, body []byte) (http.Header, error) {
	wh, err := svix.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	signatures, err := wh.Sign(id, at, body)
	if err != nil {
		return nil, err
	}
	return http.Header{
		"Content-Type":   {"application/json"},
		"User-Agent":     {"Svix-Webhooks/1.84.0 (bench)"},
		"Svix-Id":        {id},
		"Svix-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Svix-Signature": {signatures},
	}, nil
}

// SizeName returns a body's size as the tables show it.
func SizeName(size int) string {
	switch {
	case size == 0:
		return "none"
	case size >= Kilobyte*Kilobyte:
		return fmt.Sprintf("%d MB", size/Kilobyte/Kilobyte)
	}
	return fmt.Sprintf("%d KB", size/Kilobyte)
}
