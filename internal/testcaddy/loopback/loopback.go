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

// The ports lie below those that systems give to outgoing connections and to whoever
// listens on port 0 (Linux from 32768, others from 49152). Such a port can be taken
// again between being found and being used.
//
// They are in blocks. A process owns a block as long as it listens on the first port
// of it. So two processes never find the same port. That matters because two Caddys can
// listen on one port at the same time.
const (
	firstPort = 10_000
	lastPort  = 29_999
	blockSize = 100
)

// owned are the ports of this process's blocks that were not found yet.
var owned struct {
	sync.Mutex
	ports  []int
	blocks []net.Listener // never closed
}

// FreeAddresses returns n addresses, "127.0.0.1:port", on which nothing listens. No
// address is found twice.
func FreeAddresses(n int) ([]string, error) {
	owned.Lock()
	defer owned.Unlock()
	var addresses []string
	for len(addresses) < n {
		if len(owned.ports) == 0 {
			if err := ownBlock(); err != nil {
				return nil, err
			}
		}
		port := owned.ports[0]
		owned.ports = owned.ports[1:]
		if listener, err := listen(port); err == nil {
			_ = listener.Close()
			addresses = append(addresses, listener.Addr().String())
		}
	}
	return addresses, nil
}

func ownBlock() error {
	for _, block := range rand.Perm((lastPort + 1 - firstPort) / blockSize) {
		first := firstPort + block*blockSize
		listener, err := listen(first)
		if err != nil {
			continue // another process's, or one that this process has used up
		}
		owned.blocks = append(owned.blocks, listener)
		for port := first + 1; port < first+blockSize; port++ {
			owned.ports = append(owned.ports, port)
		}
		return nil
	}
	return fmt.Errorf("no free ports from %d to %d", firstPort, lastPort)
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
