// Package loopback finds addresses for servers of tests and measurements, which
// listen on this machine only.
package loopback

import "net"

// FreeAddresses returns n addresses, "127.0.0.1:port", on which nothing listens.
func FreeAddresses(n int) (addresses []string, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // all at the end, so that none is found twice
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
