package relay

import (
	"context"
	"slices"
	"sync"
)

// maxUnfinished bounds the connections that have not sent their start message.
const maxUnfinished = 100

// Doorway is where connections wait until they have shown their token. If there are
// too many, the oldest has to go: a listener shows its token at once, so it is
// strangers who wait.
type Doorway struct {
	mu      sync.Mutex
	waiting []*visitor // the oldest first
}

type visitor struct{ sendAway context.CancelFunc }

// enter returns a context that ends if the visitor has to go, and a function that
// must be called when it does not wait any more.
func (d *Doorway) enter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	v := &visitor{cancel}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) >= maxUnfinished {
		d.waiting[0].sendAway()
		d.waiting = slices.Delete(d.waiting, 0, 1)
	}
	d.waiting = append(d.waiting, v)
	return ctx, func() {
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		if i := slices.Index(d.waiting, v); i >= 0 {
			d.waiting = slices.Delete(d.waiting, i, i+1)
		}
	}
}
