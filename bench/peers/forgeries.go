//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

const (
	forgerySize = 2 * rig.Kilobyte

	// These ratios vary more than others, so there are more rounds.
	forgedRounds = 2 // times the rounds of other cases

	// Genuine deliveries use few connections. Forgeries use many, as in a
	// flood, so that they keep their rate when the app is late.
	genuineConnections = 16
	forgedConnections  = 128

	// The search for the rate stops a little below a half, so that noise does
	// not lift the app above it later.
	searchedShare = 0.47
	trials        = 3 // for each rate
	rateStep      = 1.07
	lowestRate    = 0.25 // as a share of the valid rate
	highestRate   = 8
)

// measureForgeries finds the rate of forgeries that halves the app's
// throughput. Then it measures every subject that verifies, with forgeries and
// without.
func (t *testbed) measureForgeries(r *results, o options) error {
	var verifying []subject
	for _, s := range t.subjects {
		if s.name == expressAlone || s.name == guard || s.name == nginxLua {
			verifying = append(verifying, s)
		}
	}
	rate, err := findRate(verifying[0], o)
	if err != nil {
		return err
	}
	f := forgeries{Placement: t.placed.String(), Rate: rate, Series: make([]forgedSeries, len(verifying))}
	for number := range forgedRounds * o.rounds {
		for _, i := range order(len(verifying), number) {
			f.Series[i].Subject = verifying[i].name
			if err := f.Series[i].add(verifying[i], rate, o); err != nil {
				return fmt.Errorf("%s: %w", verifying[i].name, err)
			}
		}
	}
	r.Forgeries = append(r.Forgeries, f)
	return nil
}

// findRate raises the rate until the subject keeps less than searchedShare of
// its throughput without forgeries, in the median of the trials.
func findRate(s subject, o options) (float64, error) {
	var valid []float64
	for range trials {
		without, err := flood(s, 0, o)
		if err != nil {
			return 0, err
		}
		valid = append(valid, without.genuine)
	}
	alone := rig.Quantile(valid, 0.5)
	if o.quick { // too short for forgeries to pile up
		return alone, nil
	}
	for rate := lowestRate * alone; rate < highestRate*alone; rate *= rateStep {
		var tried forgedSeries
		for range trials {
			if err := tried.add(s, rate, o); err != nil {
				return 0, err
			}
		}
		if rig.Quantile(tried.kept(), 0.5) < searchedShare {
			return rate, nil
		}
	}
	return 0, errors.New("no rate of forgeries takes the app below half of its valid rate")
}

// add measures one pair, without forgeries and with them.
func (fs *forgedSeries) add(s subject, rate float64, o options) error {
	without, err := flood(s, 0, o)
	if err != nil {
		return err
	}
	with, err := flood(s, rate, o)
	if err != nil {
		return err
	}
	fs.Without = append(fs.Without, round(without.genuine))
	fs.With = append(fs.With, round(with.genuine))
	fs.Forged = append(fs.Forged, round(with.forged))
	return nil
}

// flooded has how many deliveries of each kind were answered in a second.
type flooded struct{ genuine, forged float64 }

// flood sends genuine deliveries as fast as they are answered, and at the same
// time forgeries at a fixed rate.
func flood(s subject, rate float64, o options) (flooded, error) {
	genuine, err := newLoad(s, false, o)
	if err != nil {
		return flooded{}, err
	}
	if rate == 0 {
		result, err := genuine.Run()
		return flooded{genuine: result.PerSecond()}, err
	}
	forged, err := newLoad(s, true, o)
	if err != nil {
		return flooded{}, err
	}
	forged.Rate = rate

	var forgedResult rig.Result
	ended := make(chan error, 1)
	go func() {
		var err error
		forgedResult, err = forged.Run()
		ended <- err
	}()
	genuineResult, err := genuine.Run()
	err = errors.Join(err, <-ended)
	if lost := genuineResult.Lost + forgedResult.Lost; err == nil && lost > 0 {
		err = fmt.Errorf("%d requests were broken off", lost)
	}
	return flooded{genuineResult.PerSecond(), forgedResult.PerSecond()}, err
}

func newLoad(s subject, forged bool, o options) (rig.Load, error) {
	requests, err := newDeliveries(forgerySize, forged)
	load := rig.Load{
		Address:     s.addresses[express],
		Requests:    requests,
		Status:      http.StatusOK,
		Connections: genuineConnections,
		Duration:    o.turn,
	}
	if forged {
		load.Status, load.Connections = s.refusal, forgedConnections
	}
	return load, err
}
