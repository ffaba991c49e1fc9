//go:build !race

// The race detector makes sync.Pool forget at random, so allocations can only
// be counted without it.

package clerkwebhook

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/body"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// BenchmarkStages tells where the time of a genuine delivery goes: stage by stage
// in the order of the request, and then for all of them together. No verification
// can do without the bare HMAC.
func BenchmarkStages(b *testing.B) {
	for _, kilobytes := range []int{2, 20, 250} {
		s := newStages(b, kilobytes<<10)
		for _, stage := range []struct {
			name string
			run  func()
		}{
			{"headers", s.headers},
			{"body", s.receive},
			{"signature", s.signature},
			{"type", s.eventType},
			{"metrics", s.metrics},
			{"Caddy's context", func() { s.prepared() }},
			{"context and placeholders", func() { s.delivery.publish(s.prepared()) }},
			{"context and all stages", deliverer(b, s.body, false)},
			{"bare HMAC", s.bareHMAC},
		} {
			b.Run(fmt.Sprintf("%dKB/%s", kilobytes, stage.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					stage.run()
				}
			})
		}
	}
}

// stages is a verified delivery, whose stages can be gone through again.
type stages struct {
	b        *testing.B
	handler  *Handler
	request  *http.Request
	delivery *delivery
	body     string
}

func newStages(b *testing.B, size int) *stages {
	b.Helper()
	now := time.Now()
	s := &stages{b: b, handler: provisioned(b, now), delivery: &delivery{}}
	s.delivery.handler = s.handler
	s.body = `{"data":"` + strings.Repeat("x", size-33) + `","type":"user.created"}`
	s.request = deliveryAt(b, now, s.body)
	s.headers()
	received, err := body.Read(strings.NewReader(s.body), int64(size), int64(size))
	if err != nil {
		b.Fatal(err)
	}
	s.delivery.body = received
	s.eventType()
	s.signature()
	return s
}

func (s *stages) check(why *rejection) {
	if why != nil {
		s.b.Fatal(why)
	}
}

func (s *stages) headers() {
	s.check(s.handler.checkHeaders(s.request, s.delivery))
}

func (s *stages) receive() {
	d := &delivery{handler: s.handler}
	s.request.Body = readCloser{strings.NewReader(s.body)}
	s.request.ContentLength = int64(len(s.body))
	s.check(s.handler.receiveBody(silentWriter{}, s.request, d))
	d.body.Release()
}

func (s *stages) signature() {
	s.check(s.handler.checkSignature(s.delivery))
}

func (s *stages) eventType() {
	s.delivery.kind = s.handler.filter.kindOf(event.TypeOf(s.delivery.body.Bytes()))
	if !s.delivery.kind.wanted {
		s.b.Fatal(s.delivery.kind)
	}
}

func (s *stages) metrics() {
	s.handler.metrics.countVerified(s.delivery, s.handler.now())
	s.handler.metrics.count(s.delivery)
}

// prepared returns the request as Caddy hands it to its handlers, which the
// placeholders are added to.
func (s *stages) prepared() *http.Request {
	return caddyhttp.PrepareRequest(s.request.WithContext(context.Background()), caddy.NewEmptyReplacer(), silentWriter{}, new(caddyhttp.Server))
}

var bareHMAC = hmac.New(sha256.New, []byte("a key of twenty-four bytes"))

func (s *stages) bareHMAC() {
	bareHMAC.Reset()
	bareHMAC.Write(s.delivery.body.Bytes())
	if len(bareHMAC.Sum(nil)) != sha256.Size {
		s.b.Fatal("no sum")
	}
}

// BenchmarkInspect measures what a guard takes for a delivery of 2 KB, in front
// of a handler that does next to nothing. What inspect adds is the difference.
func BenchmarkInspect(b *testing.B) {
	for _, test := range []struct {
		name    string
		inspect bool
	}{{"off", false}, {"on", true}} {
		b.Run(test.name, func(b *testing.B) {
			deliver := deliverer(b, twoKilobytes, test.inspect)
			b.ReportAllocs()
			for b.Loop() {
				deliver()
			}
		})
	}
}

