//go:build linux

// Command soak runs a Caddy with the guard, deduplication in storage, the
// inspector and metrics. Meanwhile, senders, upstreams and the disk fail, and
// the configuration is reloaded. It fails if a delivery is lost, handled twice
// or forwarded unverified. It also fails if the log reports a panic or a data
// race, or if memory, goroutines or open files grow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

type options struct {
	duration time.Duration
	rate     int
	race     bool
	out      string
}

func main() {
	var o options
	minutes := flag.Float64("minutes", 0.7, "how long the load lasts; some seconds to begin and to end come on top")
	flag.IntVar(&o.rate, "rate", 50, "new messages in a second")
	flag.BoolVar(&o.race, "race", false, "build Caddy with the race detector")
	flag.StringVar(&o.out, "out", "", "folder for Caddy's log, the samples and, after a failure, profiles; default: a temporary one")
	flag.Parse()
	o.duration = time.Duration(*minutes * float64(time.Minute))
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	fmt.Println("passed")
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.out == "" {
		o.out = dir
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	s, err := newSoak(o, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	return s.run()
}

// soak is one run.
type soak struct {
	options
	caddy    *caddy
	upstream *upstream
	traffic  *traffic
	watch    *watch
}

func newSoak(o options, dir string) (*soak, error) {
	u, err := startUpstream()
	if err != nil {
		return nil, err
	}
	c, err := startCaddy(dir, o, u.address)
	if err != nil {
		u.stop()
		return nil, err
	}
	t := newTraffic(c.site, c.inspector, u)
	return &soak{options: o, caddy: c, upstream: u, traffic: t, watch: newWatch(c)}, nil
}

func (s *soak) stop() {
	s.caddy.stop()
	s.upstream.stop()
}

// run has three phases: rest, load, rest again.
func (s *soak) run() error {
	ctx := context.Background()
	for range 2 { // what a reload leaves behind for good counts as rest
		if err := s.caddy.reload(ctx); err != nil {
			return err
		}
	}
	atRest, err := s.watch.settle(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Printf("at rest: %v\n", atRest)
	if err := s.traffic.fillInspector(ctx); err != nil {
		return err
	}

	s.load(ctx)

	s.traffic.client.CloseIdleConnections()
	errs := []error{s.caddy.reload(ctx), s.caddy.reload(ctx)}
	again, err := s.watch.settle(ctx, &atRest)
	fmt.Printf("at rest again: %v\n", again)
	errs = append(errs, err, s.watch.judge(), s.traffic.judge(), s.upstream.judge(), s.caddy.judge())
	errs = append(errs, s.watch.save(filepath.Join(s.out, "samples.csv")))
	s.report()
	err = errors.Join(errs...)
	if err != nil {
		errs = append(errs, s.watch.saveProfiles(ctx, s.out))
	}
	return errors.Join(errs...)
}

// load does everything at once. When the time is over, the faults end. The
// senders continue until everything that they have begun is delivered.
func (s *soak) load(ctx context.Context) {
	faults, endFaults := context.WithCancel(ctx)
	defer endFaults()
	loading, endLoading := context.WithTimeout(ctx, s.duration)
	defer endLoading()

	var happening, senders sync.WaitGroup
	for _, fault := range []func(context.Context){
		s.upstream.goDown, s.reloadConstantly, s.fillDisk,
		s.traffic.drip, s.traffic.breakOff, s.traffic.forge, s.traffic.jumpInTime, s.traffic.openStreams,
	} {
		happening.Go(func() { fault(faults) })
	}
	s.upstream.misbehave(true)
	watching, endWatching := context.WithCancel(ctx)
	happening.Go(func() { s.watch.run(watching, s.duration) })
	happening.Go(func() { s.tell(watching) })
	senders.Go(func() { s.traffic.deliver(loading, s.rate) })

	<-loading.Done()
	endWatching()
	endFaults()
	s.upstream.misbehave(false)
	happening.Wait()
	senders.Wait()
}

func (s *soak) reloadConstantly(ctx context.Context) {
	every(ctx, 4*time.Second, func() { s.caddy.mustReload(ctx) })
}

// fillDisk makes Caddy's disk full for a while, repeatedly.
func (s *soak) fillDisk(ctx context.Context) {
	every(ctx, 15*time.Second, func() {
		s.caddy.limitFiles("0")
		sleep(ctx, 4*time.Second)
		s.caddy.limitFiles("unlimited")
	})
}

// tell prints a line every minute.
func (s *soak) tell(ctx context.Context) {
	every(ctx, time.Minute, func() { fmt.Println(time.Now().UTC().Format(time.TimeOnly), s.watch.last(), s.traffic) })
}

func (s *soak) report() {
	fmt.Printf("%d reloads, %d times a full disk (RLIMIT_FSIZE of 0), %d times an upstream that refuses connections\n",
		s.caddy.reloads.Load(), s.caddy.limits.Load(), s.upstream.outages.Load())
	fmt.Println(s.traffic)
	fmt.Println(s.upstream)
	fmt.Println(s.watch)
}

// every calls f once in each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
