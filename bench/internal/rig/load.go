//go:build linux

package rig

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is a serialised request. It is serialised once, so that sending it
// costs only the system call.
type Request struct{ head, body []byte }

// NewRequest serialises a request. Its Content-Length is that of the body
// unless header has another. The body is not copied.
func NewRequest(method, host string, header http.Header, body []byte) Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s /webhook HTTP/1.1\r\nHost: %s\r\n", method, host)
	_ = header.Write(&b) // a bytes.Buffer never fails
	if method != http.MethodGet && header.Get("Content-Length") == "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	return Request{b.Bytes(), body}
}

// Head returns the request line and the headers.
func (r Request) Head() []byte { return r.head }

// Load keeps a number of connections open. Each sends a request and waits for
// the answer before it sends the next.
type Load struct {
	Address     string
	Requests    []Request // sent in turn, again and again
	Status      int       // any other status is an error
	Connections int
	Duration    time.Duration

	// Rate is how many requests are due in a second, on all connections
	// together. If a request is due before the previous answer has arrived, it
	// is sent after that answer, and its latency counts from when it was due.
	// By default, a connection sends its next request at once.
	Rate float64
}

// Result is the result of a load.
type Result struct {
	Answered  int
	Lost      int // requests that ended without an answer
	Wall      time.Duration
	Latencies []time.Duration // of the answered requests, unordered
}

// PerSecond returns the throughput.
func (r Result) PerSecond() float64 { return float64(r.Answered) / r.Wall.Seconds() }

// LatencyQuantile returns a quantile of the latencies.
func (r Result) LatencyQuantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.Latencies))
	return sorted[int(q*float64(len(sorted)-1))]
}

// Run sends the load. It fails at the first answer with another status.
func (l Load) Run() (Result, error) {
	clients := make([]client, l.Connections)
	errs := make([]error, l.Connections)
	begin := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { errs[i] = clients[i].run(l, i, begin) })
	}
	all.Wait()
	r := Result{Wall: time.Since(begin)}
	for _, c := range clients {
		r.Answered += len(c.latencies)
		r.Lost += c.lost
		r.Latencies = append(r.Latencies, c.latencies...)
	}
	return r, errors.Join(errs...)
}

// due returns when a connection sends the request with this number.
func (l Load) due(connection, number int, begin time.Time) time.Time {
	if l.Rate == 0 {
		return time.Now()
	}
	place := float64(connection + number*l.Connections)
	return begin.Add(time.Duration(place / l.Rate * float64(time.Second)))
}

// run sends the requests of one connection.
func (c *client) run(l Load, connection int, begin time.Time) error {
	defer c.close()
	end := begin.Add(l.Duration)
	for number := 0; ; number++ {
		due := l.due(connection, number, begin)
		if !due.Before(end) || !time.Now().Before(end) {
			return nil
		}
		if l.Rate != 0 {
			time.Sleep(time.Until(due))
		}
		if err := c.connect(l.Address); err != nil {
			return err
		}
		// Each connection begins at a different request, so that few requests
		// are sent twice at about the same time.
		start := connection * len(l.Requests) / l.Connections
		status, keepAlive, err := c.exchange(l.Requests[(start+number)%len(l.Requests)])
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return err
		case err != nil:
			c.lost++
		case status != l.Status:
			return fmt.Errorf("%s answered %d instead of %d", l.Address, status, l.Status)
		default:
			c.latencies = append(c.latencies, time.Since(due))
		}
		if err != nil || !keepAlive {
			c.close()
		}
	}
}
