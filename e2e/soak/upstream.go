//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// upstream is the backend. It verifies each delivery with Svix's own library.
// Then it completes the delivery, or fails in one of many ways.
type upstream struct {
	address string
	keys    []*svix.Webhook
	isBad   atomic.Bool
	outages atomic.Int64
	kinds   [kinds]atomic.Int64

	mu        sync.Mutex
	server    *http.Server
	completed map[string]int // by id
	uncertain map[string]int // completed, but an outage may have cut off the answer
	forged    []string
}

// kind is what the upstream does with a request.
type kind int

const (
	completes kind = iota
	completesLate
	fails
	failsLate
	drops
	breaksOff
	panics
	talksNonsense
	kinds
)

var kindNames = [kinds]string{"completed", "completed late", "failed", "failed late", "dropped", "broken off mid-answer", "panicked", "answered with nonsense"}

// kindOf chooses at random. Eight in ten requests succeed at once.
func kindOf(n int) kind {
	switch {
	case n < 80:
		return completes
	case n < 84:
		return completesLate
	case n < 89:
		return fails
	case n < 91:
		return failsLate
	case n < 94:
		return drops
	case n < 97:
		return breaksOff
	case n < 99:
		return panics
	}
	return talksNonsense
}

func startUpstream() (*upstream, error) {
	u := &upstream{completed: make(map[string]int), uncertain: make(map[string]int)}
	for _, secret := range []string{secretA, secretB} {
		key, err := svix.NewWebhook(secret)
		if err != nil {
			return nil, err
		}
		u.keys = append(u.keys, key)
	}
	addresses, err := loopback.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	u.address = addresses[0]
	return u, u.listen()
}

func (u *upstream) listen() error {
	listener, err := net.Listen("tcp", u.address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: u, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	u.mu.Lock()
	u.server = server
	u.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (u *upstream) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	_ = u.server.Close()
}

func (u *upstream) misbehave(isBad bool) { u.isBad.Store(isBad) }

// goDown refuses connections for two seconds, repeatedly.
func (u *upstream) goDown(ctx context.Context) {
	every(ctx, 12*time.Second, func() {
		u.outages.Add(1)
		u.stop()
		sleep(ctx, 2*time.Second)
		for u.listen() != nil { // until the port is free again
			sleep(context.Background(), 50*time.Millisecond)
		}
	})
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	id := r.Header.Get("Svix-Id")
	if !u.verify(r.Header, payload) {
		u.mu.Lock()
		u.forged = append(u.forged, id)
		u.mu.Unlock()
	}
	k := completes
	if u.isBad.Load() {
		k = kindOf(rand.IntN(100))
	}
	u.kinds[k].Add(1)
	if k == completesLate || k == failsLate {
		sleep(context.Background(), senderTimeout+time.Duration(rand.Int64N(int64(senderTimeout))))
	}
	switch k {
	case fails, failsLate:
		http.Error(w, "broken", http.StatusInternalServerError)
	case drops:
		panic(http.ErrAbortHandler)
	case breaksOff:
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "not all of it")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case panics:
		panic("a bug of the backend")
	case talksNonsense:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = io.WriteString(conn, "nonsense\r\n\r\n")
			_ = conn.Close()
		}
	default:
		u.complete(w, id)
	}
}

// verify reports whether Svix's own library finds the delivery genuine.
func (u *upstream) verify(header http.Header, payload []byte) bool {
	for _, key := range u.keys {
		if key.Verify(payload, header) == nil {
			return true
		}
	}
	return false
}

// complete records the delivery and then answers 2xx. In this order, because
// the sender may ask at once.
func (u *upstream) complete(w http.ResponseWriter, id string) {
	outages := u.outages.Load()
	u.mu.Lock()
	u.completed[id]++
	u.mu.Unlock()
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	err := http.NewResponseController(w).Flush()
	if err != nil || u.outages.Load() != outages {
		u.mu.Lock()
		u.uncertain[id]++
		u.mu.Unlock()
	}
}

func (u *upstream) isCompleted(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.completed[id] > 0
}

func (u *upstream) judge() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var errs []error
	if n := len(u.forged); n > 0 {
		errs = append(errs, fmt.Errorf("%d requests that are not genuine reached the upstream, the first with the id %q", n, u.forged[0]))
	}
	twice := 0
	for id, n := range u.completed {
		if n-u.uncertain[id] > 1 {
			if twice++; twice < 5 {
				errs = append(errs, fmt.Errorf("%s was handled %d times, and %d of these answers may have been lost", id, n, u.uncertain[id]))
			}
		}
	}
	if twice > 0 {
		errs = append(errs, fmt.Errorf("%d deliveries were handled more than once", twice))
	}
	for k := range kinds {
		if u.kinds[k].Load() == 0 {
			errs = append(errs, fmt.Errorf("no request was %s: the run proves little", kindNames[k]))
		}
	}
	return errors.Join(errs...)
}

func (u *upstream) String() string {
	text := "upstream:"
	for k := range kinds {
		text += fmt.Sprintf(" %d %s,", u.kinds[k].Load(), kindNames[k])
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return text + fmt.Sprintf(" %d forged", len(u.forged))
}
