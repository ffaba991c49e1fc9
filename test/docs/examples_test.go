package docs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// example is a folder of examples, run by the commands of its README with a
// real caddy command in a folder of its own.
type example struct {
	caddyfile string
	lines     []string // the commands of its README, in order
}

// openExample makes a folder that holds the example's Caddyfile the current one.
// Each old value in replacements, which alternate as in strings.NewReplacer,
// must stand in the Caddyfile or in a command.
func openExample(t testing.TB, name string, replacements ...string) *example {
	t.Helper()
	folder := filepath.Join("examples", name)
	e := &example{caddyfile: testcaddy.ReadFile(t, filepath.Join(folder, "Caddyfile"))}
	var commands string
	for _, b := range blocksOf(t, filepath.Join(folder, "README.md")) {
		commands += b.text
	}
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(e.caddyfile+commands, replacements[i]) {
			t.Fatalf("%s does not have %q any more", folder, replacements[i])
		}
	}
	replacer := strings.NewReplacer(replacements...)
	e.caddyfile = replacer.Replace(e.caddyfile)
	e.lines = strings.Split(strings.ReplaceAll(strings.TrimSpace(replacer.Replace(commands)), "|\n", "| "), "\n")

	testcaddy.InstallCaddy(t)
	t.Setenv("CADDY_ADMIN", testcaddy.FreeAddress(t))
	e.write(t)
	return e
}

func (e *example) write(t testing.TB) {
	t.Helper()
	if err := os.WriteFile("Caddyfile", []byte(e.caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
}

// setOptions adds global options to those of the example.
func (e *example) setOptions(t testing.TB, options string) {
	t.Helper()
	before, after, found := strings.Cut(e.caddyfile, "{\n")
	if !found || before != "" {
		t.Fatal("the example does not begin with global options")
	}
	e.caddyfile = "{\n" + options + "\n" + after
	e.write(t)
}

// line returns the only command of the README that contains the text.
func (e *example) line(t testing.TB, text string) string {
	t.Helper()
	i := slices.IndexFunc(e.lines, func(line string) bool { return strings.Contains(line, text) })
	if i < 0 {
		t.Fatalf("no command has %q: %q", text, e.lines)
	}
	return e.lines[i]
}

// start runs Caddy by a command of the README until the test ends.
func (e *example) start(t testing.TB, text string) *testcaddy.Buffer {
	t.Helper()
	return startProxy(t, e.line(t, text), "serving initial configuration")
}

// expectPrinted runs a command of the README and looks for what it prints.
func (e *example) expectPrinted(t testing.TB, text string, code int, wanted ...string) {
	t.Helper()
	line := e.line(t, text)
	output, got := testcaddy.RunLine(t, line)
	if got != code {
		t.Errorf("%s: exit code %d, want %d", line, got, code)
	}
	rest := output
	for _, want := range wanted {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("%s: no %q where it belongs in\n%s", line, want, output)
		}
		rest = after
	}
}

// on returns the part of an address that stands in a Caddyfile, ":port".
func on(address string) string { return ":" + testcaddy.Port(address) }

func TestExamplesAreFormatted(t *testing.T) {
	files, err := filepath.Glob("examples/*/Caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text := testcaddy.ReadFile(t, file)
		if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
			t.Errorf("%s: caddy fmt would write\n%s", file, formatted)
		}
	}
}

func TestExamplesAreListed(t *testing.T) {
	index := testcaddy.ReadFile(t, "examples/README.md")
	files, err := filepath.Glob("examples/*/Caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if name := filepath.Base(filepath.Dir(file)); !strings.Contains(index, "| ["+name+"]("+name+") |") {
			t.Errorf("examples/README.md does not list %s", name)
		}
	}
}

