// Package fleet tests deduplication with two real Caddy processes that share a
// storage, under many kinds of faults.
package fleet

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
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
	svix "github.com/svix/svix-webhooks/go"
)

var deliveries = flag.Int("deliveries", 1500, "how many different deliveries are sent")

const (
	secret        = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	concurrency   = 16
	senderTimeout = 300 * time.Millisecond // Svix's 15 s
	retryDelay    = 200 * time.Millisecond // Svix's 5 s, 5 min …
	lease         = 2 * time.Minute
	storageBound  = time.Second      // what the plugin waits for a storage
	roundTrip     = storageBound / 2 // between two processes that share a slow disk, where a claim takes several writes
)

// completion is the time span in which the backend handled a delivery.
type completion struct {
	node       string
	start, end time.Time
}

// backend fails, hangs longer than the sender's timeout and drops connections,
// all at random. It records what it has completed.
type backend struct {
	mu        sync.Mutex
	completed map[string][]completion
	started   map[string][]completion // all attempts, including failed ones
	failures  map[string]int
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if _, err := io.ReadAll(r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	id := r.Header.Get("Svix-Id")
	b.mu.Lock()
	b.started[id] = append(b.started[id], completion{node: r.Header.Get("Node"), start: start})
	chance := rand.IntN(100)
	if b.failures[id] >= 3 {
		chance = 100
	}
	if chance < 15 {
		b.failures[id]++
	}
	b.mu.Unlock()
	switch {
	case chance < 10:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case chance < 15:
		panic(http.ErrAbortHandler) // drops the connection
	case chance < 18:
		<-time.After(senderTimeout + 100*time.Millisecond) // and then completes
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.completed[id] = append(b.completed[id], completion{r.Header.Get("Node"), start, time.Now()})
}

// collided reports whether a copy of the delivery came through another node at
// the same time. If that copy failed, its node released its claim and may have
// removed the record of the other node. So a third copy may have come later.
func (b *backend) collided(id string, first completion) bool {
	for _, other := range b.started[id] {
		if other.node != first.node && other.start.Sub(first.start).Abs() < roundTrip {
			return true
		}
	}
	return false
}

// node is a Caddy process.
type node struct {
	name, address, config, binary string
	log                           string

	mu  sync.Mutex
	cmd *exec.Cmd
}

func (n *node) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(n.binary, "run", "--config", n.config)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	n.cmd = cmd
	n.mu.Unlock()
	await(t, n.address)
}

// kill sends SIGKILL. The process cannot finish or write anything.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// await returns when something listens at the address.
func await(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on %s: %v", address, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	found, err := loopback.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

// fleet has two nodes. The sender uses them in turn.
type fleet struct {
	nodes   []*node
	backend *backend
}

func newFleet(t *testing.T, storage string) *fleet {
	t.Helper()
	f := &fleet{backend: &backend{completed: map[string][]completion{}, started: map[string][]completion{}, failures: map[string]int{}}}
	server := httptest.NewServer(f.backend)
	t.Cleanup(server.Close)
	for _, name := range []string{"a", "b"} {
		dir := t.TempDir()
		n := &node{name: name, address: freeAddress(t), config: filepath.Join(dir, "Caddyfile"), log: filepath.Join(dir, "log"), binary: binary(t)}
		config := fmt.Sprintf(`{
	admin off
	persist_config off
	storage %s
}
http://%s {
	clerk_webhook {
		secret %s
		deduplicate 48h storage
	}
	reverse_proxy %s {
		header_up Node %s
	}
}
`, storage, n.address, secret, strings.TrimPrefix(server.URL, "http://"), name)
		if err := os.WriteFile(n.config, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		n.start(t)
		t.Cleanup(n.kill)
		f.nodes = append(f.nodes, n)
	}
	return f
}

var binary = func() func(t *testing.T) string {
	var once sync.Once
	var path string
	return func(t *testing.T) string {
		t.Helper()
		once.Do(func() {
			dir, err := os.MkdirTemp("", "fleet")
			if err != nil {
				t.Fatal(err)
			}
			path = filepath.Join(dir, "caddy")
			if output, err := exec.Command("go", "build", "-o", path, "./caddy").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, output)
			}
		})
		return path
	}
}()

// sender sends as Svix does. Each attempt has a new timestamp and signature,
// until one gets a 2xx.
type sender struct {
	fleet  *fleet
	client *http.Client
	turn   int
	mu     sync.Mutex
}

func (s *sender) next() *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	return s.fleet.nodes[s.turn%len(s.fleet.nodes)]
}

func (s *sender) deliver(ctx context.Context, id string) error {
	for ctx.Err() == nil {
		if s.attempt(ctx, id) {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryDelay):
		}
	}
	return fmt.Errorf("%s was never accepted: %w", id, ctx.Err())
}

