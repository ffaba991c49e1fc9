//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// drip runs four senders that send one byte at a time, and so never finish
// before body_timeout.
func (t *traffic) drip(ctx context.Context) {
	inParallel(4, func() {
		for ctx.Err() == nil {
			if err := t.dripOnce(ctx); err != nil && ctx.Err() == nil {
				sleep(ctx, 100*time.Millisecond) // a reload has closed the connection
			}
		}
	})
}

func (t *traffic) dripOnce(ctx context.Context) error {
	m := t.newMessage()
	conn, err := t.dialWithHead(ctx, m)
	if err != nil {
		return err
	}
	defer conn.Close()
	answered := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(answered)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return
		}
		defer res.Body.Close()
		t.dripped.Add(1)
		if res.StatusCode != http.StatusRequestTimeout {
			t.fault("a dripping sender got %d", res.StatusCode)
		}
	}()
	for _, b := range m.body {
		if _, err := conn.Write([]byte{b}); err != nil {
			break
		}
		select {
		case <-answered:
			return nil
		case <-ctx.Done():
			conn.Close()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Since(start) > bodyTimeout+30*time.Second {
			t.fault("a dripping sender was not cut off in %s", time.Since(start))
			break
		}
	}
	conn.Close()
	<-answered
	return nil
}

// dialWithHead sends the head of a genuine delivery.
func (t *traffic) dialWithHead(ctx context.Context, m message) (*net.TCPConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.site)
	if err != nil {
		return nil, err
	}
	var head strings.Builder
	fmt.Fprintf(&head, "POST /hooks HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", t.site, len(m.body))
	_ = headers(m, time.Now()).Write(&head)
	head.WriteString("\r\n")
	_, err = io.WriteString(conn, head.String())
	return conn.(*net.TCPConn), err
}

// breakOff sends parts of deliveries, and complete deliveries without waiting
// for the answer.
func (t *traffic) breakOff(ctx context.Context) {
	every(ctx, 50*time.Millisecond, func() {
		m := t.newMessage()
		conn, err := t.dialWithHead(ctx, m)
		if err != nil {
			return
		}
		sent := len(m.body)
		if rand.IntN(4) > 0 {
			sent = rand.IntN(len(m.body))
		}
		_, _ = conn.Write(m.body[:sent])
		if rand.IntN(2) == 0 {
			_ = conn.SetLinger(0) // a reset instead of a normal close
		}
		conn.Close()
		t.broken.Add(1)
	})
}

// forge floods the guard for five seconds, repeatedly.
func (t *traffic) forge(ctx context.Context) {
	every(ctx, 10*time.Second, func() {
		flood, stop := context.WithTimeout(ctx, 5*time.Second)
		defer stop()
		inParallel(4, func() {
			every(flood, 20*time.Millisecond, func() { t.forgeOnce(ctx) })
		})
	})
}

// forgeOnce sends a request that the guard must never let through.
func (t *traffic) forgeOnce(ctx context.Context) {
	m := t.newMessage()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.site+"/hooks", strings.NewReader(string(m.body)))
	if err != nil {
		return
	}
	switch rand.IntN(6) {
	case 0: // signed with another secret
		m.secret = otherSecret
		r.Header = headers(m, time.Now())
	case 1: // another body
		r.Header = headers(message{id: m.id, secret: m.secret, body: []byte("another")}, time.Now())
	case 2: // another id
		r.Header = headers(m, time.Now())
		r.Header.Set("Svix-Id", "msg_other")
	case 3: // captured long ago
		r.Header = headers(m, time.Now().Add(-farOff))
	case 4: // no headers
	case 5: // another method
		r.Header = headers(m, time.Now())
		r.Method = http.MethodPut
	}
	t.expectRefusal(r, "a forgery")
}

// jumpInTime sends deliveries from a sender whose clock jumps. Jumps of some
// minutes are accepted, larger ones are not. Caddy's own clock cannot jump
// without that of the machine. TestClockJumps tests that.
func (t *traffic) jumpInTime(ctx context.Context) {
	every(ctx, 100*time.Millisecond, func() {
		m := t.newMessage()
		t.jumped.Add(1)
		if rand.IntN(2) == 0 {
			by := farOff
			if rand.IntN(2) == 0 {
				by = -farOff
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.site+"/hooks", strings.NewReader(string(m.body)))
			if err == nil {
				r.Header = headers(m, time.Now().Add(by))
				t.expectRefusal(r, fmt.Sprintf("a delivery that was signed %s off", by))
			}
			return
		}
		by := time.Duration(rand.Int64N(int64(2*jump))) - jump
		status, err := t.attempt(ctx, m, time.Now().Add(by))
		if err == nil && (status == http.StatusForbidden || status == http.StatusBadRequest) {
			t.fault("a delivery that was signed %s off was refused with %d", by, status)
		}
	})
}

// expectRefusal sends a request that must not be acknowledged.
func (t *traffic) expectRefusal(r *http.Request, what string) {
	res, err := t.client.Do(r)
	if err != nil {
		return // during a reload; it did not arrive, which is all that matters
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	t.forged.Add(1)
	if res.StatusCode < 400 || res.StatusCode > 499 {
		t.fault("%s got %d", what, res.StatusCode)
	}
}

// openStreams watches the inspector with tabs that often open and close.
func (t *traffic) openStreams(ctx context.Context) {
	inParallel(6, func() {
		for ctx.Err() == nil {
			t.watchStream(ctx)
			sleep(ctx, 50*time.Millisecond)
		}
	})
}

func (t *traffic) watchStream(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(5*time.Second))))
	defer cancel()
	for _, path := range []string{"/api/entries?limit=20", "/api/stream"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.inspector+path, http.NoBody)
		if err != nil {
			return
		}
		res, err := oneRequest.Do(r)
		if err != nil {
			return
		}
		if res.StatusCode != http.StatusOK {
			t.fault("%s of the inspector got %d", path, res.StatusCode)
		}
		if rand.IntN(4) == 0 && path == "/api/stream" {
			<-ctx.Done() // a browser that reads nothing
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if path == "/api/stream" {
			t.streams.Add(1)
		}
	}
}

// inParallel runs f in n goroutines and waits for them.
func inParallel(n int, f func()) {
	var running sync.WaitGroup
	for range n {
		running.Go(f)
	}
	running.Wait()
}
