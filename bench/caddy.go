//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// comparison loads the guarded site and another site in the same way.
type comparison struct {
	name   string
	method string
	header func() (http.Header, error) // called for each run, so that timestamps stay fresh
	body   []byte
	sides  [2]side // the guarded one first
}

// side is one of the two sites of a comparison.
type side struct {
	address string
	status  int // any other status is an error
}

// measureCaddy loads a whole Caddy, one comparison after the other.
func measureCaddy(o options, w io.Writer, title string, comparisons func(*testbed) ([]comparison, error)) error {
	dir, err := os.MkdirTemp("", "clerk-webhook-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t, err := newTestbed(dir)
	if err != nil {
		return err
	}
	defer t.stop()

	// The connections of this process share one processor, so that they disturb
	// the server less.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))

	all, err := comparisons(t)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n## %s, %d connections\n\n", title, o.connections)
	fmt.Fprintln(w, "| request | guarded | other | guarded ÷ other, throughput | CPU of Caddy, guarded | other | guarded ÷ other, CPU | lost |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, c := range all {
		if err := t.compare(c, o, w); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if o.profiles != "" {
			if err := t.profile(c, o); err != nil {
				return fmt.Errorf("profile of %s: %w", c.name, err)
			}
		}
	}
	return nil
}

// loadTurn is how long one side is loaded before the other. It is long enough
// for the connections and for the clock of /proc. It is short enough that other
// load on the machine affects both sides alike.
const loadTurn = 250 * time.Millisecond

// compare loads both sides in pairs of runs. The sides alternate in short
// turns, and every second turn begins with the second side.
func (t *testbed) compare(c comparison, o options, w io.Writer) error {
	turns := max(1, int(o.duration/loadTurn))
	o.duration /= time.Duration(turns)
	var runs [2][]run
	var lost [2]int
	for i := range c.sides { // warm-up
		if _, _, err := t.run(c, c.sides[i], o); err != nil {
			return err
		}
	}
	for pair := range o.pairs {
		var sums [2]run
		for turn := range turns {
			for i := range c.sides {
				i ^= (pair*turns + turn) % 2
				r, n, err := t.run(c, c.sides[i], o)
				if err != nil {
					return err
				}
				sums[i] = sums[i].plus(r)
				lost[i] += n
			}
		}
		for i, sum := range sums {
			runs[i] = append(runs[i], sum)
		}
	}
	fmt.Fprintf(w, "| %s | %.0f/s | %.0f/s | %s | %.1f µs | %.1f µs | %s | %s |\n", c.name,
		median(runs[0], run.perSecond), median(runs[1], run.perSecond), spread(ratios(runs[0], runs[1], run.perSecond)),
		median(runs[0], run.cpuEach), median(runs[1], run.cpuEach), spread(ratios(runs[0], runs[1], run.cpuEach)),
		lostOf(lost))
	return nil
}

func lostOf(lost [2]int) string {
	if lost == [2]int{} {
		return "none"
	}
	return fmt.Sprintf("%d, %d", lost[0], lost[1])
}

func (t *testbed) run(c comparison, s side, o options) (r run, lost int, err error) {
	header, err := c.header()
	if err != nil {
		return run{}, 0, err
	}
	load := rig.Load{
		Address:     s.address,
		Requests:    []rig.Request{rig.NewRequest(c.method, s.address, header, c.body)},
		Status:      s.status,
		Connections: o.connections,
		Duration:    o.duration,
	}
	before, err := rig.CPUOf(t.caddy.PID())
	if err != nil {
		return run{}, 0, err
	}
	result, err := load.Run()
	if err != nil {
		return run{}, 0, err
	}
	if result.Answered == 0 {
		return run{}, 0, fmt.Errorf("%s answered nothing", s.address)
	}
	after, err := rig.CPUOf(t.caddy.PID())
	return run{result.Answered, result.Wall, after - before}, result.Lost, err
}

// profile loads each side for longer and saves profiles of Caddy meanwhile.
func (t *testbed) profile(c comparison, o options) error {
	if err := os.MkdirAll(o.profiles, 0o755); err != nil {
		return err
	}
	const seconds = 5
	o.duration = (seconds + 1) * time.Second
	names := strings.NewReplacer(" ", "_", ",", "").Replace(c.name)
	for i, sideName := range []string{"guarded", "other"} {
		for _, kind := range []string{"profile", "allocs"} {
			file := filepath.Join(o.profiles, fmt.Sprintf("%s.%s.%s.pprof", names, sideName, kind))
			saved := make(chan error, 1)
			go func() { saved <- t.saveProfile(fmt.Sprintf("%s?seconds=%d", kind, seconds), file) }()
			_, _, err := t.run(c, c.sides[i], o)
			if err := errors.Join(err, <-saved); err != nil {
				return err
			}
		}
	}
	return nil
}
