// Package fleet tests deduplication with several real Caddy processes and real
// databases, under many kinds of faults.
package fleet

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
)

var (
	deliveries  = flag.Int("deliveries", 500, "how many different deliveries each run sends at least")
	concurrency = flag.Int("concurrency", 32, "how many deliveries are sent at the same time")
	longest     = flag.Duration("longest", 2*time.Minute, "how long each run sends new deliveries at most")
)

// databases are the stores that a fleet can share.
var databases = []struct {
	name  string
	start func(t *testing.T) (s server, address, urlFormat string) // the URL for an address
}{
	{"redis", func(t *testing.T) (server, string, string) {
		s := daemon.StartRedis(t)
		return s, s.Address, "redis://%s"
	}},
	{"postgres", func(t *testing.T) (server, string, string) {
		s := daemon.StartPostgres(t)
		return s, s.Address, strings.Replace(s.URL(), s.Address, "%s", 1)
	}},
}

// TestFleet sends each delivery in up to six copies at the same moment to different
// instances, whose clocks differ, and disturbs them and the database meanwhile.
func TestFleet(t *testing.T) {
	for _, database := range databases {
		for _, policy := range []string{"forward", "refuse"} {
			t.Run(database.name+" "+policy, func(t *testing.T) {
				t.Parallel()
				s, address, url := database.start(t)
				b := newBackend(t, moody)
				d := &disturbance{server: s, isMild: policy == "refuse"}
				for name, offset := range map[string]time.Duration{"a": 0, "b": 20 * time.Minute, "c": -20 * time.Minute} {
					w := newWay(t, address)
					d.ways = append(d.ways, w)
					option := fmt.Sprintf("%s {env.STORE_URL} {\n\t\t\ton_failure %s\n\t\t}", database.name, policy)
					d.nodes = append(d.nodes, newNode(t, name, option, fmt.Sprintf(url, w.Listen), t.TempDir(), b.address, offset))
				}
				runFleet(t, d, b, policy)
			})
		}
	}
}

func runFleet(t *testing.T, d *disturbance, b *backend, policy string) {
	t.Helper()
	start := time.Now()
	watching, stopWatching := context.WithCancel(t.Context())
	var watcher sync.WaitGroup
	watcher.Go(func() { d.watch(watching) })
	ids, requests := deliverMany(t, d)
	stopWatching()
	watcher.Wait()
	if t.Failed() {
		return
	}
	h := history{attempts: make(map[string][]attempt), faults: d.faults, forwards: policy == "forward"}
	attempts := 0
	for _, id := range ids {
		h.attempts[id] = b.recorded(id)
		attempts += len(h.attempts[id])
	}
	v := h.check(ids)
	t.Logf("%d deliveries, %d requests, %d attempts at the backend, %s; faults: %v; %s", len(ids), requests, attempts, time.Since(start).Round(time.Second), d.count(), v)
	for _, wrong := range v.wrong {
		t.Error(wrong)
	}
	if d.isMild && len(v.repeated) != 0 {
		t.Errorf("with refuse and without kills and pauses, none may be handled twice: %s", v)
	}
}

// acceptance is how long the last deliveries may take until they are accepted.
const acceptance = 2 * time.Minute

// deliverMany sends deliveries until there are enough of them and each kind of
// fault has been inflicted, and returns their ids.
func deliverMany(t *testing.T, d *disturbance) (ids []string, requests int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *longest+acceptance)
	defer cancel()
	isLate := time.After(*longest)
	s := newSender(t, d.nodes)
	queue, isDisturbed, isDelivered := make(chan string), make(chan bool), make(chan bool)
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Go(func() {
			for id := range queue {
				s.deliverCopies(ctx, t, 1+rand.IntN(mostCopies)*rand.IntN(2), id) // half of them once
			}
		})
	}
	go func() {
		defer close(isDelivered)
		defer workers.Wait()
		defer close(queue)
		for i := 0; ctx.Err() == nil; i++ {
			select {
			case <-isLate:
				return
			case <-isDisturbed:
				if i >= *deliveries {
					return
				}
			default:
			}
			id := fmt.Sprintf("msg_%06d", i)
			ids = append(ids, id)
			queue <- id
		}
	}()
	for isFirst := true; ; isFirst = false {
		d.once(t)
		if isFirst {
			close(isDisturbed)
		}
		select {
		case <-isDelivered:
			return ids, s.requests.Load()
		default:
		}
	}
}
