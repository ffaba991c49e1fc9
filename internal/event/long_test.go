//go:build long

package event_test

import (
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func TestStoryOfEveryTwoEventsKeepsTheirShapes(t *testing.T) {
	for _, first := range event.Catalogue() {
		for _, second := range event.Catalogue() {
			checkShapeAfter(t, first, second)
		}
	}
}
