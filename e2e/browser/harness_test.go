// Package browser tests the inspector's page in a real browser, with a real Caddy and
// signed deliveries.
package browser

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
	"github.com/chromedp/chromedp"
	svix "github.com/svix/svix-webhooks/go"
)

const (
	secret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	patience    = 15 * time.Second // enough on a busy machine for what takes milliseconds
)

// chromium is the browser that all tests share. Each test has its own profile in it.
var chromium context.Context

func TestMain(m *testing.M) {
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(os.Getenv("CHROMIUM")),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, // it makes a new profile
		chromedp.Flag("disable-quic", true),
		// Ports that Chromium blocks, and that the system can choose.
		chromedp.Flag("explicitly-allowed-ports", "2049,3659,4045,4190,5060,5061,6000,6566,6665,6666,6667,6668,6669,6679,6697,10080"),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 800),
	)
	browser, closeBrowser := chromedp.NewContext(allocator)
	chromium = browser
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "starting Chromium, which the script ./run finds or installs:", err)
		os.Exit(1)
	}
	code := m.Run()
	closeBrowser()
	closeAllocator()
	os.Exit(code)
}

// desk is a Caddy with a guarded site, a backend behind it and an inspector.
type desk struct {
	t         testing.TB
	site      string // the URL of the webhook endpoint
	inspector string // the URL of the page
	config    string
	admin     string // a socket
	caddy     *exec.Cmd

	mu     sync.Mutex
	bodies []string // that the backend has received
	answer http.HandlerFunc
}

const siteAndInspector = `
http://localhost:{$SITE} {
	handle /webhooks/clerk {
		clerk_webhook {
			secret production ` + secret + `
			events user.* organization*
			deduplicate
			inspect
		}
		reverse_proxy {$BACKEND}
	}
}
http://localhost:{$INSPECTOR} {
	clerk_webhook_inspector
}
`

// newDesk starts everything. mounted is another Caddyfile and the path of the inspector
// in it. The default path is the root of the site.
func newDesk(t testing.TB, mounted ...string) *desk {
	t.Helper()
	d := &desk{t: t, answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}}
	backend := httptest.NewServer(http.HandlerFunc(d.receive))
	t.Cleanup(backend.Close)

	caddyfile, path := siteAndInspector, "/"
	if len(mounted) == 2 {
		caddyfile, path = mounted[0], mounted[1]
	}
	free, err := loopback.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	sitePort, inspectorPort := strings.TrimPrefix(free[0], "127.0.0.1:"), strings.TrimPrefix(free[1], "127.0.0.1:")
	d.site = "http://localhost:" + sitePort + "/webhooks/clerk"
	d.inspector = "http://localhost:" + inspectorPort + path
	directory := t.TempDir()
	d.config = filepath.Join(directory, "Caddyfile")
	d.admin = filepath.Join(directory, "admin")
	options := "{\n\tadmin unix/" + d.admin + "\n\tpersist_config off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tgrace_period 2s\n\tstorage file_system " + directory + "\n}\n"
	filled := strings.NewReplacer("{$SITE}", sitePort, "{$INSPECTOR}", inspectorPort, "{$BACKEND}", backend.URL).Replace(caddyfile)
	if err := os.WriteFile(d.config, []byte(options+filled), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	t.Cleanup(d.stop)
	return d
}

// start starts Caddy and waits until it serves.
func (d *desk) start() {
	d.t.Helper()
	d.caddy = exec.Command(os.Getenv("CADDY"), "run", "--config", d.config)
	d.caddy.Env = append(os.Environ(), "HOME="+filepath.Dir(d.config))
	log, err := d.caddy.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.caddy.Start(); err != nil {
		d.t.Fatalf("starting Caddy, which the script ./run builds: %v", err)
	}
	serving := make(chan bool)
	go func() {
		var said strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.Contains(lines.Text(), "serving initial configuration") {
				close(serving)
				_, _ = io.Copy(io.Discard, log)
				return
			}
			fmt.Fprintln(&said, lines.Text())
		}
		d.t.Logf("Caddy did not start:\n%s", said.String())
		serving <- false
	}()
	select {
	case _, failed := <-serving:
		if failed {
			d.t.Fatal("Caddy did not start")
		}
	case <-time.After(patience):
		d.t.Fatal("Caddy did not start in time")
	}
}

func (d *desk) stop() {
	if d.caddy == nil {
		return
	}
	_ = d.caddy.Process.Signal(os.Interrupt)
	_ = d.caddy.Wait() // an interrupt may make it exit with an error
	d.caddy = nil
}

// reload makes Caddy load its configuration anew.
func (d *desk) reload() {
	d.t.Helper()
	reload := exec.CommandContext(d.t.Context(), os.Getenv("CADDY"), "reload", "--force", "--config", d.config, "--address", "unix/"+d.admin)
	if output, err := reload.CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %s", err, output)
	}
}

func (d *desk) receive(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.bodies = append(d.bodies, string(body))
	answer := d.answer
	d.mu.Unlock()
	answer(w, r)
}

// received returns the bodies that the backend has received so far.
func (d *desk) received() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.bodies...)
}

// answerWith changes how the backend answers from now on.
func (d *desk) answerWith(answer http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

// deliver sends a delivery that is signed now, and returns the status.
func (d *desk) deliver(id, body string) int {
	d.t.Helper()
	return d.deliverSigned(secret, id, body, time.Now())
}

func (d *desk) deliverSigned(with, id, body string, at time.Time) int {
	d.t.Helper()
	webhook, err := svix.NewWebhook(with)
	if err != nil {
		d.t.Fatal(err)
	}
	signature, err := webhook.Sign(id, at, []byte(body))
	if err != nil {
		d.t.Fatal(err)
	}
	return d.deliverAs(id, body, at, signature)
}

// sender follows no redirect.
var sender = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// deliverAs sends a delivery with any signature.
func (d *desk) deliverAs(id, body string, at time.Time, signature string) int {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.site, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Svix-Webhooks/1.84.0 (sender; +https://www.svix.com/http-sender/)")
	r.Header.Set("svix-id", id)
	r.Header.Set("svix-timestamp", fmt.Sprint(at.Unix()))
	r.Header.Set("svix-signature", signature)
	response, err := sender.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// user is the payload of an event about a user.
func user(eventType, name string) string {
	return fmt.Sprintf(`{"data":{"id":"user_2b","first_name":%q,"public_metadata":{"plan":"pro","seats":12345678901234567890}},"object":"event","type":%q}`, name, eventType)
}
