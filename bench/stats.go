//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// run is the result of one run of one contender.
type run struct {
	count int
	wall  time.Duration
	cpu   time.Duration // of the measured process
}

func (r run) perSecond() float64 { return float64(r.count) / r.wall.Seconds() }

// wallEach and cpuEach are in microseconds.
func (r run) wallEach() float64 {
	return float64(r.wall) / float64(time.Microsecond) / float64(r.count)
}

func (r run) cpuEach() float64 { return float64(r.cpu) / float64(time.Microsecond) / float64(r.count) }

func (r run) plus(other run) run {
	return run{count: r.count + other.count, wall: r.wall + other.wall, cpu: r.cpu + other.cpu}
}

// median returns the median of a value over the runs.
func median(runs []run, value func(run) float64) float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = value(r)
	}
	return rig.Quantile(values, 0.5)
}

// ratios divides the runs pair by pair. Runs of the same index belong together.
func ratios(a, b []run, value func(run) float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = value(a[i]) / value(b[i])
	}
	return r
}

// spread formats a median with its quartiles and extremes.
func spread(values []float64) string {
	return fmt.Sprintf("**%.2f** [%.2f–%.2f] (%.2f–%.2f)",
		rig.Quantile(values, 0.5), rig.Quantile(values, 0.25), rig.Quantile(values, 0.75),
		rig.Quantile(values, 0), rig.Quantile(values, 1))
}
