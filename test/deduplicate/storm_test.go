package deduplicate_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

var (
	stormSize = flag.Int("storm", 0, "how many deliveries TestStorm makes in each store, 0 for 20000 in memory and 4000 in storage with the build tag long, and 1000 and 400 without")
	stormSeed = flag.Uint64("storm-seed", 1, "the seed of TestStorm")
)

const (
	// stormTimeout is when the sender gives up, in place of Svix's 15 seconds.
	stormTimeout = 150 * time.Millisecond

	stormMaxAttempts = 200 // a delivery that takes so many is lost
)

// stormSenders are few by default, so that most answers come in time on a busy
// machine, too.
func stormSenders() int {
	if testcaddy.Long {
		return 48
	}
	return 12
}

// stormDelays are the pauses of Svix's schedule, but shorter, and the last
// repeats until the delivery succeeds.
var stormDelays = []time.Duration{0, 2 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond}

// TestStorm delivers to a backend that fails in every way, by senders that give
// up and try again until they get a 2xx, while the configuration is reloaded
// again and again. Three in ten deliveries are copies, half of which come at the
// same time as their first and half after it.
//
// A message is completed when the backend has answered it with a whole 2xx,
// whether or not its sender was still there: each must be completed exactly
// once. What no proxy can know is whether a backend that broke the connection
// off without an answer had done the work before. Such work is counted
// separately, and nothing else may make a backend work twice.
func TestStorm(t *testing.T) {
	for store, sizes := range map[string]struct{ long, short int }{
		"memory":  {20_000, 1000},
		"storage": {4000, 400},
	} {
		t.Run(store, func(t *testing.T) {
			size := sizes.short
			if testcaddy.Long {
				size = sizes.long
			}
			if *stormSize > 0 {
				size = *stormSize
			}
			newStorm(t, store, size).run(t)
		})
	}
}

type storm struct {
	address string
	config  string
	storage string
	client  *http.Client
	backend *stormBackend

	messages, copies int
	seen             [600]atomic.Int64 // answers to the senders by status
	gaveUp, refused  atomic.Int64      // attempts without an answer
	tooEarly         atomic.Int64      // a 2xx for a message that was not completed
}

func newStorm(t *testing.T, store string, size int) *storm {
	s := &storm{
		address:  testcaddy.FreeAddress(t),
		storage:  fixedStorage(t),
		copies:   size * 3 / 10,
		messages: size - size*3/10,
		client: &http.Client{
			Timeout:   stormTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: stormSenders()},
		},
	}
	t.Cleanup(s.client.CloseIdleConnections)
	s.backend = newStormBackend(t, s.messages)
	s.config = "http://" + s.address + " {\nclerk_webhook {\nsecret " + testcaddy.Secret + "\ndeduplicate " + store + "\n}\nreverse_proxy " + s.backend.address + "\n}\n"
	return s
}

func (s *storm) run(t *testing.T) {
	start := time.Now()
	testcaddy.Run(t, s.config, s.storage)
	reloads := s.reloadConstantly(t)
	s.deliverAll(t)
	reloaded := reloads()
	s.backend.stop(t)
	t.Logf("%d messages and %d copies in %s, with %d reloads", s.messages, s.copies, time.Since(start).Round(time.Millisecond), reloaded)
	s.report(t)
	s.judge(t, reloaded)
}

// deliverAll delivers each message, and to some of them a copy, at the same
// time or later.
func (s *storm) deliverAll(t *testing.T) {
	queue := make(chan int)
	var senders sync.WaitGroup
	for range stormSenders() {
		senders.Go(func() {
			for message := range queue {
				s.deliverWithCopies(t, message)
			}
		})
	}
	for message := range s.messages {
		queue <- message
	}
	close(queue)
	senders.Wait()
}

func (s *storm) deliverWithCopies(t *testing.T, message int) {
	isCopied := message*s.copies/s.messages != (message+1)*s.copies/s.messages
	if isCopied && message%2 == 0 {
		var copies sync.WaitGroup
		copies.Go(func() { s.deliver(t, message) })
		defer copies.Wait()
	}
	s.deliver(t, message)
	if isCopied && message%2 != 0 {
		s.deliver(t, message)
	}
}

// deliver tries until there is a 2xx.
func (s *storm) deliver(t *testing.T, message int) {
	for attempt := range stormMaxAttempts {
		status, err := s.attempt(t, message)
		switch {
		case err == nil && status >= 200 && status <= 299:
			s.seen[status].Add(1)
			if s.backend.completed[message].Load() == 0 {
				s.tooEarly.Add(1)
			}
			return
		case err == nil:
			s.seen[status].Add(1)
		case testcaddy.IsTimeout(err):
			s.gaveUp.Add(1)
		default:
			s.refused.Add(1)
		}
		<-time.After(stormDelays[min(attempt, len(stormDelays)-1)]) // as a sender does
	}
	t.Errorf("message %d was not delivered in %d attempts", message, stormMaxAttempts)
}

func (s *storm) attempt(t *testing.T, message int) (status int, err error) {
	res, err := s.client.Do(copyOf(t, "http://"+s.address, testcaddy.Secret, stormID(message)))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}