// Without inspect a guard must not pay for it.
func TestWithoutInspectNothingIsAllocatedForIt(t *testing.T) {
	h := provisioned(t, time.Now())
	r := deliveryAt(t, time.Now(), twoKilobytes)
	prepare := func() *http.Request {
		r.Body = readCloser{strings.NewReader(twoKilobytes)}
		return caddyhttp.PrepareRequest(r, caddy.NewEmptyReplacer(), silentWriter{}, new(caddyhttp.Server))
	}
	handleOnly := testing.AllocsPerRun(1000, func() {
		r, d := prepare(), &delivery{handler: h}
		if err := h.handle(silentWriter{}, r, d, answerOK); err != nil {
			t.Error(err)
		}
		d.releaseBody(r)
	})
	serve := testing.AllocsPerRun(1000, func() {
		if err := h.ServeHTTP(silentWriter{}, prepare(), answerOK); err != nil {
			t.Error(err)
		}
	})
	if serve > handleOnly {
		t.Errorf("%v allocations, and %v without recording in between", serve, handleOnly)
	}
}

var twoKilobytes = `{"data":"` + strings.Repeat("x", 2000) + `","type":"user.created"}`

// deliverer returns a function that delivers a body to a guard.
func deliverer(t testing.TB, body string, inspect bool) func() {
	t.Helper()
	now := time.Now()
	h := provisioned(t, now)
	if inspect {
		h.inspection = newInspection(h) // which the guard's Cleanup releases
	}
	w, server := httptest.NewRecorder(), new(caddyhttp.Server)
	r := deliveryAt(t, now, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Svix-Webhooks/1.84.0")
	return func() {
		ctx, cancel := context.WithCancel(context.Background()) // as a server does, so that buffers come back
		defer cancel()
		r := r.WithContext(ctx)
		r.Body = readCloser{strings.NewReader(body)}
		prepared := caddyhttp.PrepareRequest(r, caddy.NewEmptyReplacer(), w, server)
		if err := h.ServeHTTP(w, prepared, answerOK); err != nil {
			t.Error(err)
		}
	}
}

// readCloser is a body that costs nothing but its reading.
type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// BenchmarkForward measures what follows the verification of a delivery, each
// with an id of its own, in front of a handler that does next to nothing.
func BenchmarkForward(b *testing.B) {
	for _, store := range []string{"", storeMemory, "storage"} {
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
	for _, store := range []string{storeMemory, "storage"} {
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

// Six of them are the standard library's context with a deadline.
func TestMemoryCostsElevenAllocations(t *testing.T) {
	allocations := func(store string) float64 {
		forward, i := forwarder(t, store), 0
		return testing.AllocsPerRun(1000, func() { forward(i); i++ })
	}
	if more := allocations(storeMemory) - allocations(""); more > 11 {
		t.Errorf("deduplicate takes %v allocations more, want 11 at most", more)
	}
}

// forwarder returns a function that forwards a delivery of the given number by a
// guard with the store, or without deduplicate if it is "".
func forwarder(t testing.TB, store string) func(number int) {
	t.Helper()
	h := provisioned(t, time.Now())
	forward := h.forward
	if store != "" {
		h.once = &deduplication{Ledger: newLedger(t, store), store: store, scopes: h.ring.scopes()}
		t.Cleanup(func() { h.once = nil }) // its ledger is not the one that guards share
		forward = h.forwardOnce
	}
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	kind := h.filter.kindOf([]byte("user.created"))
	return func(number int) {
		d := &delivery{handler: h, verified: true, kind: kind}
		d.headers.ID = numberedID(number)
		if err := forward(silentWriter{}, serverRequest(), d, next); err != nil {
			t.Error(err)
		}
	}
}

// newLedger returns a ledger of its own with the store.
func newLedger(t testing.TB, store string) *ledger.Ledger {
	t.Helper()
	own, window := ledger.NewMemory(1_000_000), time.Duration(defaultWindow)
	if store == storeMemory {
		return ledger.NewLedger(own, nil, window, false, nil)
	}
	storage := ledger.NewStorage(ledger.NewStorageProcess(), &certmagic.FileStorage{Path: testcaddy.StorageDir(t)})
	storage.SetWindow(window)
	return ledger.NewLedger(own, storage, window, false, func(call ledger.Call) { countStoreCall(store, call) })
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
