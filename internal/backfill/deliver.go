package backfill

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Answer is what the backend says to a delivery.
type Answer struct {
	// Status is 0 if there was no answer.
	Status int

	// Header is the answer's, or nil.
	Header http.Header

	// Took is the time until the answer.
	Took time.Duration

	// Text is the beginning of the answer, or the target of a redirect.
	Text string

	// Err says why there was no whole answer.
	Err error
}

func (a Answer) accepted() bool { return a.Err == nil && a.Status/100 == 2 }

// Sender signs a payload, sends it to the backend and waits for the answer.
type Sender interface {
	Send(ctx context.Context, id string, body []byte) Answer
}

const (
	// maxWaiting is how many refused events wait for their next attempt at a time.
	maxWaiting = 100

	// maxRefused is how many refused events end the run. They are kept in memory.
	maxRefused = 1000

	// maxPauses is how often one event waits because of a 429. These attempts do not
	// count.
	maxPauses = 20
)

// svixDelays are Svix's first delays between attempts.
func svixDelays() []time.Duration { return []time.Duration{5 * time.Second, 5 * time.Minute} }

// deliverer sends events, several at a time, and those that are refused again.
type deliverer struct {
	sender Sender
	pacer  *pacer
	tally  *tally
	delays []time.Duration
	stop   context.CancelCauseFunc
	room   chan struct{} // bounds the events under way and waiting
	all    sync.WaitGroup
}

func newDeliverer(o *Options, t *tally, stop context.CancelCauseFunc) *deliverer {
	return &deliverer{
		sender: o.Sender, pacer: newPacer(o.Concurrency, o.Rate), tally: t, delays: o.delays, stop: stop,
		room: make(chan struct{}, o.Concurrency+maxWaiting),
	}
}

// start sends the event in the background, as soon as it may.
func (d *deliverer) start(ctx context.Context, e Event, b *batch) error {
	select {
	case d.room <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := d.pacer.begin(ctx); err != nil {
		<-d.room
		return context.Cause(ctx)
	}
	b.add()
	d.all.Go(func() {
		defer func() { <-d.room }()
		d.deliver(ctx, e, b)
	})
	return nil
}

// wait returns when everything that was started is accepted, refused or given up.
func (d *deliverer) wait() { d.all.Wait() }

// deliver makes all attempts. An attempt that the end of the context cuts off does not
// count.
func (d *deliverer) deliver(ctx context.Context, e Event, b *batch) {
	a := d.attempt(ctx, e)
	tries, pauses := 0, 0
	for ; !a.accepted(); a = d.attempt(ctx, e) {
		if ctx.Err() != nil {
			return
		}
		isFirst := tries+pauses == 0
		var delay time.Duration
		switch {
		case a.Status == http.StatusTooManyRequests && pauses < maxPauses:
			pauses++ // the pacer makes a pause for all
		case tries < len(d.delays):
			delay = d.delays[tries]
			tries++
		default:
			d.refuse(e, a)
			return
		}
		if isFirst {
			d.tally.waits(e, a, delay, b)
		}
		if wait(ctx, delay, nil) != nil || d.pacer.begin(ctx) != nil {
			return
		}
	}
	d.tally.accepted(e, b, tries+pauses > 0)
}

func (d *deliverer) attempt(ctx context.Context, e Event) Answer {
	started := time.Now()
	a := d.sender.Send(ctx, e.ID, e.Body)
	d.pacer.end(started, a)
	return a
}

func (d *deliverer) refuse(e Event, a Answer) {
	refused, inARow := d.tally.refuse(e, a)
	switch {
	case inARow >= 2*cap(d.room): // no chance: all that waited, and all that came after
		d.stop(fmt.Errorf("the backend has refused %d events in a row", inARow))
	case refused >= maxRefused:
		d.stop(fmt.Errorf("the backend has refused %d events", refused))
	}
}