func stormID(message int) string { return fmt.Sprint("msg_", message) }

// reloadConstantly reloads until the returned function is called, which tells
// how often it did.
func (s *storm) reloadConstantly(t *testing.T) func() int {
	stop, stopped := make(chan struct{}), make(chan struct{})
	var count int
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			if err := testcaddy.TryRun(t, s.config, s.storage); err != nil {
				t.Errorf("reloading: %v", err)
			}
			count++
		}
	}()
	return func() int {
		close(stop)
		<-stopped
		return count
	}
}

func (s *storm) report(t *testing.T) {
	var statuses []string
	for status := range s.seen {
		if n := s.seen[status].Load(); n > 0 {
			statuses = append(statuses, fmt.Sprintf("%d: %d", status, n))
		}
	}
	b := s.backend
	t.Logf("senders: %s, gave up %d, no answer %d", strings.Join(statuses, ", "), s.gaveUp.Load(), s.refused.Load())
	t.Logf("backend: %d requests: %d completed at once, %d completed late, %d failed at once, %d failed late, %d dropped before the work, %d after it",
		b.requests.Load(), b.kinds[completes].Load(), b.kinds[completesLate].Load(), b.kinds[fails].Load(), b.kinds[failsLate].Load(), b.kinds[drops].Load(), b.kinds[dropsAfterWork].Load())
}

// judge holds what happened against what is promised.
func (s *storm) judge(t *testing.T, reloads int) {
	b := s.backend
	for message := range s.messages {
		completed, worked, unanswered := b.completed[message].Load(), b.worked[message].Load(), b.unanswered[message].Load()
		if completed != 1 || worked != completed+unanswered {
			t.Errorf("message %d was completed %d times; of %d times that the backend worked on it %d were not answered", message, completed, worked, unanswered)
		}
	}
	if n := s.tooEarly.Load(); n > 0 {
		t.Errorf("%d senders got a 2xx before the backend had completed the message", n)
	}
	happened := map[string]int64{
		"reloads":                    int64(reloads),
		"senders that gave up":       s.gaveUp.Load(),
		"copies that had to wait":    s.seen[http.StatusConflict].Load(),
		"copies of done deliveries":  s.seen[http.StatusOK].Load(),
		"failures of the backend":    s.seen[http.StatusInternalServerError].Load(),
		"connections broken off":     s.seen[http.StatusBadGateway].Load(),
		"completions after a pause":  b.kinds[completesLate].Load(),
		"failures after a pause":     b.kinds[failsLate].Load(),
		"work that was not answered": b.kinds[dropsAfterWork].Load(),
	}
	for what, n := range happened {
		if n == 0 {
			t.Errorf("there were no %s: the storm proves little", what)
		}
	}
}

// kind is what a backend does with a request.
type kind int

const (
	completes kind = iota
	completesLate
	fails
	failsLate
	drops
	dropsAfterWork
	kinds
)

// kindFor draws a kind: seven in ten requests succeed at once.
func kindFor(random *rand.Rand) kind {
	switch n := random.IntN(100); {
	case n < 70:
		return completes
	case n < 74:
		return completesLate
	case n < 85:
		return fails
	case n < 87:
		return failsLate
	case n < 95:
		return drops
	default:
		return dropsAfterWork
	}
}

// stormBackend counts, for each message, how often it has worked on it, and how
// many of these were completed by a 2xx and how many remained unanswered.
type stormBackend struct {
	server   http.Server
	address  string
	requests atomic.Int64
	kinds    [kinds]atomic.Int64

	worked, completed, unanswered []atomic.Int64
}

func newStormBackend(t *testing.T, messages int) *stormBackend {
	b := &stormBackend{
		worked:     make([]atomic.Int64, messages),
		completed:  make([]atomic.Int64, messages),
		unanswered: make([]atomic.Int64, messages),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.server.Handler = b
	go func() { _ = b.server.Serve(listener) }()
	t.Cleanup(func() { b.stop(t) })
	b.address = listener.Addr().String()
	return b
}

// stop returns when no request is under way any more.
func (b *stormBackend) stop(t *testing.T) {
	if err := b.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func (b *stormBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message int
	if _, err := fmt.Sscanf(r.Header.Get("Svix-Id"), "msg_%d", &message); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	random := rand.New(rand.NewPCG(*stormSeed, uint64(b.requests.Add(1))))
	k := kindFor(random)
	b.kinds[k].Add(1)
	if k == completesLate || k == failsLate {
		<-time.After(stormTimeout + time.Duration(random.Int64N(int64(stormTimeout)))) // a slow backend
	}
	switch k {
	case fails, failsLate:
		w.WriteHeader(http.StatusInternalServerError)
	case drops:
		panic(http.ErrAbortHandler)
	case dropsAfterWork:
		b.worked[message].Add(1)
		b.unanswered[message].Add(1)
		panic(http.ErrAbortHandler)
	default:
		b.worked[message].Add(1)
		b.completed[message].Add(1)
		w.WriteHeader(http.StatusOK)
	}
}