func TestRoutingExample(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	replacements := []string{":8080", on(address)}
	for _, port := range []string{":9001", ":9002", ":9003", ":9004"} {
		replacements = append(replacements, port, on(testcaddy.FreeAddress(t)))
	}
	replacements = append(replacements, "clerk-webhook send ", "clerk-webhook send --to http://"+address+"/api/webhooks ")
	e := openExample(t, "routing", replacements...)
	e.start(t, "caddy run")

	for _, tt := range []struct {
		name, secret, body string
		status             int
		text               string
	}{
		{"a user", testcaddy.Secret, testcaddy.UserCreated, 200, "users"},
		{"a user of an enterprise", testcaddy.Secret, `{"type":"user.updated","data":{"public_metadata":{"plan":"enterprise"}}}`, 200, "enterprise"},
		{"a user of another plan", testcaddy.Secret, `{"type":"user.updated","data":{"public_metadata":{"plan":"free"}}}`, 200, "users"},
		{"an organization of an enterprise", testcaddy.Secret, `{"type":"organization.updated","data":{"public_metadata":{"plan":"enterprise"}}}`, 200, "organizations"},
		{"a membership", testcaddy.Secret, `{"type":"organizationMembership.deleted"}`, 200, "organizations"},
		{"a subscription", testcaddy.Secret, `{"type":"subscriptionItem.ended"}`, 200, "billing"},
		{"a payment", testcaddy.Secret, `{"type":"paymentAttempt.updated"}`, 200, "billing"},
		{"a session reaches no service", testcaddy.Secret, `{"type":"session.created"}`, 204, ""},
		{"a forgery reaches no service", testcaddy.OtherSecret, testcaddy.UserCreated, 403, ""},
		{"nor does one that claims to be of an enterprise", testcaddy.OtherSecret, `{"type":"user.updated","data":{"public_metadata":{"plan":"enterprise"}}}`, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := testcaddy.Send(t, http.DefaultClient, testcaddy.SignedRequest(t, "http://"+address+"/api/webhooks", tt.secret, tt.body))
			if a.StatusCode != tt.status || a.Text != tt.text {
				t.Errorf("got %d %q, want %d %q", a.StatusCode, a.Text, tt.status, tt.text)
			}
		})
	}
	t.Run("the commands", func(t *testing.T) {
		e.expectPrinted(t, "session.created", 0, "200  ", "users\n", "organizations\n", "billing\n", "204  ")
		e.expectPrinted(t, "plan=enterprise", 0, "200  ", "enterprise\n")
	})
}

// productionExample is the example with what cannot be had in a test replaced:
// the secret's file, the application, the ports and the issuer of certificates.
func productionExample(t testing.TB, backend *testcaddy.Backend) (e *example, client *http.Client, plain string) {
	t.Helper()
	e = openExample(t, "production", "/run/secrets/clerk_webhook", testcaddy.WriteSecret(t, testcaddy.Secret+"\n"), "localhost:3000", backend.Address)
	if output, code := testcaddy.RunLine(t, e.line(t, "caddy validate")); code != 0 || !strings.Contains(output, "Valid configuration") {
		t.Fatalf("exit code %d: %s", code, output)
	}
	secure := testcaddy.FreeAddress(t)
	plain = testcaddy.FreeAddress(t)
	storage := testcaddy.StorageDir(t)
	e.setOptions(t, "local_certs\nskip_install_trust\ndefault_bind 127.0.0.1\nhttps_port "+testcaddy.Port(secure)+"\nhttp_port "+testcaddy.Port(plain)+"\nstorage file_system "+storage)
	return e, trusting(t, secure, storage), plain
}

