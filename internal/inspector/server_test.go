package inspector

import (
	"net"
	"slices"
	"testing"
)

func TestMatchAddr(t *testing.T) {
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
		{"QUIC, which has no address of the connection", tcp("::", 443), &net.UDPAddr{IP: net.IPv6unspecified, Port: 443}, 2},
		{"QUIC, and a listener with an address", tcp("192.0.2.1", 443), &net.UDPAddr{IP: net.IPv6unspecified, Port: 443}, 1},
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

func TestArrivalCandidates(t *testing.T) {
	const connection = "203.0.113.9:443"
	for _, test := range []struct {
		name   string
		listen []string
		want   []string
	}{
		{"the connection's, if nothing else is known", nil, []string{connection}},
		{"the connection's, at that address", []string{"203.0.113.9:443"}, []string{connection}},
		{"the connection's, at any address", []string{":80", ":443"}, []string{connection}},
		{"the connection's, in a range of ports", []string{":440-450"}, []string{connection}},
		{"the connection's, at an inherited listener", []string{"fd/3"}, []string{connection}},
		{"the server's, behind a load balancer", []string{"127.0.0.1:8080", "tcp4/127.0.0.1:8081"}, []string{"127.0.0.1:8080", "127.0.0.1:8081"}},
		{"a socket, behind a load balancer", []string{"unix//run/caddy.sock|0222"}, []string{"/run/caddy.sock"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, addr := range (arrival{&net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 443}, test.listen}).candidates() {
				got = append(got, addr.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
