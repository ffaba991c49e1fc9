//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// exampleResults has two rounds of everything.
func exampleResults() results {
	r := results{Environment: environment{Processor: "a processor", Servers: 1, Senders: 1, Rounds: 2, Seconds: 1}}
	for i, c := range plannedCases() {
		for j, name := range []string{expressAlone, guard, nginxLua, caddyAlone, nginxAlone} {
			first := turn{PerSecond: 1000, P50: 2000, P99: 4000, ProxyCPU: float64(100 + 10*j + i), BackendCPU: 300, Memory: 40}
			second := first
			second.PerSecond, second.ProxyCPU, second.Memory = 500, first.ProxyCPU+1+float64(j), 50
			c.Series = append(c.Series, series{Subject: name, Turns: []turn{first, second}})
		}
		r.Cases = append(r.Cases, c)
	}
	for i, placed := range []placement{{[]int{0}, []int{1}}, shared([]int{0, 1})} {
		r.Forgeries = append(r.Forgeries, forgeries{Placement: placed.String(), Rate: float64(1200 + 100*i), Series: []forgedSeries{
			{expressAlone, []float64{2000, 2000}, []float64{800, 1000}, []float64{1200, 1190}},
			{guard, []float64{1800, 2000}, []float64{1710, 1900}, []float64{1200, 1200}},
			{nginxLua, []float64{1900, 1900}, []float64{1862, 1881}, []float64{1200, 1200}},
		}})
	}
	return r
}

func TestAddedCPUIsTakenWithinRounds(t *testing.T) {
	c := measuredCase{Series: []series{
		{guard, []turn{{ProxyCPU: 90}, {ProxyCPU: 130}}},
		{caddyAlone, []turn{{ProxyCPU: 80}, {ProxyCPU: 110}}},
	}}
	if got := c.added(guard, caddyAlone); !slices.Equal(got, []float64{10, 20}) {
		t.Errorf("got %v, want 10 and 20", got)
	}
	if got := c.added(nginxLua, nginxAlone); len(got) != 0 {
		t.Errorf("got %v for subjects that took no part", got)
	}
}

func TestThroughputIsComparedWithinRounds(t *testing.T) {
	c := measuredCase{Series: []series{
		{guard, []turn{{PerSecond: 90}, {PerSecond: 40}}},
		{caddyAlone, []turn{{PerSecond: 100}, {PerSecond: 50}}},
	}}
	if got := c.relative(guard, caddyAlone); !slices.Equal(got, []float64{0.9, 0.8}) {
		t.Errorf("got %v, want 0.9 and 0.8", got)
	}
}

func TestKeptIsTakenWithinRounds(t *testing.T) {
	s := forgedSeries{Without: []float64{1000, 2000}, With: []float64{900, 1000}}
	if got := s.kept(); !slices.Equal(got, []float64{0.9, 0.5}) {
		t.Errorf("got %v, want 0.9 and 0.5", got)
	}
}

func TestResultsThatShowNothingAreRefused(t *testing.T) {
	r := exampleResults()
	if err := r.check(); err != nil {
		t.Errorf("refused: %v", err)
	}
	r.Forgeries[1].Series[0].With = []float64{900, 1100}
	if err := r.check(); err == nil {
		t.Error("Express alone kept half and that is no error")
	}
}

func TestResultsAreReadAsTheyWereWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	want := exampleResults()
	if err := want.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := readResults(file)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	data, err := os.ReadFile(file)
	if err != nil || !json.Valid(data) {
		t.Fatalf("not JSON: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Count(line, "per_second") > 1 {
			t.Errorf("more than one turn in a line: %s", line)
		}
	}
}

func TestEveryCaseIsPlannedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range plannedCases() {
		if seen[c.name()] {
			t.Errorf("%s is planned twice", c.name())
		}
		seen[c.name()] = true
	}
	if len(seen) != 2*2*len(sizes) || !seen["250 KB, forged, express backend"] {
		t.Errorf("planned: %v", seen)
	}
}

func TestOrderGivesEachItsTurnAndEachPlace(t *testing.T) {
	const n = 5
	first := map[int]bool{}
	for round := range 2 * n {
		places := order(n, round)
		if got := slices.Sorted(slices.Values(places)); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Errorf("round %d: %v", round, places)
		}
		first[places[0]] = true
	}
	if len(first) != n {
		t.Errorf("only %v ever come first", first)
	}
}

func TestSpreadIsMedianAndQuartiles(t *testing.T) {
	if got := spread("%.1f", []float64{1, 2, 3, 4, 5}); got != "3.0 [2.0–4.0]" {
		t.Errorf("got %q", got)
	}
	if got := spread("%.1f", nil); got != "–" {
		t.Errorf("got %q for nothing", got)
	}
}

func TestTablesShowTheFigures(t *testing.T) {
	text := exampleResults().markdown()
	for _, want := range []string{
		"### The guards' own cost",
		"| 2 KB | -21.0 [-21.5–-20.5] µs | -21.0 [-21.5–-20.5] µs | 1.00 [1.00–1.00] | 1.00 [1.00–1.00] |",
		"Processors: 1 for the servers, 1 for the senders. 1200 forgeries of 2 KB",
		"Processors: 2 for both. 1300 forgeries of 2 KB",
		"| guard | 1900 [1850–1950] | 1805 [1758–1852] | **0.95 [0.95–0.95]** | 1200 [1200–1200] |",
		"| 2 KB | Express alone | 750 [625–875] | 2.0 ms | 4.0 ms | – | 300 µs | 50 MiB |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestDeliveriesAreDistinct(t *testing.T) {
	for _, forged := range []bool{false, true} {
		requests, err := newDeliveries(2*rig.Kilobyte, forged)
		if err != nil {
			t.Fatal(err)
		}
		heads := map[string]bool{}
		for _, r := range requests {
			heads[string(r.Head())] = true
		}
		if len(heads) != deliveriesOfRound {
			t.Errorf("forged %v: %d different deliveries of %d", forged, len(heads), deliveriesOfRound)
		}
	}
}