// trusting returns a client for which every host is at the address, and which
// trusts the certificates of the Caddy that uses the storage.
func trusting(t testing.TB, address, storage string) *http.Client {
	roots := x509.NewCertPool()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if root, err := os.ReadFile(filepath.Join(storage, "pki/authorities/local/root.crt")); err == nil {
				roots.AppendCertsFromPEM(root)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// awaitHTTPS returns when the site has its certificate.
func awaitHTTPS(t testing.TB, client *http.Client, url string) {
	t.Helper()
	testcaddy.Await(t, "the certificate", func() bool {
		response, err := client.Get(url)
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
}

// hangUp is an application that fails on requests with the query ?hang-up, which
// Caddy logs as errors.
func hangUp(_ http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == "hang-up" {
		panic(http.ErrAbortHandler)
	}
}

func TestProductionExample(t *testing.T) {
	backend := testcaddy.NewBackend(t, hangUp)
	e, client, plain := productionExample(t, backend)
	const site, endpoint = "https://example.com/", "https://example.com/api/webhooks"
	once := testcaddy.SignedRequest(t, endpoint, testcaddy.Secret, testcaddy.UserCreated)
	again := func() *http.Request {
		r := once.Clone(t.Context())
		r.Body, _ = once.GetBody()
		return r
	}

	t.Run("the first process", func(t *testing.T) {
		log := e.start(t, "caddy run")
		awaitHTTPS(t, client, site)
		backend.Take()

		testcaddy.Send(t, client, again()).Check(t, 200, "")
		arrived := testcaddy.OnlyRequest(t, backend)
		if string(arrived.Payload) != testcaddy.UserCreated || arrived.Header.Get("X-Forwarded-Proto") != "https" {
			t.Errorf("got %s with %v", arrived.Payload, arrived.Header)
		}
		testcaddy.Send(t, client, testcaddy.SignedRequest(t, endpoint, testcaddy.Secret, `{"type":"session.created"}`)).Check(t, 204, "")
		for _, path := range []string{"", "/", "/anything"} {
			testcaddy.Send(t, client, testcaddy.SignedRequest(t, endpoint+path, testcaddy.OtherSecret, testcaddy.UserCreated)).Check(t, 403, "")
		}
		testcaddy.Send(t, client, testcaddy.SignedRequest(t, site+"index.php/api/webhooks", testcaddy.OtherSecret, testcaddy.UserCreated)).Check(t, 400, "")
		testcaddy.WantNothing(t, backend)
		testcaddy.Send(t, client, testcaddy.SignedRequest(t, site+"?hang-up", testcaddy.Secret, testcaddy.UserCreated)).Check(t, 502, "")
		backend.Take()

		testcaddy.Await(t, "the access log", func() bool { return len(log.Entries(t, "handled request")) >= 8 })
		log.WaitFor(t, "http.log.error")
		if text := log.String(); !strings.Contains(text, `"Svix-Id"`) || strings.Contains(strings.ToLower(text), "svix-signature") {
			t.Error("the log has no deliveries, or their signatures")
		}
		a := testcaddy.Send(t, http.DefaultClient, request(t, "http://"+os.Getenv("CADDY_ADMIN")+"/metrics"))
		for _, series := range []string{
			`caddy_clerk_webhook_deliveries_total{endpoint="clerk",outcome="rejected",reason="signature_mismatch",type=""} 3`,
			`caddy_http_request_duration_seconds_count{code="200",handler="`,
		} {
			if !strings.Contains(a.Text, series) {
				t.Errorf("the metrics do not have %s", series)
			}
		}
		testcaddy.Send(t, testcaddy.NoRedirects, request(t, "http://"+plain+"/")).Check(t, 308, "")
	})
	t.Run("a copy is not forwarded after a restart", func(t *testing.T) {
		e.start(t, "caddy run")
		awaitHTTPS(t, client, site)
		backend.Take()
		testcaddy.Send(t, client, again()).Check(t, 200, "")
		testcaddy.WantNothing(t, backend)
	})
}

func request(t testing.TB, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newTunnel is an agent such as ngrok's: it names the address that the tunnel's
// far end saw behind what the sender wrote, and changes the host.
func newTunnel(t testing.TB, to string) (address string) {
	t.Helper()
	address = testcaddy.FreeAddress(t)
	tunnel := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: to})
			p.Out.Host = "abc123.tunnel.example"
			p.Out.Header.Set("X-Forwarded-For", p.In.Header.Get("X-Forwarded-For")+", 203.0.113.7")
			p.Out.Header.Set("X-Forwarded-Proto", "https")
		},
	}}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go tunnel.Serve(listener)
	t.Cleanup(func() { tunnel.Close() })
	return address
}

