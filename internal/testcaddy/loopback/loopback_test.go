package loopback_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// A port that the system also gives to outgoing connections may be gone again
// when the server that was to listen there starts.
func TestFreeAddressesStayFree(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		addresses, err := loopback.FreeAddresses(50)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range addresses {
			host, text, err := net.SplitHostPort(address)
			if err != nil || host != "127.0.0.1" {
				t.Fatalf("%q is not a port on the loopback interface", address)
			}
			if port, err := strconv.Atoi(text); err != nil || port < 1024 || port >= 32_768 {
				t.Fatalf("%q can be taken by an outgoing connection", address)
			}
			if seen[address] {
				t.Fatalf("%q was found twice", address)
			}
			seen[address] = true
		}
	}
}
