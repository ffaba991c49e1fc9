//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

const (
	senderTimeout = time.Second      // instead of Svix's 15 seconds, for the first attempts
	lastTimeout   = 15 * time.Second // for later attempts, because the machine may be busy
	patience      = 4 * time.Minute  // longer than a lease, shorter than the window
	maxUnderWay   = 64

	// farOff is more than any tolerance of the run. jump is less than all of
	// them.
	farOff = 30 * time.Minute
	jump   = 4 * time.Minute
)

// retryDelays are the delays of Svix's schedule, but shorter. The last one
// repeats.
var retryDelays = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second}

// traffic is everything that is sent to Caddy.
type traffic struct {
	site, inspector string // addresses
	upstream        *upstream
	client          *http.Client
	number          atomic.Int64 // number of the last message

	delivered, copies, attempts, unanswered  atomic.Int64
	forged, dripped, broken, jumped, streams atomic.Int64
	statuses                                 [600]atomic.Int64 // answers to attempts
	mu                                       sync.Mutex
	faults                                   []error
	faultCount                               int
}

func newTraffic(site, inspector string, u *upstream) *traffic {
	return &traffic{site: site, inspector: inspector, upstream: u, client: &http.Client{
		Timeout:   lastTimeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
}

func (t *traffic) fault(format string, arguments ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faultCount++
	if len(t.faults) < 20 {
		t.faults = append(t.faults, fmt.Errorf(format, arguments...))
	}
}

// judge compares what the senders saw with what is promised.
func (t *traffic) judge() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	errs := t.faults
	if n := t.faultCount - len(t.faults); n > 0 {
		errs = append(errs, fmt.Errorf("and %d more", n))
	}
	for what, n := range map[string]*atomic.Int64{
		"messages delivered": &t.delivered, "copies": &t.copies, "attempts without an answer": &t.unanswered,
		"forgeries": &t.forged, "dripping senders": &t.dripped, "senders that break off": &t.broken,
		"jumps in time": &t.jumped, "inspector streams": &t.streams,
	} {
		if n.Load() == 0 {
			errs = append(errs, fmt.Errorf("there were no %s: the run proves little", what))
		}
	}
	return errors.Join(errs...)
}

func (t *traffic) String() string {
	var seen []string
	for status := range t.statuses {
		if n := t.statuses[status].Load(); n > 0 {
			seen = append(seen, fmt.Sprintf("%d: %d", status, n))
		}
	}
	return fmt.Sprintf("senders: %d messages delivered, %d copies, in %d attempts (%s, no answer: %d); %d forged, %d dripped, %d broken off, %d jumps in time, %d inspector streams",
		t.delivered.Load(), t.copies.Load(), t.attempts.Load(), strings.Join(seen, ", "), t.unanswered.Load(),
		t.forged.Load(), t.dripped.Load(), t.broken.Load(), t.jumped.Load(), t.streams.Load())
}

// message is a message to deliver. All attempts have its id.
type message struct {
	id, secret string
	body       []byte
}

func (t *traffic) newMessage() message {
	n := t.number.Add(1)
	m := message{id: fmt.Sprintf("msg_%d", n), secret: secretA, body: bodyOf(randomSize())}
	if n%2 == 0 {
		m.secret = secretB
	}
	return m
}

func randomSize() int {
	switch n := rand.IntN(100); {
	case n < 70:
		return 2 << 10
	case n < 95:
		return 20 << 10
	}
	return 150 << 10
}

// bodyOf returns an event of about size bytes.
func bodyOf(size int) []byte {
	padding := make([]byte, size)
	for i := range padding {
		padding[i] = 'a' + byte(rand.IntN(26))
	}
	return fmt.Appendf(nil, `{"data":{"id":"user_1","padding":"%s"},"object":"event","type":"user.created"}`, padding)
}

// headers returns the headers of an attempt that is signed at that time.
func headers(m message, at time.Time) http.Header {
	key, err := svix.NewWebhook(m.secret)
	if err != nil {
		panic(err)
	}
	signature, err := key.Sign(m.id, at, m.body)
	if err != nil {
		panic(err)
	}
	h := make(http.Header)
	h.Set("Svix-Id", m.id)
	h.Set("Svix-Timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("Svix-Signature", signature)
	h.Set("Content-Type", "application/json")
	return h
}

// attempt sends m once and returns the status of the answer.
func (t *traffic) attempt(ctx context.Context, m message, at time.Time) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.site+"/hooks", strings.NewReader(string(m.body)))
	if err != nil {
		return 0, err
	}
	r.Header = headers(m, at)
	if rand.IntN(3) == 0 {
		r.ContentLength, r.GetBody, r.Body = -1, nil, io.NopCloser(strings.NewReader(string(m.body)))
	}
	res, err := t.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}