func TestTunnelExample(t *testing.T) {
	backend := testcaddy.NewBackend(t, hangUp)
	address := testcaddy.FreeAddress(t)
	e := openExample(t, "tunnel", ":8080", on(address), "localhost:3000", backend.Address)
	log := e.start(t, "caddy run")
	tunnel := newTunnel(t, address)
	stranger := &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext,
	}}
	t.Cleanup(stranger.CloseIdleConnections)

	for i, tt := range []struct {
		name      string
		client    *http.Client
		to        string
		secret    string
		status    int
		clientIP  string
		forwarded string // X-Forwarded-For as the application gets it
		proto     string
		host      string
	}{
		{"the tunnel's word counts, the sender's does not", http.DefaultClient, tunnel, testcaddy.Secret, 200, "203.0.113.7", "198.51.100.9, 203.0.113.7, 127.0.0.1", "https", "abc123.tunnel.example"},
		{"a forgery is logged with its sender", http.DefaultClient, tunnel, testcaddy.OtherSecret, 403, "203.0.113.7", "", "", ""},
		{"another proxy's word does not count", stranger, address, testcaddy.Secret, 200, "127.0.0.2", "127.0.0.2", "http", address},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := testcaddy.SignedRequest(t, "http://"+tt.to+"/api/webhooks", tt.secret, testcaddy.UserCreated)
			r.Header.Set("X-Forwarded-For", "198.51.100.9")
			r.Header.Set("X-Forwarded-Proto", "https")
			testcaddy.Send(t, tt.client, r).Check(t, tt.status, "")

			testcaddy.Await(t, "the access log", func() bool { return len(log.Entries(t, "handled request")) > i })
			logged := log.Entries(t, "handled request")[i]["request"].(map[string]any)
			if logged["client_ip"] != tt.clientIP {
				t.Errorf("the log has client_ip %v, want %s", logged["client_ip"], tt.clientIP)
			}
			if tt.status != 200 {
				testcaddy.WantNothing(t, backend)
				return
			}
			arrived := testcaddy.OnlyRequest(t, backend)
			if got := arrived.Header.Get("X-Forwarded-For"); got != tt.forwarded {
				t.Errorf("the application got X-Forwarded-For %q, want %q", got, tt.forwarded)
			}
			if got := arrived.Header.Get("X-Forwarded-Proto"); got != tt.proto {
				t.Errorf("the application got X-Forwarded-Proto %q, want %q", got, tt.proto)
			}
			if arrived.Host != tt.host {
				t.Errorf("the application got Host %q, want %q", arrived.Host, tt.host)
			}
		})
	}
	t.Run("only this machine can connect", func(t *testing.T) {
		conn, err := net.Dial("tcp", "127.0.0.2:"+testcaddy.Port(address))
		if err == nil {
			conn.Close()
			t.Error("it listens on every interface")
		}
	})
	t.Run("nothing else is public", func(t *testing.T) {
		testcaddy.Send(t, http.DefaultClient, request(t, "http://"+tunnel+"/")).Check(t, 404, "")
		testcaddy.WantNothing(t, backend)
	})
	t.Run("the command", func(t *testing.T) {
		e.expectPrinted(t, "clerk-webhook sign", 0)
		if got := testcaddy.OnlyRequest(t, backend).Header.Get("X-Forwarded-For"); got != "203.0.113.7, 127.0.0.1" {
			t.Errorf("X-Forwarded-For is %q", got)
		}
	})
	t.Run("an application that fails", func(t *testing.T) {
		testcaddy.Send(t, http.DefaultClient, testcaddy.SignedRequest(t, "http://"+tunnel+"/api/webhooks?hang-up", testcaddy.Secret, testcaddy.UserCreated)).Check(t, 502, "")
		log.WaitFor(t, "http.log.error")
	})
	if text := log.String(); strings.Contains(strings.ToLower(text), "svix-signature") {
		t.Error("signatures are logged")
	}
}

func TestFleetExample(t *testing.T) {
	first, second := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	e := openExample(t, "fleet", "PORT=8080", "PORT="+testcaddy.Port(first), "PORT=8081", "PORT="+testcaddy.Port(second),
		"localhost:8080", first, "localhost:8081", second,
		"CADDY_ADMIN=localhost:2020", "CADDY_ADMIN="+testcaddy.FreeAddress(t),
		"STORE='redis {env.REDIS_URL}' REDIS_URL=redis://localhost:6379", "STORE=storage")
	e.caddyfile = "{\ndefault_bind 127.0.0.1\nstorage file_system " + testcaddy.StorageDir(t) + "\n}\n" + e.caddyfile
	e.write(t)

	t.Run("two instances", func(t *testing.T) {
		e.start(t, "PORT="+testcaddy.Port(first))
		e.start(t, "PORT="+testcaddy.Port(second))
		e.expectPrinted(t, "--to http://"+first, 0, "200  ", "handled behind port "+testcaddy.Port(first))
		checkNotForwarded(t, e.line(t, "--to http://"+second))
		checkNotForwarded(t, e.line(t, "--to http://"+first))
	})
	t.Run("the second alone, after a restart", func(t *testing.T) {
		e.start(t, "PORT="+testcaddy.Port(second))
		checkNotForwarded(t, e.line(t, "--to http://"+second))
		output, code := testcaddy.RunLine(t, strings.Replace(e.line(t, "--to http://"+second), "msg_1", "msg_2", 1))
		if code != 0 || !strings.Contains(output, "handled behind port "+testcaddy.Port(second)) {
			t.Errorf("another delivery: exit code %d: %s", code, output)
		}
	})
}

// checkNotForwarded runs a command that sends a copy.
func checkNotForwarded(t testing.TB, line string) {
	t.Helper()
	output, code := testcaddy.RunLine(t, line)
	if code != 0 || !strings.Contains(output, "200  ") || !strings.Contains(output, "not forwarded again") {
		t.Errorf("%s: exit code %d: %s", line, code, output)
	}
}
