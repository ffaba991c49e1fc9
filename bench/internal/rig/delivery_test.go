//go:build linux

package rig

import (
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func TestPayloadHasItsSizeAndItsTypeLast(t *testing.T) {
	for _, size := range []int{2 * Kilobyte, 20 * Kilobyte, 250 * Kilobyte, 1024 * Kilobyte} {
		body, err := Payload(size)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) != size || string(event.TypeOf(body)) != EventType || !strings.HasSuffix(string(body), `,"type":"`+EventType+`"}`) {
			t.Errorf("%d bytes wanted, got %d, of type %q", size, len(body), event.TypeOf(body))
		}
	}
}
