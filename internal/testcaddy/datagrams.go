package testcaddy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

func init() { caddy.RegisterModule(ordered{}) }

// ordered wraps the socket of an HTTP/3 server so that the race detector knows,
// as it does of TCP, that what was sent came before what received it. Without
// that it finds races between whatever a test did before a request and the
// server, which has no other tie to it than the datagrams.
type ordered struct{}

func (ordered) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.packetconns.ordered", New: func() caddy.Module { return new(ordered) }}
}

func (ordered) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (ordered) WrapPacketConn(conn net.PacketConn) net.PacketConn { return orderedConn{conn} }

type orderedConn struct{ net.PacketConn }

// datagrams counts those sent; what matters is that both sides touch it.
var datagrams atomic.Int64

func (c orderedConn) WriteTo(p []byte, to net.Addr) (int, error) {
	datagrams.Add(1)
	return c.PacketConn.WriteTo(p, to)
}

func (c orderedConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(p)
	datagrams.Load()
	return n, from, err
}

// http3Transport speaks HTTP/3 over a socket that is ordered, too.
func http3Transport(t testing.TB) http.RoundTripper {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections := &quic.Transport{Conn: orderedConn{socket}}
	requests := &http3.Transport{
		TLSClientConfig:    anyCertificate(),
		DisableCompression: true,
		Dial: func(ctx context.Context, address string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			server, err := net.ResolveUDPAddr("udp", address)
			if err != nil {
				return nil, err
			}
			return connections.DialEarly(ctx, server, tlsConfig, config)
		},
	}
	t.Cleanup(func() {
		_ = requests.Close()
		_ = connections.Close()
		socket.Close()
	})
	return requests
}