// deliver begins new messages at a rate until ctx is done. It returns when all
// of them are delivered. It begins none while too many are in progress.
// Otherwise a busy machine would look like a guard that loses deliveries.
func (t *traffic) deliver(ctx context.Context, rate int) {
	var senders sync.WaitGroup
	defer senders.Wait()
	underWay := make(chan struct{}, maxUnderWay)
	every(ctx, time.Second/time.Duration(rate), func() {
		select {
		case underWay <- struct{}{}:
		default:
			return
		}
		m := t.newMessage()
		senders.Go(func() {
			t.deliverOne(m)
			<-underWay
		})
		switch rand.IntN(10) {
		case 0: // a copy at the same time
			t.copies.Add(1)
			senders.Go(func() { t.deliverOne(m) })
		case 1: // a copy later
			t.copies.Add(1)
			senders.Go(func() {
				sleep(ctx, 10*time.Second)
				t.deliverOne(m)
			})
		}
	})
}

// deliverOne tries until the message is acknowledged.
func (t *traffic) deliverOne(m message) {
	deadline := time.Now().Add(patience)
	for n := 0; time.Now().Before(deadline); n++ {
		t.attempts.Add(1)
		status, err := t.attemptWithin(timeoutOf(n), m)
		if err != nil {
			t.unanswered.Add(1)
			status = 0
		} else {
			t.statuses[status].Add(1)
		}
		switch {
		case status >= 200 && status <= 299:
			t.delivered.Add(1)
			if !t.upstream.isCompleted(m.id) {
				t.fault("%s was acknowledged with %d, but the upstream never completed it", m.id, status)
			}
			return
		case status == http.StatusForbidden || status == http.StatusBadRequest || status == http.StatusMethodNotAllowed ||
			status == http.StatusRequestEntityTooLarge:
			t.fault("%s is genuine, but was refused with %d", m.id, status)
		}
		sleep(context.Background(), retryDelays[min(n, len(retryDelays)-1)])
	}
	t.fault("%s was not delivered within %s", m.id, patience)
}

func timeoutOf(attempt int) time.Duration {
	if attempt < 5 {
		return senderTimeout
	}
	return lastTimeout
}

func (t *traffic) attemptWithin(timeout time.Duration, m message) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.attempt(ctx, m, time.Now())
}

// fillInspector fills the inspector's memory with accepted and rejected
// deliveries, so that its growth is not mistaken for a leak.
func (t *traffic) fillInspector(ctx context.Context) error {
	for _, fill := range []struct {
		secret string
		count  int
	}{{secretA, 450}, {otherSecret, 150}} {
		for range fill.count {
			m := t.newMessage()
			m.secret, m.body = fill.secret, bodyOf(200<<10)
			status, err := t.attempt(ctx, m, time.Now())
			if err != nil {
				return fmt.Errorf("filling the inspector: %w", err)
			}
			if (status == http.StatusOK) != (fill.secret == secretA) {
				return fmt.Errorf("filling the inspector: status %d", status)
			}
		}
	}
	return nil
}
