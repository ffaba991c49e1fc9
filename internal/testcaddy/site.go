package testcaddy

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// Site is a Caddy site that can be reached over every version of HTTP.
type Site struct {
	Plain   string // the address that speaks HTTP without TLS
	Secure  string // the address that speaks HTTP over TLS and QUIC
	Clients []Client

	options []string
}

// Client speaks one version of HTTP, over connections of its own.
type Client struct {
	*http.Client
	Name string
	URL  string // of the site, without a path
}

// RunSite starts Caddy with one site that consists of the given directives.
// What stands in serverOptions is added to the global servers option.
func RunSite(t testing.TB, directives, serverOptions string) *Site {
	t.Helper()
	s := &Site{Plain: FreeAddress(t), Secure: FreeAddress(t)}
	s.options = []string{"servers {\nprotocols h1 h2 h2c h3\n" + serverOptions + "\n}"}
	Run(t, s.caddyfile(directives), s.options...)
	s.awaitCertificate(t)
	s.Clients = []Client{
		s.client(t, "HTTP/1.1", httpTransport((*http.Protocols).SetHTTP1), "http://"+s.Plain),
		s.client(t, "HTTP/2 without TLS", httpTransport((*http.Protocols).SetUnencryptedHTTP2), "http://"+s.Plain),
		s.client(t, "HTTP/2", httpTransport((*http.Protocols).SetHTTP2), "https://"+s.Secure),
		s.client(t, "HTTP/3", &http3.Transport{TLSClientConfig: anyCertificate(), DisableCompression: true}, "https://"+s.Secure),
	}
	return s
}

// awaitCertificate returns when Caddy, which issues certificates in the
// background, has one.
func (s *Site) awaitCertificate(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := tls.Dial("tcp", s.Secure, anyCertificate())
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for the certificate: %v", err)
		}
		<-time.After(5 * time.Millisecond) // Caddy has no event that tells
	}
}

// Reload changes the directives, gracefully.
func (s *Site) Reload(t testing.TB, directives string) {
	t.Helper()
	Reload(t, s.caddyfile(directives), s.options...)
}

func (s *Site) caddyfile(directives string) string {
	return fmt.Sprintf("(site) {\n%s\n}\nhttp://%s {\nimport site\n}\nhttps://%s {\ntls internal\nimport site\n}\n", directives, s.Plain, s.Secure)
}

func (*Site) client(t testing.TB, name string, transport http.RoundTripper, url string) Client {
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	if closer, ok := transport.(*http3.Transport); ok {
		t.Cleanup(func() { _ = closer.Close() })
	}
	return Client{Client: client, Name: name, URL: url}
}

func httpTransport(choose func(*http.Protocols, bool)) *http.Transport {
	protocols := new(http.Protocols)
	choose(protocols, true)
	return &http.Transport{Protocols: protocols, TLSClientConfig: anyCertificate(), DisableCompression: true}
}

// anyCertificate trusts the certificate that Caddy has just issued to itself.
func anyCertificate() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true}
}
