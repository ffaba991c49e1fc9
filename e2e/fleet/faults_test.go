package fleet

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const (
	claim       = 4 * time.Second // how long one lasts unless it is renewed
	pauseTime   = claim + 2*time.Second
	outageTime  = 2 * time.Second
	quietTime   = time.Second // between two faults
	reloadBound = 30 * time.Second
)

// way is a node's connection to its store, which can be cut off.
type way struct{ *toxiproxy.Proxy }

func newWay(t *testing.T, upstream string) way {
	t.Helper()
	addresses, err := loopback.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	w := way{toxiproxy.NewProxy(server, "store", addresses[0], upstream)}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// silence lets the connections stand, but nothing comes through.
func (w way) silence(t *testing.T) (end func()) {
	t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		if _, err := w.Toxics.AddToxicJson(strings.NewReader(`{"type": "timeout", "stream": "` + stream + `", "attributes": {"timeout": 0}}`)); err != nil {
			t.Fatal(err)
		}
	}
	return func() { w.Toxics.ResetToxics(context.Background()) }
}

// server is the server of a store.
type server interface {
	Start(t testing.TB)
	Stop()
	Kill()
}

// disturbance does one fault after the other to a fleet.
type disturbance struct {
	nodes  []*node
	ways   []way
	server server
	isMild bool // no instance is killed or paused

	mu     sync.Mutex
	faults []fault
}

func (d *disturbance) record(kind faultKind, node string, inflict func()) {
	from := time.Now()
	inflict()
	d.add(fault{kind, node, from, time.Now()})
}

func (d *disturbance) add(f fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, f)
}

// pollInterval is how exactly the time of a store's failure is known.
const pollInterval = 100 * time.Millisecond

// watch records each failure of the store that the nodes count, until ctx ends.
func (d *disturbance) watch(ctx context.Context) {
	var group sync.WaitGroup
	for _, n := range d.nodes {
		group.Go(func() {
			before, since := 0.0, time.Now()
			for ctx.Err() == nil {
				asked := time.Now()
				count, _ := n.storeErrors(ctx) // 0 if it was killed, and then it counts from there
				if count > before {
					d.add(fault{failure, n.name, since, time.Now()})
				}
				before, since = count, asked
				<-time.After(pollInterval)
			}
		})
	}
	group.Wait()
}

// once inflicts each kind of fault on a node that is drawn for it, in an order
// that is drawn, too.
func (d *disturbance) once(t *testing.T) {
	t.Helper()
	kinds := []func(t *testing.T, node int){d.cutOff, d.silence, d.restart, d.crash, d.reload, d.reload}
	if !d.isMild {
		kinds = append(kinds, d.kill, d.pause)
	}
	rand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, inflict := range kinds {
		inflict(t, rand.IntN(len(d.nodes)))
		<-time.After(quietTime)
	}
}

func (d *disturbance) kill(t *testing.T, i int) {
	d.record(kill, d.nodes[i].name, d.nodes[i].kill)
	d.nodes[i].start(t)
}

func (d *disturbance) pause(_ *testing.T, i int) {
	d.record(pause, d.nodes[i].name, func() {
		resume := d.nodes[i].pause()
		<-time.After(pauseTime)
		resume()
	})
}

func (d *disturbance) cutOff(t *testing.T, i int) {
	d.record(outage, d.nodes[i].name, func() {
		d.ways[i].Stop()
		<-time.After(outageTime)
		if err := d.ways[i].Start(); err != nil {
			t.Error(err)
		}
	})
}

func (d *disturbance) silence(t *testing.T, i int) {
	d.record(outage, d.nodes[i].name, func() {
		end := d.ways[i].silence(t)
		<-time.After(outageTime)
		end()
	})
}

func (d *disturbance) restart(t *testing.T, _ int) {
	d.record(outage, "", func() {
		d.server.Stop()
		d.server.Start(t)
	})
}

func (d *disturbance) crash(t *testing.T, _ int) {
	d.record(outage, "", func() {
		d.server.Kill()
		<-time.After(outageTime)
		d.server.Start(t)
	})
}

func (d *disturbance) reload(t *testing.T, i int) {
	d.record(reload, d.nodes[i].name, func() {
		ctx, cancel := context.WithTimeout(t.Context(), reloadBound)
		defer cancel()
		if err := d.nodes[i].reload(ctx); err != nil {
			t.Error(err)
		}
	})
}

// count returns how often each kind was inflicted.
func (d *disturbance) count() map[faultKind]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := make(map[faultKind]int)
	for _, f := range d.faults {
		counts[f.kind]++
	}
	return counts
}
