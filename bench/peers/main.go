//go:build linux

// Command peers compares the guard with other ways to verify a delivery:
// Clerk's verifyWebhook in Express alone, and nginx with Lua. Run it with
// bench/peers/run, which installs what it needs. See docs/performance.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// The files that a run writes, relative to the root of the checkout.
const (
	resultsFile = "bench/peers/results.json"
	docsFile    = "docs/performance.md"
	imageFolder = "docs/images"
)

type options struct {
	nginx       string
	quick       bool
	rounds      int
	warmUps     int // rounds that are not counted
	turn        time.Duration
	connections int
	servers     int // processors for the servers; 0 means half of all
}

func main() {
	var o options
	seconds := flag.Float64("seconds", 1, "length of each turn")
	flag.BoolVar(&o.quick, "quick", false, "one round of short turns, to check the answers; writes nothing")
	render := flag.Bool("render", false, "write the tables and plots anew from "+resultsFile+", measure nothing")
	flag.StringVar(&o.nginx, "nginx", "", "folder with nginx and its Lua modules, as packages unpacked there have it")
	flag.IntVar(&o.rounds, "rounds", 9, "rounds, in each of which every subject has a turn")
	flag.IntVar(&o.connections, "connections", 32, "connections with deliveries, kept alive")
	flag.IntVar(&o.servers, "servers", 0, "processors for the servers; the senders get the others, or share if there are none (default half)")
	role := flag.String("role", "", "used by the command itself: upstream")
	flag.Parse()
	o.turn = time.Duration(*seconds * float64(time.Second))
	o.warmUps = 1
	if o.quick {
		o.rounds, o.warmUps, o.turn = 1, 0, 100*time.Millisecond
	}

	switch {
	case *role == "upstream":
		exitOn(rig.ServeUpstream(os.Stdout))
	case *render:
		r, err := readResults(resultsFile)
		exitOn(err)
		exitOn(writeDocs(r))
	default:
		r, err := measure(o)
		exitOn(err)
		fmt.Println(r.markdown())
		if o.quick {
			return
		}
		exitOn(r.check())
		exitOn(r.write(resultsFile))
		exitOn(writeDocs(r))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// measure measures every case with the processors divided between servers and
// senders. It measures the forgeries also with all processors shared.
func measure(o options) (r results, err error) {
	if o.nginx == "" {
		return results{}, errors.New("-nginx is missing: bench/peers/run gives it")
	}
	processors, err := ownProcessors()
	if err != nil {
		return results{}, err
	}
	runtime.GOMAXPROCS(1) // enough for the senders
	apart := divide(processors, o.servers)
	err = withTestbed(o, apart, func(t *testbed) error {
		r.Environment = t.environment(o)
		if err := t.measureCases(&r, o); err != nil {
			return err
		}
		return t.measureForgeries(&r, o)
	})
	if err != nil || len(apart.servers) == len(processors) {
		return r, err
	}
	return r, withTestbed(o, shared(processors), func(t *testbed) error { return t.measureForgeries(&r, o) })
}

// withTestbed starts all subjects, checks that they answer correctly, and lets
// work measure them. This process and its fast backend run on the processors of
// the senders.
func withTestbed(o options, placed placement, work func(*testbed) error) error {
	dir, err := os.MkdirTemp("", "clerk-webhook-peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := pinSelf(placed.senders); err != nil {
		return err
	}
	t, err := newTestbed(dir, o.nginx, placed)
	if err != nil {
		return err
	}
	defer t.stop()
	if err := t.checkAnswers(); err != nil {
		return err
	}
	return work(t)
}
