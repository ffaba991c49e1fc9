package inspector

import (
	"net"
	"testing"
)

func TestAddressesOfServers(t *testing.T) {
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	unix := func(name string) net.Addr { return &net.UnixAddr{Name: name, Net: "unix"} }
	for _, test := range []struct {
		name            string
		listener, local net.Addr
		want            int
	}{
		{"the same", tcp("127.0.0.1", 80), tcp("127.0.0.1", 80), 2},
		{"the same in another form", tcp("127.0.0.1", 80), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 80}, 2},
		{"any interface", tcp("::", 80), tcp("192.0.2.1", 80), 1},
		{"any interface of IPv4", tcp("0.0.0.0", 80), tcp("192.0.2.1", 80), 1},
		{"QUIC, which tells none", tcp("::", 443), &net.UDPAddr{IP: net.IPv6unspecified, Port: 443}, 2},
		{"QUIC beside an address", tcp("192.0.2.1", 443), &net.UDPAddr{IP: net.IPv6unspecified, Port: 443}, 1},
		{"another port", tcp("127.0.0.1", 80), tcp("127.0.0.1", 81), 0},
		{"another interface", tcp("127.0.0.1", 80), tcp("192.0.2.1", 80), 0},
		{"a socket", unix("/run/caddy"), unix("/run/caddy"), 2},
		{"another socket", unix("/run/caddy"), unix("/run/other"), 0},
		{"a socket and a port", unix("/run/caddy"), tcp("127.0.0.1", 80), 0},
		{"a port and a socket", tcp("127.0.0.1", 80), unix("/run/caddy"), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := matchAddr(test.listener, test.local); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
