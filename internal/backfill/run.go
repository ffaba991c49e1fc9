// Package backfill sends what Clerk's Backend API knows as the events that Clerk's
// webhooks would send.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// saveInterval is how much work a run that was killed does again at most.
const saveInterval = time.Second

// Options says what a run does.
type Options struct {
	Client *Client

	// Sender sends the events. A dry run needs none.
	Sender Sender

	// Kinds are the kinds to send. IDs are the objects to send instead of all.
	Kinds []Kind
	IDs   map[Kind][]string

	// As is Created or Updated.
	As string

	// Since selects only objects that have changed since then. SinceText is how the
	// user wrote it. Both may be zero.
	Since     time.Time
	SinceText string

	// Known are the ids that the backend has, or nil. The backend gets a deletion for
	// those that Clerk does not have any more, unless these are more than MaxDeletions.
	Known        *Known
	MaxDeletions Limit

	// To names the backend in the resume file.
	To string

	// Concurrency is how many events are sent at a time, and Rate how many in a second.
	// A Rate of 0 has no limit.
	Concurrency int
	Rate        float64

	// Resume is the resume file, or "".
	Resume string

	// DryRun sends nothing.
	DryRun bool

	// First gets the first event of each type.
	First func(Event)

	// Notify gets lines about what does not go as it should.
	Notify func(string)

	delays []time.Duration
}

// Run is one run.
type Run struct {
	Options
	tally    *tally
	instance string
	seen     map[string]bool // event types
	missing  []string        // of IDs
}

// New returns a run that has not begun.
func New(o Options) *Run {
	if o.delays == nil {
		o.delays = svixDelays()
	}
	return &Run{Options: o, tally: newTally(o.Notify, state{}), seen: make(map[string]bool)}
}

// ErrSetup is the kind of the errors because of which nothing was sent.
var ErrSetup = errors.New("nothing was sent")

// Do runs it to its end. It returns an error if it stopped before. Events that the
// backend has refused are no error.
func (r *Run) Do(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	d := newDeliverer(&r.Options, r.tally, stop)
	err := r.sendAll(ctx, d)
	if errors.Is(err, ErrDeletions) {
		return errors.Join(err, r.removeState()) // all else is done
	}
	if err != nil {
		stop(err) // what waits for another attempt need not wait
		d.wait()
		return errors.Join(context.Cause(ctx), r.save())
	}
	return r.removeState()
}

// prepare makes sure that the key is good, and reads the resume file.
func (r *Run) prepare(ctx context.Context) error {
	instance, err := r.Client.Instance(ctx)
	if err != nil {
		return err
	}
	r.instance = instance
	run := identity{Instance: instance, To: r.To, Kinds: r.Kinds, As: r.As, Since: r.SinceText}
	if !r.Since.IsZero() {
		run.SinceMs = r.Since.UnixMilli()
	}
	file := r.Resume
	if r.DryRun {
		file = ""
	}
	s, err := loadState(file, run)
	if err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	if s.Run.SinceMs != 0 {
		r.Since = time.UnixMilli(s.Run.SinceMs)
	}
	r.tally = newTally(r.Notify, s)
	return nil
}

func (r *Run) sendAll(ctx context.Context, d *deliverer) error {
	for _, kind := range r.Kinds {
		if err := r.sendKind(ctx, d, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if r.Known != nil {
		if err := r.sendDeletions(ctx, d); err != nil {
			return fmt.Errorf("deletions: %w", err)
		}
	}
	return nil
}

// sendKind sends all of a kind. What comes next may refer to it, so it returns only
// when nothing is under way.
func (r *Run) sendKind(ctx context.Context, d *deliverer, kind Kind) error {
	s := r.tally.snapshot()
	if open := r.tally.openOf(kind); len(open) > 0 {
		r.tally.enter(string(kind), 0, len(open))
		again := newLookup(r.Client, kind, open)
		if err := r.sendList(ctx, d, kind, again); err != nil {
			return err
		}
		r.tally.forget(again.missing)
	}
	if slices.Contains(s.Finished, kind) {
		return nil
	}
	if err := r.sendRest(ctx, d, kind, s); err != nil {
		return err
	}
	r.tally.finish(kind)
	return r.save()
}

// sendRest sends what the list has after the place where the run is.
func (r *Run) sendRest(ctx context.Context, d *deliverer, kind Kind, s state) error {
	if ids := r.IDs[kind]; len(r.IDs) > 0 {
		r.tally.enter(string(kind), 0, len(ids))
		single := newLookup(r.Client, kind, ids)
		if err := r.sendList(ctx, d, kind, single); err != nil {
			return err
		}
		r.missing = append(r.missing, slices.Sorted(maps.Keys(single.missing))...)
		return nil
	}
	total := 0
	if kind == Users {
		var err error
		if total, err = r.Client.CountUsers(ctx); err != nil {
			return err
		}
	}
	r.tally.enter(string(kind), s.Done, total)
	return r.sendList(ctx, d, kind, newList(r.Client, kind, s.Place))
}

// sendList sends a list, and reads its next page meanwhile.
func (r *Run) sendList(ctx context.Context, d *deliverer, kind Kind, l list) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pages := make(chan page)
	go func() {
		defer close(pages)
		for {
			p, err := l.next(ctx)
			if errors.Is(err, errEnd) {
				return
			}
			if err != nil {
				cancel(err)
				return
			}
			select {
			case pages <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	saved := time.Now()
	for p := range pages {
		if err := r.sendPage(ctx, d, kind, p); err != nil {
			return err
		}
		if time.Since(saved) >= saveInterval {
			if err := r.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	if ctx.Err() == nil {
		d.wait()
	}
	return context.Cause(ctx)
}

func (r *Run) sendPage(ctx context.Context, d *deliverer, kind Kind, p page) error {
	if p.total > 0 {
		r.tally.setTotal(p.total)
	}
	b := r.tally.begin(p.place)
	for _, o := range p.objects {
		if !r.Since.IsZero() && o.updated < r.Since.UnixMilli() {
			r.tally.unwanted()
			continue
		}
		e, err := newEvent(kind, r.As, r.instance, o, p.readAt)
		if err != nil {
			return err
		}
		if err := r.send(ctx, d, e, b); err != nil {
			return err
		}
	}
	b.end()
	return nil
}

func (r *Run) send(ctx context.Context, d *deliverer, e Event, b *batch) error {
	if !r.seen[e.Type] && r.First != nil {
		r.First(e)
	}
	r.seen[e.Type] = true
	if r.DryRun {
		b.add()
		r.tally.accepted(e, b, false)
		return ctx.Err()
	}
	return d.start(ctx, e, b)
}

func (r *Run) save() error {
	if r.DryRun {
		return nil
	}
	if err := saveState(r.Resume, r.tally.snapshot()); err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	return nil
}

// removeState removes the resume file: the run got to its end.
func (r *Run) removeState() error {
	if r.Resume == "" || r.DryRun {
		return nil
	}
	if err := os.Remove(r.Resume); err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	return nil
}

// Progress returns how far the run is. Any goroutine may call it.
func (r *Run) Progress() Progress { return r.tally.now() }

// Refusals returns the events that the backend has refused.
func (r *Run) Refusals() []Refusal { return r.tally.refusals() }

// Missing returns those of Options.IDs that Clerk does not have.
func (r *Run) Missing() []string { return r.missing }

// CanResume reports whether there is a resume file now, with which the run can go on.
func (r *Run) CanResume() bool {
	_, err := os.Stat(r.Resume)
	return r.Resume != "" && !r.DryRun && err == nil
}
