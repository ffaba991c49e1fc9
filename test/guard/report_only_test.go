package guard_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// Without a deadline, senders that stop in the middle would hold a connection and a
// large buffer each, for ever.
func TestReportOnlyFreesSlowSenders(t *testing.T) {
	const senders, sent, mostMiB = 100, 530_000, 60
	upstream := upstreamOf(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nbody_timeout 1s\nreport_only\n}\nreverse_proxy "+upstream))
	r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
	r.set("Content-Length", "1000000")
	text := r.head() + strings.Repeat("x", sent)

	before := heapMiB()
	var running sync.WaitGroup
	for range senders {
		conn := testcaddy.Dial(t, address)
		running.Go(func() {
			_, err := io.WriteString(conn, text)
			answer, _ := io.ReadAll(conn) // until Caddy closes the connection
			if err != nil || !brokenBody.Match(answer) {
				t.Errorf("sent %v, got %q", err, answer)
			}
		})
	}
	running.Wait()
	if grown := heapMiB() - before; grown > mostMiB {
		t.Errorf("%d MiB more are held, want at most %d", grown, mostMiB)
	}
	samples := testcaddy.SamplesOf(testcaddy.Scrape(t, address), endpoint)
	testcaddy.WantSamples(t, samples, map[string]float64{testcaddy.DeliveriesLabels(endpoint, "rejected", "body_timeout", ""): senders})
}

// What the handler has read of a body that is too large is not kept while its sender waits.
func TestReportOnlyKeepsNothingOfALargeBody(t *testing.T) {
	const senders, mostMiB = 50, 30
	body := strings.Repeat("x", 1<<20+1)
	passedOn := make(chan struct{}, senders)
	upstream := upstreamOf(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
			return
		}
		if n, err := io.CopyN(io.Discard, r.Body, int64(len(body))); err != nil {
			t.Errorf("the upstream got %d bytes: %v", n, err)
		}
		passedOn <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	})
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\nreport_only\n}\nreverse_proxy "+upstream+"\n}")
	r := rawDelivery(t, "/", "msg_1", "")
	r.set("Content-Length")
	r.set("Transfer-Encoding", "chunked")

	before := heapMiB()
	var running sync.WaitGroup
	for range senders {
		conn := testcaddy.Dial(t, address)
		running.Go(func() {
			if _, err := io.WriteString(conn, r.head()+chunk(body)); err != nil {
				t.Error(err)
			}
			<-passedOn
		})
	}
	running.Wait()
	if grown := heapMiB() - before; grown > mostMiB {
		t.Errorf("%d MiB more are held, want at most %d", grown, mostMiB)
	}
}

// brokenBody is what reverse_proxy answers if it cannot read a body to its end.
var brokenBody = regexp.MustCompile("^HTTP/1.1 (499|502) ")

func heapMiB() int {
	runtime.GC()
	runtime.GC() // the first only moves what is in pools aside
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc >> 20)
}
