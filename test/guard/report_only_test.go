package guard_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// endless is a body of which only the beginning ever comes.
type endless struct {
	io.Reader
	end <-chan struct{}
}

func (e endless) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		<-e.end
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Handlers get what has come of a slow body, and then the error that they would meet
// without the guard.
func TestReportOnlyPassesASlowBodyOn(t *testing.T) {
	type read struct {
		length int
		err    error
	}
	reads := make(chan read, 1)
	testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
		got, err := io.ReadAll(r.Body)
		reads <- read{len(got), err}
		w.WriteHeader(http.StatusAccepted)
		return nil
	})
	endpoint := testcaddy.NewEndpoint()
	site := testcaddy.RunSite(t, "handle /metrics {\nmetrics\n}\nhandle {\nclerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nbody_timeout 300ms\nreport_only\n}\ntest_handler\n}"+testcaddy.Labelled, "")
	for number, client := range site.Clients {
		for framing, length := range map[string]int64{"announced": 2000, "not announced": -1} {
			t.Run(client.Name+"/"+framing, func(t *testing.T) {
				r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)
				r.GetBody, r.ContentLength = nil, length
				r.Body = io.NopCloser(endless{strings.NewReader(strings.Repeat("x", 1000)), t.Context().Done()})
				a := testcaddy.Send(t, client.Client, r)
				if got := <-reads; got.length != 1000 || !errors.Is(got.err, os.ErrDeadlineExceeded) {
					t.Errorf("the handler got %d bytes and the error %v", got.length, got.err)
				}
				a.Check(t, http.StatusAccepted, "rejected body_timeout")
			})
		}
		want := float64(2 * (number + 1))
		samples := testcaddy.Scrape(t, site.Plain)
		if got := samples[testcaddy.DeliveriesLabels(endpoint, "rejected", "body_timeout", "")]; got != want {
			t.Errorf("%v deliveries are counted, want %v", got, want)
		}
	}
}

// Without a deadline, senders that stop in the middle would hold a connection and a
// large buffer each, for ever.
func TestReportOnlyFreesSlowSenders(t *testing.T) {
	const senders, sent, mostMiB = 100, 530_000, 60
	upstream := upstreamOf(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nbody_timeout 2s\nreport_only\n}\nreverse_proxy "+upstream))
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

// What is over max_body is not read to its end by the guard, so its deadline ends there.
func TestReportOnlyGivesALargeBodyTheTimeOfTheServer(t *testing.T) {
	const timeout = 200 * time.Millisecond
	for name, test := range map[string]struct {
		server string
		err    error
	}{
		"no limit of the server":                    {"", nil},
		"the server's read_body":                    {"timeouts {\nread_body 1s\n}", os.ErrDeadlineExceeded},
		"the server's read_body, without idle time": {noIdleTimeout("read_body 1s"), os.ErrDeadlineExceeded},
		"no limit of the server at all":             {noIdleTimeout(""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			waiting, errs := make(chan struct{}, 1), make(chan error, 1)
			testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
				_, _ = io.CopyN(io.Discard, r.Body, 2000)
				waiting <- struct{}{}
				_, err := io.Copy(io.Discard, r.Body)
				errs <- err
				w.WriteHeader(http.StatusOK)
				return nil
			})
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\nmax_body 1KiB\nbody_timeout "+timeout.String()+"\nreport_only\n}\ntest_handler", test.server)
			first, second := strings.Repeat("x", 2000), strings.Repeat("y", 2000)
			conn := testcaddy.Dial(t, site.Plain)
			conn.Send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nSvix-Id: msg_1\r\nSvix-Timestamp: %d\r\nSvix-Signature: v1,AAAA\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n%s\r\n", site.Plain, time.Now().Unix(), first))
			<-waiting
			if test.err == nil {
				<-time.After(2 * timeout)
				conn.Send(t, "7d0\r\n"+second+"\r\n0\r\n\r\n")
			}
			if err := <-errs; !errors.Is(err, test.err) {
				t.Errorf("the handler got the error %v, want %v", err, test.err)
			}
		})
	}
}
