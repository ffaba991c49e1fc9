package guard_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const guardedTestHandler = "clerk_webhook {\nsecret " + testcaddy.Secret + "\n}\ntest_handler" + testcaddy.Labelled

// ownedBody is a body of size bytes each of which tells which sender's it is.
func ownedBody(owner, size int) string { return strings.Repeat(string(rune('A'+owner)), size) }

// deliverOwned sends deliveries of many sizes at the same time, each full of its
// owner's letter. Errors of the connection are the test's own doing.
func deliverOwned(t *testing.T, site *testcaddy.Site, owners, rounds int) {
	t.Helper()
	var senders sync.WaitGroup
	for owner := range owners {
		client := site.Clients[owner%len(site.Clients)]
		senders.Go(func() {
			for round := range rounds {
				r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, ownedBody(owner, 9_000+round*6_007))
				r.Header.Set("X-Owner", ownedBody(owner, 1))
				if res, err := client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
		})
	}
	senders.Wait()
}

// checkOwned fails the test if a byte is not the owner's.
func checkOwned(t *testing.T, owner string, got []byte) {
	t.Helper()
	if strings.Trim(string(got), owner) != "" {
		t.Errorf("bytes of another request arrived among those of %s", owner)
	}
}

// A handler that answers and goes on reading in the background gets its own
// bytes or an error.
func TestReaderThatOutlivesItsRequest(t *testing.T) {
	var readers sync.WaitGroup
	var cut atomic.Int64
	testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
		src, owner := r.Body, r.Header.Get("X-Owner")
		readers.Go(func() {
			got := make([]byte, 512)
			for {
				n, err := src.Read(got)
				checkOwned(t, owner, got[:n])
				if errors.Is(err, http.ErrBodyReadAfterClose) {
					cut.Add(1)
				}
				if err != nil {
					return
				}
			}
		})
		w.WriteHeader(http.StatusOK)
		return nil
	})
	site := testcaddy.RunSite(t, guardedTestHandler, "")
	deliverOwned(t, site, 16, 20)
	readers.Wait()
	t.Logf("%d readers were cut off", cut.Load())
}

// An upstream that answers before it has read the request makes the transport go
// on sending after the handlers have returned.
func TestUpstreamThatAnswersEarly(t *testing.T) {
	tests := map[string]struct {
		answer string
		after  func(t *testing.T, conn net.Conn, owner string)
	}{
		"and closes": {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", func(*testing.T, net.Conn, string) {}},
		"and reads on": {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", func(t *testing.T, conn net.Conn, owner string) {
			got, _ := io.ReadAll(conn) // the transport closes the connection
			got, _, _ = bytes.Cut(got, []byte("POST "))
			checkOwned(t, owner, got)
		}},
		"with an error, and reads on": {"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", func(t *testing.T, conn net.Conn, owner string) {
			got, _ := io.ReadAll(conn)
			checkOwned(t, owner, got)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			address := upstreamOf(t, func(conn net.Conn) {
				reader := bufio.NewReaderSize(conn, 16)
				r, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, test.answer)
				owner := r.Header.Get("X-Owner")
				buffered, _ := reader.Peek(reader.Buffered())
				checkOwned(t, owner, buffered)
				test.after(t, conn, owner)
			})
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+address+" {\ntransport http {\nkeepalive off\n}\n}", "")
			deliverOwned(t, site, 16, 20)
		})
	}
}

// upstreamOf starts a server that does with each connection as told and closes
// it then.
func upstreamOf(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { listener.Close() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	return listener.Addr().String()
}

// However a request ends, its body is revoked then.
func TestBodyIsRevokedWhenTheRequestEnds(t *testing.T) {
	tests := map[string]func(http.ResponseWriter, *http.Request) error{
		"answered": func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusOK)
			return nil
		},
		"failed":   func(http.ResponseWriter, *http.Request) error { return errors.New("broken") },
		"panicked": func(http.ResponseWriter, *http.Request) error { panic("broken") },
		"aborted":  func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
		"hung up":  func(_ http.ResponseWriter, r *http.Request) error { <-r.Context().Done(); return nil },
		"half read": func(_ http.ResponseWriter, r *http.Request) error {
			_, err := r.Body.Read(make([]byte, 10))
			return err
		},
	}
	site := testcaddy.RunSite(t, guardedTestHandler, "")
	for _, client := range site.Clients {
		for name, end := range tests {
			t.Run(client.Name+"/"+name, func(t *testing.T) {
				bodies := make(chan io.ReadCloser, 1)
				testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
					again, err := r.GetBody()
					if err != nil {
						return err
					}
					bodies <- again
					return end(w, r)
				})
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, ownedBody(0, 20_000)).WithContext(ctx)
				r.GetBody = nil // one attempt
				finished := make(chan struct{})
				go func() {
					defer close(finished)
					if res, err := client.Do(r); err == nil {
						res.Body.Close()
					}
				}()
				again := <-bodies
				if name == "hung up" {
					hangUp()
				}
				<-finished
				testcaddy.Await(t, "the body to be revoked", func() bool {
					_, err := again.Read(make([]byte, 1))
					return errors.Is(err, http.ErrBodyReadAfterClose)
				})
			})
		}
	}
}

// A sender that goes away in the middle of its body is noticed as such.
func TestSenderThatHangsUp(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
	conn := dial(t, site.Plain)
	conn.Send(t, r.head()+r.body[:10])
	conn.Close()
	testcaddy.Log.WaitFor(t, `"reason":"body_incomplete"`)
	testcaddy.WantNothing(t, backend)
}

// process is Caddy in a process of its own.
type process struct {
	address, admin string
	pid            int
}

func startProcess(t *testing.T) process {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", testcaddy.Root(), "-o", binary, "./cmd/caddy").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	s := process{address: testcaddy.FreeAddress(t), admin: testcaddy.FreeAddress(t)}
	config := fmt.Sprintf("{\nadmin %s\npersist_config off\nskip_install_trust\nmetrics\ndefault_bind 127.0.0.1\n}\nhttp://%s {\nclerk_webhook /hooks {\nsecret %s\nbody_timeout 5m\n}\nrespond ok\n}\n", s.admin, s.address, testcaddy.Secret)
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	caddy := exec.Command(binary, "run", "--config", filepath.Join(dir, "Caddyfile"))
	caddy.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var log bytes.Buffer
	caddy.Stdout, caddy.Stderr = &log, &log
	if err := caddy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = caddy.Process.Kill()
		_ = caddy.Wait()
		if t.Failed() {
			t.Logf("its log:\n%s", log.String())
		}
	})
	s.pid = caddy.Process.Pid
	testcaddy.Await(t, "Caddy to listen", func() bool {
		res, err := testcaddy.NoRedirects.Get("http://" + s.address)
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	return s
}

// awaitInFlight returns when Caddy is at work on as many requests.
func (s process) awaitInFlight(t *testing.T, requests int) {
	t.Helper()
	want := regexp.MustCompile(fmt.Sprintf(`(?m)^caddy_http_requests_in_flight{.*} %d$`, requests))
	testcaddy.Await(t, want.String(), func() bool {
		res, err := testcaddy.NoRedirects.Get("http://" + s.admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return want.Match(text)
	})
}

func (s process) residentKiB(t *testing.T) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	if _, err := fmt.Sscanf(line, "%d kB", &kib); err != nil {
		t.Fatalf("no resident size in %q: %v", status, err)
	}
	return kib
}
