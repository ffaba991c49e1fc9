package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	speedWindow = time.Hour
	speedRound  = 1000
)

// Compare measures how many deliveries a second a store claims and marks as done,
// asked by so many at the same time, and how long both steps take together. If
// bare is given, it measures that too, in turns: it is the least that the database
// has to do for a delivery, through the same client.
func Compare(b *testing.B, workers int, store stores.Store, bare func(ctx context.Context, key stores.Key, token string) error) {
	b.Helper()
	if windowed, ok := store.(stores.Windowed); ok {
		windowed.SetWindow(speedWindow)
	}
	contenders := []*contender{{name: "store", step: func(ctx context.Context, key stores.Key, token string) error {
		state, _, err := store.Claim(ctx, key, token, long)
		if err == nil && state != stores.New {
			err = fmt.Errorf("a new delivery has state %d", state)
		}
		if err != nil {
			return err
		}
		return store.MarkDone(ctx, key, token, speedWindow)
	}}}
	if bare != nil {
		contenders = append(contenders, &contender{name: "bare", step: bare})
	}
	for _, c := range contenders {
		c.run(b, workers, workers) // opens the connections
		*c = contender{name: c.name, step: c.step}
	}
	b.ResetTimer()
	for left := b.N; left > 0; left -= speedRound {
		for _, c := range contenders {
			c.run(b, workers, min(left, speedRound))
		}
	}
	b.ReportMetric(0, "ns/op") // it would be the sum of both
	for _, c := range contenders {
		slices.Sort(c.took)
		b.ReportMetric(c.rate(), c.name+"/s")
		b.ReportMetric(float64(c.took[len(c.took)/2].Microseconds()), c.name+"-p50-µs")
		b.ReportMetric(float64(c.took[len(c.took)*99/100].Microseconds()), c.name+"-p99-µs")
	}
	if bare != nil {
		b.ReportMetric(contenders[0].rate()/contenders[1].rate(), "of-bare")
	}
}

// contender is what is measured.
type contender struct {
	name string
	step func(ctx context.Context, key stores.Key, token string) error

	mu    sync.Mutex
	took  []time.Duration
	total time.Duration
}

func (c *contender) rate() float64 { return float64(len(c.took)) / c.total.Seconds() }

// run takes the step for new deliveries.
func (c *contender) run(b *testing.B, workers, deliveries int) {
	b.Helper()
	start := time.Now()
	var left atomic.Int64
	left.Store(int64(deliveries))
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				before := time.Now()
				if err := c.step(b.Context(), newKey(), "token"); err != nil {
					b.Error(err)
					return
				}
				took := time.Since(before)
				c.mu.Lock()
				c.took = append(c.took, took)
				c.mu.Unlock()
			}
		})
	}
	group.Wait()
	c.total += time.Since(start)
}
