//go:build !race

// The race detector makes sync.Pool forget at random, so allocations can only
// be counted without it.

package clerkwebhook

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
)

// BenchmarkForward measures what follows the verification of a delivery, each
// with an id of its own, in front of a handler that does next to nothing.
func BenchmarkForward(b *testing.B) {
	for _, store := range []string{"", storeMemory, storeStorage} {
		b.Run("deduplicate "+cmp.Or(store, "off"), func(b *testing.B) {
			forward := forwarder(b, store)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				forward(i)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkForwardAtOnce is BenchmarkForward with many deliveries at the same
// time, as storage wants it.
func BenchmarkForwardAtOnce(b *testing.B) {
	for _, store := range []string{storeMemory, storeStorage} {
		b.Run("deduplicate "+store, func(b *testing.B) {
			forward := forwarder(b, store)
			var i atomic.Int64
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					forward(int(i.Add(1)))
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

func TestMemoryCostsThreeAllocations(t *testing.T) {
	allocations := func(store string) float64 {
		forward, i := forwarder(t, store), 0
		return testing.AllocsPerRun(1000, func() { forward(i); i++ })
	}
	if more := allocations(storeMemory) - allocations(""); more > 3 {
		t.Errorf("deduplicate takes %v allocations more, want 3 at most", more)
	}
}

// forwarder returns a function that forwards a delivery of the given number by a
// guard with the store, or without deduplicate if it is "".
func forwarder(t testing.TB, store string) func(number int) {
	t.Helper()
	h := provisioned(t, time.Now())
	forward := h.forward
	if store != "" {
		h.once = &deduplication{ledger: ledger.NewLedger(time.Now, maxMarks), window: time.Duration(defaultWindow), keys: [][32]byte{h.keys[0].Fingerprint()}}
		t.Cleanup(func() { h.once = nil }) // its ledger is not the one that guards share
		forward = h.forwardOnce
	}
	if store == storeStorage {
		h.once.records = ledger.NewRecords(&certmagic.FileStorage{Path: t.TempDir()}, h.once.window, time.Now)
	}
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	kind := h.kindOf([]byte("user.created"))
	return func(number int) {
		d := &delivery{handler: h, verified: true, eventType: kind.name}
		d.headers.ID = numberedID(number)
		if err := forward(silentWriter{}, serverRequest(), next, d, kind); err != nil {
			t.Error(err)
		}
	}
}

// serverRequest has the context of requests that Caddy's server hands over.
func serverRequest() *http.Request {
	ctx := context.WithValue(context.Background(), caddy.ReplacerCtxKey, emptyReplacer)
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, make(map[string]any))
	return (&http.Request{Method: http.MethodPost}).WithContext(ctx)
}

var emptyReplacer = caddy.NewEmptyReplacer()

// numberedID looks like an id of Svix.
func numberedID(i int) string {
	return "msg_" + base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(make([]byte, 12, 20), uint64(i)))
}

type silentWriter struct{}

func (silentWriter) Header() http.Header         { return nil }
func (silentWriter) Write(p []byte) (int, error) { return len(p), nil }
func (silentWriter) WriteHeader(int)             {}
