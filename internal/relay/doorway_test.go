package relay

import (
	"fmt"
	"testing"
	"time"
)

// TestAFloodTakesThePlacesOfItsOwnNetwork lets strangers connect after a listener,
// before it has shown its token.
func TestAFloodTakesThePlacesOfItsOwnNetwork(t *testing.T) {
	tests := map[string]struct {
		listener string
		stranger func(n int) string
		count    int
		goes     bool
	}{
		"from another address":           {"198.51.100.1", func(int) string { return "203.0.113.7" }, 10_000, false},
		"from a few other addresses":     {"198.51.100.1", func(n int) string { return fmt.Sprint("203.0.113.", n%250) }, 10_000, false},
		"from an IPv6 network":           {"198.51.100.1", func(n int) string { return fmt.Sprintf("2001:db8::%x", n) }, 10_000, false},
		"from an IPv6 network with zone": {"198.51.100.1", func(n int) string { return fmt.Sprintf("fe80::%x%%eth0", n) }, 10_000, false},
		"from nowhere":                   {"198.51.100.1", func(int) string { return "" }, 10_000, false},
		"from everywhere, a few":         {"198.51.100.1", func(n int) string { return fmt.Sprintf("2001:db8:0:%x::1", n) }, maxWaiting - 1, false},
		"from everywhere":                {"198.51.100.1", func(n int) string { return fmt.Sprintf("2001:db8:0:%x::1", n) }, maxWaiting, true},
		"from the same address, a few":   {"203.0.113.7", func(int) string { return "203.0.113.7" }, maxWaiting - 1, false},
		"from the same address":          {"203.0.113.7", func(int) string { return "::ffff:203.0.113.7" }, maxWaiting, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var d Doorway
			for n := range maxWaiting {
				d.enter(test.stranger(n), new(ended))
			}
			listener := new(ended)
			leave := d.enter(test.listener, listener)
			for n := range test.count {
				d.enter(test.stranger(n), new(ended))
			}
			if goes := bool(*listener); goes != test.goes {
				t.Errorf("the listener had to go: %t", goes)
			}
			leave()
			if len(d.waiting) > maxWaiting || len(d.count) > len(d.waiting) {
				t.Errorf("%d connections from %d networks wait", len(d.waiting), len(d.count))
			}
		})
	}
}

type ended bool

func (e *ended) endAfter(time.Duration) { *e = true }
