// Package loopback finds addresses for servers of tests and measurements, which
// listen on this machine only.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that are looked at lie below those that systems give to outgoing
// connections and to whoever listens on port 0 (Linux from 32768, others from
// 49152). Such a port can be taken again between being found and being used.
const (
	firstPort = 10_000
	ports     = 20_000
)

// given are the ports that were found before: none is found twice in a process.
var given sync.Map

// FreeAddresses returns n addresses, "127.0.0.1:port", on which nothing listens.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	for range ports {
		if len(addresses) == n {
			return addresses, nil
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue // taken
		}
		if err := listener.Close(); err != nil {
			return nil, err
		}
		if _, before := given.LoadOrStore(address, true); !before {
			addresses = append(addresses, address)
		}
	}
	return nil, fmt.Errorf("no %d free ports from %d to %d", n, firstPort, firstPort+ports-1)
}
