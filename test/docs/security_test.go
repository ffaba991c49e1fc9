package docs_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestEveryTestThatSecurityNamesExists keeps docs/security.md from promising
// what no test checks any more.
func TestEveryTestThatSecurityNamesExists(t *testing.T) {
	text := testcaddy.ReadFile(t, "docs/security.md")
	for _, match := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`(?: \\(([a-z0-9/.]+)\\))?").FindAllStringSubmatch(text, -1) {
		name, folder := match[1], match[2]
		t.Run(name, func(t *testing.T) {
			if !hasTest(t, folder, name) {
				t.Errorf("there is no %s in %q", name, "./"+folder)
			}
		})
	}
	for _, match := range regexp.MustCompile("`(e2e/[a-z/]+)").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(match[1]); err != nil {
			t.Error(err)
		}
	}
	_, table, _ := strings.Cut(text, "| Guarantee | Tests |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		if !strings.Contains(row, "`Test") {
			t.Errorf("no test checks %s", row)
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	pattern := filepath.Join(folder, "*_test.go")
	if folder == "" {
		pattern = "test/*/*_test.go"
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(testcaddy.ReadFile(t, file), "\nfunc "+name+"(t *testing.T) {") {
			return true
		}
	}
	return false
}

// TestDocumentedWaysAroundPathMatchers checks what docs/security.md advises for
// targets that no matcher covers.
func TestDocumentedWaysAroundPathMatchers(t *testing.T) {
	targets := []string{"/api/webhooks", "/api/webhooks/", "/api/webhooks;x", "/api;x/webhooks", "//x/api/webhooks", "/api/%2577ebhooks", "/x/..;/api/webhooks", "/api%5cwebhooks", `/api\webhooks`}
	for heading, isTrusted := range map[string]func(upstream string, r testcaddy.Received) bool{
		"A backend for webhooks only": func(upstream string, _ testcaddy.Received) bool { return upstream == "localhost:4000" },
		"A header that only Caddy sets": func(_ string, r testcaddy.Received) bool {
			return strings.Join(r.Header["Webhook-Verified"], ",") == "true"
		},
	} {
		t.Run(heading, func(t *testing.T) {
			s := newSite(t, blockUnder(t, heading).text)
			testcaddy.Run(t, s.caddyfile)
			trusted := func() (n int) {
				for upstream, b := range s.backends {
					for _, r := range b.Take() {
						if isTrusted(upstream, r) {
							n++
						}
					}
				}
				return n
			}
			for _, target := range targets {
				conn := testcaddy.Dial(t, strings.TrimPrefix(s.url, "http://"))
				conn.Send(t, "POST "+target+" HTTP/1.1\r\nHost: 127.0.0.1\r\nWebhook-Verified: true\r\nContent-Length: 0\r\n\r\n")
				if _, err := conn.Answer("POST"); err != nil {
					t.Fatal(err)
				}
				if trusted() > 0 {
					t.Errorf("the backend trusts an unsigned request to %s", target)
				}
			}
			testcaddy.Send(t, http.DefaultClient, s.request(t, promise{}))
			if n := trusted(); n != 1 {
				t.Errorf("the backend trusts %d of 1 genuine delivery", n)
			}
		})
	}
}

func TestNobodyCanForgeTheHeaderThatOnlyCaddySets(t *testing.T) {
	s := newSite(t, blockUnder(t, "A header that only Caddy sets").text)
	_, directives, _ := strings.Cut(s.caddyfile, "{\n")
	site, backend := testcaddy.RunSite(t, strings.TrimSuffix(directives, "}\n"), ""), s.backends["localhost:3000"]
	for _, client := range site.Clients {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.URL+"/other", io.NopCloser(strings.NewReader("{}")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{"Webhook-Verified": {"true"}, "Webhook_verified": {"true"}}
		testcaddy.Send(t, client.Client, r)
		if got := testcaddy.OnlyRequest(t, backend); len(got.Trailer) > 0 || !got.Close {
			t.Errorf("%s: the trailers %v arrived on a connection that ends: %v", client.Name, got.Trailer, got.Close)
		}
		for _, path := range []string{"", "/other", "/api/webhooks"} {
			testcaddy.SendConnect(t, client, path, "")
			testcaddy.WantNothing(t, backend)
		}
	}
	conn := testcaddy.Dial(t, site.Plain)
	conn.Send(t, "POST /other HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}")
	if _, err := conn.Answer("POST"); err != nil {
		t.Fatal(err)
	}
	if got := testcaddy.OnlyRequest(t, backend); !got.Close {
		t.Error("a body with an Upgrade arrived on a connection that goes on")
	}
}

// A rejected request keeps the header that its sender sent. The error route removes it.
func TestErrorRouteRemovesTheHeaderThatOnlyCaddySets(t *testing.T) {
	const heading, documented = "A header that only Caddy sets", "request_header -Webhook-Verified"
	_, section, _ := strings.Cut(testcaddy.ReadFile(t, "docs/security.md"), "### "+heading+"\n")
	if section, _, _ = strings.Cut(section, "\n## "); !strings.Contains(section, "`"+documented+"`") {
		t.Fatalf("docs/security.md does not say %s", documented)
	}
	for directive, arrives := range map[string]bool{"": true, documented: false} {
		s := newSite(t, blockUnder(t, heading).text)
		backend := s.backends["localhost:3000"]
		s.caddyfile = strings.TrimSuffix(s.caddyfile, "}\n") + "handle_errors {\n" + directive + "\nreverse_proxy " + backend.Address + "\n}\n}\n"
		s.run(t)
		r := s.request(t, promise{secret: unknownSecret})
		r.Header.Set("Webhook-Verified", "true")
		testcaddy.Send(t, http.DefaultClient, r)
		if got := testcaddy.OnlyRequest(t, backend).Header.Get("Webhook-Verified"); (got != "") != arrives {
			t.Errorf("%q: the error route passed on the header %q", directive, got)
		}
	}
}

// try_files runs before the guard, and php_fastcgi after it. docs/security.md says so.
func TestOrderOfTheGuardAndPHP(t *testing.T) {
	for directives, guardIsFirst := range map[string]bool{
		"php_fastcgi localhost:9000\nclerk_webhook /api/webhooks*":                                          true,
		"try_files {path} /index.php\nclerk_webhook /api/webhooks*":                                         false,
		"route {\nclerk_webhook /api/webhooks*\ntry_files {path} /index.php\nphp_fastcgi localhost:9000\n}": true,
	} {
		file := filepath.Join(t.TempDir(), "Caddyfile")
		if err := os.WriteFile(file, []byte("http://localhost:1 {\n"+directives+"\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		config, code := testcaddy.RunLine(t, "go run -C "+testcaddy.Root()+" ./cmd/caddy adapt --adapter caddyfile --config "+file)
		guard, script := strings.Index(config, `"clerk_webhook"`), strings.Index(config, "index.php")
		if code != 0 || guard < 0 || script < 0 || (guard < script) != guardIsFirst {
			t.Errorf("%s: exit code %d: %s", directives, code, config)
		}
	}
}
