//go:build !race

package clerkwebhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// BenchmarkStages tells where the time of a genuine delivery goes, stage by
// stage in the order of the request, then for all of them together, from the
// context that Caddy makes. The bare
// HMAC is what no verification can do without.
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
	kind     eventKind
	body     string
}

func newStages(b *testing.B, size int) *stages {
	b.Helper()
	now := time.Now()
	s := &stages{b: b, handler: provisioned(b, now), delivery: &delivery{}}
	s.delivery.handler = s.handler
	s.body = `{"data":"` + strings.Repeat("x", size-33) + `","type":"user.created"}`
	s.request = deliveryAt(b, now, s.body)
	s.kind = s.handler.kindOf([]byte("user.created"))
	s.headers()
	s.delivery.body = &body{data: []byte(s.body)}
	s.signature()
	return s
}

func (s *stages) check(err error) {
	if err != nil {
		s.b.Fatal(err)
	}
}

func (s *stages) headers() {
	_, err := s.handler.checkHeaders(s.request, s.delivery)
	s.check(err)
}

func (s *stages) receive() {
	d := &delivery{handler: s.handler}
	s.request.Body = readCloser{strings.NewReader(s.body)}
	s.request.ContentLength = int64(len(s.body))
	_, err := s.handler.receiveBody(silentWriter{}, s.request, d)
	s.check(err)
	d.body.release()
}

func (s *stages) signature() {
	_, err := s.handler.checkSignature(s.delivery)
	s.check(err)
}

func (s *stages) eventType() {
	if kind := s.handler.kindOf(event.TypeOf(s.delivery.body.data)); !kind.wanted {
		s.b.Fatal(kind)
	}
}

func (s *stages) metrics() {
	s.handler.metrics.countVerified(s.delivery, s.handler.now())
	s.handler.metrics.count(s.delivery, s.kind.label)
}

// prepared returns the request as Caddy hands it to its handlers, which the
// placeholders are added to.
func (s *stages) prepared() *http.Request {
	return caddyhttp.PrepareRequest(s.request.WithContext(context.Background()), caddy.NewEmptyReplacer(), silentWriter{}, nil)
}

var bareHMAC = hmac.New(sha256.New, []byte("a key of twenty-four bytes"))

func (s *stages) bareHMAC() {
	bareHMAC.Reset()
	bareHMAC.Write(s.delivery.body.data)
	if len(bareHMAC.Sum(nil)) != sha256.Size {
		s.b.Fatal("no sum")
	}
}
