package inspector

import (
	"context"
	"sync/atomic"
)

// mark travels in the context of a request that the inspector has made, and
// brings back what a guard has recorded of it.
type mark struct {
	origin Origin
	of     uint64
	record atomic.Pointer[Record]
}

type markKey struct{}

func markOf(ctx context.Context) *mark {
	m, _ := ctx.Value(markKey{}).(*mark)
	return m
}

// IsReplay reports whether a request with this context sends a recorded
// delivery once more, on purpose.
func IsReplay(ctx context.Context) bool {
	m := markOf(ctx)
	return m != nil && m.origin == Replayed
}
