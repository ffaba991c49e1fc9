package testcaddy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Site is a Caddy site that can be reached over every version of HTTP.
type Site struct {
	Plain   string // the address that speaks HTTP without TLS
	Secure  string // the address that speaks HTTP over TLS and QUIC
	Clients []Client

	options     []string
	certificate string // the file that has it and its key
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
	s.options = []string{"servers {\nprotocols h1 h2 h2c h3\npacket_conn_wrappers {\nordered\n}\n" + serverOptions + "\n}"}
	s.certificate = writeCertificate(t)
	Run(t, s.caddyfile(directives), s.options...)
	s.Clients = []Client{
		s.client(t, "HTTP/1.1", httpTransport((*http.Protocols).SetHTTP1), "http://"+s.Plain),
		s.client(t, "HTTP/2 without TLS", httpTransport((*http.Protocols).SetUnencryptedHTTP2), "http://"+s.Plain),
		s.client(t, "HTTP/2", httpTransport((*http.Protocols).SetHTTP2), "https://"+s.Secure),
		s.client(t, "HTTP/3", http3Transport(t), "https://"+s.Secure),
	}
	return s
}

// Reload changes the directives, gracefully.
func (s *Site) Reload(t testing.TB, directives string) {
	t.Helper()
	Reload(t, s.caddyfile(directives), s.options...)
}

func (s *Site) caddyfile(directives string) string {
	return fmt.Sprintf("(site) {\n%s\n}\nhttp://%s {\nimport site\n}\nhttps://%s {\ntls %s %s\nimport site\n}\n", directives, s.Plain, s.Secure, s.certificate, s.certificate)
}

func (*Site) client(t testing.TB, name string, transport http.RoundTripper, url string) Client {
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return Client{Client: client, Name: name, URL: url}
}

func httpTransport(choose func(*http.Protocols, bool)) *http.Transport {
	protocols := new(http.Protocols)
	choose(protocols, true)
	return &http.Transport{Protocols: protocols, TLSClientConfig: anyCertificate(), DisableCompression: true}
}

// writeCertificate makes a certificate for this machine. One that Caddy issues to
// itself comes in the background, where Caddy's start and its events race.
func writeCertificate(t testing.TB) (file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	content = append(content, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encodedKey})...)
	file = filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// anyCertificate trusts whatever the server shows.
func anyCertificate() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true}
}
