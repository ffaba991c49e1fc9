//go:build linux

package main

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

var sizes = []int{2 * rig.Kilobyte, 20 * rig.Kilobyte, 250 * rig.Kilobyte}

// plannedCases returns everything that is measured with each connection
// sending as fast as it is answered.
func plannedCases() (all []measuredCase) {
	for _, b := range backends {
		for _, size := range sizes {
			for _, forged := range []bool{false, true} {
				all = append(all, measuredCase{Backend: b, Size: size, Forged: forged})
			}
		}
	}
	return all
}

// takesPart reports whether a case makes sense for a subject. Forgeries in
// front of the fast backend make sense only for subjects that verify.
func (c *measuredCase) takesPart(s subject) bool {
	_, has := s.addresses[c.Backend]
	return has && (c.Backend == express || !c.Forged || s.name == guard || s.name == nginxLua)
}

// measureCases measures all cases, one after the other.
func (t *testbed) measureCases(r *results, o options) error {
	for _, c := range plannedCases() {
		if err := t.measureCase(&c, o); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
		r.Cases = append(r.Cases, c)
	}
	return nil
}

// measureCase gives each subject its turn in each round. The first rounds are a
// warm-up.
func (t *testbed) measureCase(c *measuredCase, o options) error {
	var subjects []subject
	for _, s := range t.subjects {
		if c.takesPart(s) {
			subjects = append(subjects, s)
			c.Series = append(c.Series, series{Subject: s.name})
		}
	}
	for number := range o.warmUps + o.rounds {
		requests, err := newDeliveries(c.Size, c.Forged)
		if err != nil {
			return err
		}
		for _, i := range order(len(subjects), number) {
			measured, err := t.turn(subjects[i], c, requests, o)
			if err != nil {
				return fmt.Errorf("%s: %w", subjects[i].name, err)
			}
			if number >= o.warmUps {
				c.Series[i].Turns = append(c.Series[i].Turns, measured)
			}
		}
	}
	return nil
}

// order returns the order of the subjects in a round. Each round begins with
// the next subject, and every second round goes backwards.
func order(n, number int) []int {
	places := make([]int, n)
	for i := range places {
		step := i
		if number%2 == 1 {
			step = n - i
		}
		places[i] = (number + step) % n
	}
	return places
}

func (t *testbed) turn(s subject, c *measuredCase, requests []rig.Request, o options) (turn, error) {
	load := rig.Load{
		Address:     s.addresses[c.Backend],
		Requests:    requests,
		Status:      http.StatusOK,
		Connections: o.connections,
		Duration:    o.turn,
	}
	if c.Forged {
		load.Status = s.refusal
	}
	memory := memoryAfter(s.process.PID(), o.turn/2)
	before, err := t.cpuOf(s, c.Backend)
	if err != nil {
		return turn{}, err
	}
	result, err := load.Run()
	if err != nil {
		return turn{}, err
	}
	after, err := t.cpuOf(s, c.Backend)
	if err != nil {
		return turn{}, err
	}
	if result.Answered == 0 || result.Lost != 0 {
		return turn{}, fmt.Errorf("%d requests were answered and %d broken off", result.Answered, result.Lost)
	}
	occupied := <-memory
	return turn{
		PerSecond:  round(result.PerSecond()),
		P50:        round(microseconds(result.LatencyQuantile(0.5))),
		P99:        round(microseconds(result.LatencyQuantile(0.99))),
		ProxyCPU:   round(microseconds(after.proxy-before.proxy) / float64(result.Answered)),
		BackendCPU: round(microseconds(after.backend-before.backend) / float64(result.Answered)),
		Memory:     round(float64(occupied.bytes) / (1 << 20)),
	}, occupied.err
}

// round removes meaningless digits before they reach the results.
func round(value float64) float64 { return math.Round(value*100) / 100 }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// cpu is the CPU time that proxy and backend have used.
type cpu struct{ proxy, backend time.Duration }

func (t *testbed) cpuOf(s subject, b backend) (used cpu, err error) {
	if s.name != expressAlone {
		if used.proxy, err = rig.CPUOf(s.process.PID()); err != nil {
			return cpu{}, err
		}
	}
	used.backend, err = rig.CPUOf(t.backends[b].PID())
	return used, err
}

// memory is how much memory a process used at some moment.
type memory struct {
	bytes int
	err   error
}

// memoryAfter looks while the process works. At rest, it may have returned
// memory that it needs.
func memoryAfter(pid int, delay time.Duration) <-chan memory {
	found := make(chan memory, 1)
	time.AfterFunc(delay, func() {
		bytes, err := rig.MemoryOf(pid)
		found <- memory{bytes, err}
	})
	return found
}