func (s *sender) attempt(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, senderTimeout)
	defer cancel()
	body := `{"data":{"id":"user_1"},"type":"user.created"}`
	wh, err := svix.NewWebhook(secret)
	if err != nil {
		return false
	}
	now := time.Now()
	signature, err := wh.Sign(id, now, []byte(body))
	if err != nil {
		return false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.next().address, strings.NewReader(body))
	if err != nil {
		return false
	}
	r.Header = http.Header{"Svix-Id": {id}, "Svix-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Svix-Signature": {signature}}
	res, err := s.client.Do(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode/100 == 2
}

// run sends all deliveries, 30 % of them twice, half of these at the same time,
// and calls disturb when a third of them has been sent.
func (f *fleet) run(t *testing.T, disturb func()) (took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lease+time.Minute)
	defer cancel()
	s := &sender{fleet: f, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}}}
	defer s.client.CloseIdleConnections()
	start := time.Now()
	ids := make(chan int)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for i := range ids {
				id := fmt.Sprintf("msg_%06d", i)
				var copies sync.WaitGroup
				if i%20 < 3 { // at the same time
					copies.Go(func() {
						if err := s.deliver(ctx, id); err != nil {
							t.Error(err)
						}
					})
				}
				if err := s.deliver(ctx, id); err != nil {
					t.Error(err)
				}
				copies.Wait()
				if i%20 >= 17 { // after
					if err := s.deliver(ctx, id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	var disturbance sync.WaitGroup
	for i := range *deliveries {
		if i == *deliveries/3 {
			disturbance.Go(disturb)
		}
		ids <- i
	}
	close(ids)
	workers.Wait()
	disturbance.Wait()
	return time.Since(start)
}

// outage is a time in which the storage was unreachable.
type outage struct{ start, end time.Time }

// overlaps reports whether the storage may have been unreachable when the
// delivery was claimed or recorded as done.
func (o outage) overlaps(c completion) bool {
	return !o.start.IsZero() && c.end.After(o.start.Add(-storageBound)) && c.start.Before(o.end.Add(2*storageBound))
}

// check requires that every delivery was completed. If one was completed more
// than once, one of the documented causes must explain it.
func (f *fleet) check(t *testing.T, killed string, kill time.Time, storageOutage outage) {
	t.Helper()
	kinds := map[string]int{}
	f.backend.mu.Lock()
	defer f.backend.mu.Unlock()
	for i := range *deliveries {
		id := fmt.Sprintf("msg_%06d", i)
		times := f.backend.completed[id]
		if len(times) == 0 {
			t.Errorf("%s was lost", id)
			continue
		}
		for k := 1; k < len(times); k++ {
			first := times[k-1]
			switch {
			case first.node == killed && first.start.Before(kill) && first.end.After(kill.Add(-storageBound)):
				kinds["its process was killed between the answer and the mark"]++
			case storageOutage.overlaps(first):
				kinds["the storage was out of reach"]++
			case f.backend.collided(id, first):
				kinds["two copies reached two instances within a round trip"]++
			default:
				t.Errorf("%s was completed again without an explanation: %+v", id, times)
			}
		}
	}
	t.Logf("%d deliveries, completed again: %v", *deliveries, kinds)
}

func TestFleetOnSharedDirectory(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "file_system "+t.TempDir())
	var kill time.Time
	took := f.run(t, func() {
		kill = time.Now()
		f.nodes[0].kill()
		f.nodes[0].start(t)
	})
	t.Logf("took %s", took)
	f.check(t, "a", kill, outage{})
}

func TestFleetOnRedis(t *testing.T) {
	t.Parallel()
	address, dir := freeAddress(t), t.TempDir()
	redis := startRedis(t, address, dir)
	t.Cleanup(func() { stop(redis) })
	f := newFleet(t, "redis_test "+address)
	var kill time.Time
	var down outage
	took := f.run(t, func() {
		kill = time.Now()
		f.nodes[0].kill()
		f.nodes[0].start(t)
		down.start = time.Now()
		stop(redis)
		<-time.After(3 * time.Second) // deliveries go on meanwhile
		redis = startRedis(t, address, dir)
		down.end = time.Now()
	})
	t.Logf("took %s", took)
	f.check(t, "a", kill, down)
}

// startRedis starts a server that keeps its data when it is stopped.
func startRedis(t *testing.T, address, dir string) *exec.Cmd {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	if err := cmd.Start(); err != nil {
		t.Fatalf("redis-server, which Debian has in the package of this name: %v", err)
	}
	await(t, address)
	return cmd
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
}
