package testcaddy

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// Port returns the port of an address.
func Port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// Await waits for what happens soon but has no event to wait for.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("waited in vain for %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
		<-time.After(time.Millisecond)
	}
}

// AtOnce is what counts as no delay on a busy machine: less than what the tests
// set for whatever could be waited for.
const AtOnce = 5 * time.Second
