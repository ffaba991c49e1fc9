//go:build long

package guard_test

import (
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// A thousand senders that announce 1 MiB each and send 1 KB.
func TestMemoryOfAnnouncedBodies(t *testing.T) {
	const connections, mostMiB = 1000, 40
	server := startProcess(t)
	r := rawDelivery(t, "/hooks", "msg_1", testcaddy.UserCreated)
	r.set("Content-Length", "1048576")
	text := r.head() + ownedBody(0, 1024)

	before := server.residentKiB(t)
	for range connections {
		dial(t, server.address).Send(t, text)
	}
	server.awaitInFlight(t, connections)
	grown := (server.residentKiB(t) - before) >> 10
	t.Logf("%d connections that announce 1 MiB and send 1 KB: %d MiB more, from %d MiB", connections, grown, before>>10)
	if grown > mostMiB {
		t.Errorf("resident memory grew by %d MiB, want at most %d", grown, mostMiB)
	}
}
