package monitoring

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

const (
	secret         = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	previousSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	unknownSecret  = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
)

// site is a running Caddy with two endpoints. One gets every kind of request.
// The other has a wrong secret.
type site struct {
	address, admin, storage string
	backend                 *backend
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{address: freeAddress(t), admin: freeAddress(t), storage: filepath.Join(t.TempDir(), "storage"), backend: newBackend(t)}
	config := fmt.Sprintf(`{
	admin %s
	persist_config off
	default_bind 127.0.0.1
	metrics
	storage file_system %s
}
http://%s {
	handle /webhooks {
		clerk_webhook {
			name clerk
			secret current %s
			secret previous %s
			events user.* custom.*
			body_timeout 200ms
			max_body 64KiB
			deduplicate 48h storage
		}
		reverse_proxy %s
	}
	handle /mistaken {
		clerk_webhook {
			name mistaken
			secret %s
		}
		reverse_proxy %[6]s
	}
}
`, s.admin, s.storage, s.address, secret, previousSecret, s.backend.address, unknownSecret)
	start(t, []string{"caddy", "run", "--adapter", "caddyfile", "--config", "-"}, config)
	await(t, s.address)
	return s
}

// backend fails if the id says so, and delays its answer if the id says slow.
type backend struct {
	address string
	arrived chan struct{} // one for each slow delivery
	goOn    chan struct{}
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{arrived: make(chan struct{}, 100), goOn: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch id := r.Header.Get("Svix-Id"); {
		case strings.HasPrefix(id, "msg_failing"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.HasPrefix(id, "msg_slow"):
			b.arrived <- struct{}{}
			<-b.goOn
		}
	}))
	t.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

// start runs a program until the test ends.
func start(t *testing.T, line []string, input string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	var printed bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &printed, &printed
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's context has stopped it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s printed\n%s", line[0], printed.String())
		}
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	found, err := loopback.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

// await returns when something listens at the address.
func await(t *testing.T, address string) {
	t.Helper()
	eventually(t, "a listener on "+address, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// eventually polls, because other programs do not say when they are done.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); ; <-time.After(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s: %v", what, err)
		}
	}
}

// clerkWebhook runs a command of the plugin and returns its output. The tests
// of the metrics check why send was refused.
func clerkWebhook(t *testing.T, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "caddy", append([]string{"clerk-webhook"}, arguments...)...)
	cmd.Env = append(os.Environ(), "CLERK_WEBHOOK_SIGNING_SECRET="+secret)
	var faults bytes.Buffer
	cmd.Stderr = &faults
	printed, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v: %v: %s", arguments, err, faults.String())
	}
	return string(printed)
}

func (s *site) send(t *testing.T, arguments ...string) {
	t.Helper()
	clerkWebhook(t, append([]string{"send", "--to", "http://" + s.address + "/webhooks"}, arguments...)...)
}

// raw sends a delivery over its own connection, with the headers of a genuine
// delivery and the given ones. It returns the status.
func (s *site) raw(t *testing.T, contentLength int, body, moreHeaders string) string {
	t.Helper()
	var signed map[string]string
	if err := json.Unmarshal([]byte(clerkWebhook(t, "sign", "--json", "--data", `{"type":"user.created"}`)), &signed); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := "POST /webhooks HTTP/1.1\r\nHost: " + s.address + "\r\nContent-Length: " + strconv.Itoa(contentLength) + "\r\n" + moreHeaders
	for name, value := range signed {
		head += name + ": " + value + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	if contentLength > len(body) && body != "" { // the rest never comes
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	answer, _ := io.ReadAll(conn) // an error here only means that the connection has ended
	status, _, _ := strings.Cut(string(answer), "\r\n")
	return status
}

// everything causes each outcome and each reason. It causes those that have an
// alert often enough for the alert.
func (s *site) everything(t *testing.T, round int) {
	t.Helper()
	id := func(name string) string { return fmt.Sprintf("--id=msg_%s_%d", name, round) }
	s.send(t, "user.*", "session.created")
	s.send(t, "--data", `{"type":"custom.event","data":{}}`)
	s.send(t, "user.created", "--secret", previousSecret)
	for range 2 {
		s.send(t, "user.created", id("copied"))
	}
	s.send(t, "user.created", id("failing"))
	s.sendWhileUnderWay(t, id("slow"))

	s.send(t, "user.created", "--invalid", "signature", "--count", "25")
	s.send(t, "user.created", "--to", "http://"+s.address+"/mistaken", "--count", "10")
	s.send(t, "user.created", "--invalid", "timestamp", "--count", "10")
	s.send(t, "user.created", "--timestamp", "+10m")
	s.send(t, "user.created", "--invalid", "missing-header")
	s.get(t)
	s.raw(t, 0, "", "svix-id: msg_another\r\nConnection: close\r\n")
	for range 6 {
		s.raw(t, 1<<20, "", "Connection: close\r\n")
	}
	s.raw(t, 100, "", "Connection: close\r\n")        // never sent
	s.raw(t, 100, `{"data"`, "Connection: close\r\n") // cut short
}

// sendWhileUnderWay sends a delivery and, while the backend handles it, a copy.
func (s *site) sendWhileUnderWay(t *testing.T, id string) {
	t.Helper()
	var first sync.WaitGroup
	first.Go(func() { s.send(t, "user.created", id) })
	select {
	case <-s.backend.arrived:
	case <-time.After(20 * time.Second):
		t.Error("the slow delivery never arrived")
	}
	s.send(t, "user.created", id)
	s.backend.goOn <- struct{}{}
	first.Wait()
}

func (s *site) get(t *testing.T) {
	t.Helper()
	response := get(t, "http://"+s.address+"/webhooks")
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a GET is answered with %s", response.Status)
	}
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// breakStorage replaces the storage's directory with a file.
func (s *site) breakStorage(t *testing.T) {
	t.Helper()
	if err := os.Rename(s.storage, s.storage+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.storage, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *site) metrics(t *testing.T) string {
	t.Helper()
	response := get(t, "http://"+s.admin+"/metrics")
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
