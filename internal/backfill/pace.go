package backfill

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// slowAnswer is how long an answer takes from a backend that has too much to do.
	// Svix waits 15 seconds.
	slowAnswer = 2 * time.Second

	// A backend that is asked for too much gets a pause of what its Retry-After says,
	// or of shortPause, and at most of longPause.
	shortPause = time.Second
	longPause  = 5 * time.Minute
)

// pacer decides when the next delivery may start. It allows fewer at a time while the
// backend is slow, does not answer or answers 429 or 503, and more again when it
// answers in time.
type pacer struct {
	rate *rate.Limiter
	most int // at a time

	mu            sync.Mutex
	allowed, busy int
	inTime        int       // answers since allowed has changed
	reduced       time.Time // when allowed became less
	pausedUntil   time.Time
	changed       chan struct{} // closed when one may be free to start
}

func newPacer(concurrency int, perSecond float64) *pacer {
	limit := rate.Inf
	if perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	return &pacer{rate: rate.NewLimiter(limit, 1), most: concurrency, allowed: concurrency, changed: make(chan struct{})}
}

// begin waits until a delivery may start. Each begin without an error needs an end.
func (p *pacer) begin(ctx context.Context) error {
	for {
		pause, changed, ok := p.try()
		if ok {
			break
		}
		if err := wait(ctx, pause, changed); err != nil {
			return err
		}
	}
	if err := p.rate.Wait(ctx); err != nil {
		p.release()
		return err
	}
	return nil
}

func (p *pacer) try() (pause time.Duration, changed <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pause = time.Until(p.pausedUntil); pause > 0 {
		return pause, nil, false
	}
	if p.busy >= p.allowed {
		return longPause, p.changed, false
	}
	p.busy++
	return 0, nil, true
}

// wait returns after this time, or earlier when changed is closed.
func wait(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (p *pacer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free()
}

func (p *pacer) free() {
	p.busy--
	close(p.changed)
	p.changed = make(chan struct{})
}

// end takes the answer to a delivery that started then.
func (p *pacer) end(started time.Time, a Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.free()
	isBusy := a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable
	if isBusy {
		p.pause(a)
	}
	if isBusy || a.Err != nil || a.Took >= slowAnswer {
		p.reduce(started)
		return
	}
	if p.inTime++; p.inTime >= p.allowed && p.allowed < p.most {
		p.allowed++
		p.inTime = 0
	}
}

// reduce halves what is allowed, once for all deliveries that were under way together.
func (p *pacer) reduce(started time.Time) {
	p.inTime = 0
	if started.Before(p.reduced) {
		return
	}
	p.allowed = max(p.allowed/2, 1)
	p.reduced = time.Now()
}

func (p *pacer) pause(a Answer) {
	now, pause := time.Now(), shortPause
	if asked, ok := retryAfter(a.Header, now); ok {
		pause = asked
	} else if a.Status == http.StatusServiceUnavailable {
		return // its delays are those of a retry
	}
	if until := now.Add(min(pause, longPause)); until.After(p.pausedUntil) {
		p.pausedUntil = until
	}
}
