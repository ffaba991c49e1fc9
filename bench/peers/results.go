//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// results has everything that a run has measured.
type results struct {
	Environment environment    `json:"environment"`
	Cases       []measuredCase `json:"cases"`
	Forgeries   []forgeries    `json:"forgeries"`
}

// environment describes what the figures depend on.
type environment struct {
	Processor   string  `json:"processor"`
	Servers     int     `json:"processors_of_servers"`
	Senders     int     `json:"processors_of_senders"`
	Caddy       string  `json:"caddy"`
	Nginx       string  `json:"nginx"`
	Node        string  `json:"node"`
	Go          string  `json:"go"`
	Rounds      int     `json:"rounds"`
	Seconds     float64 `json:"seconds"`
	Connections int     `json:"connections"`
}

// measuredCase is one kind of delivery at one backend.
type measuredCase struct {
	Backend backend  `json:"backend"`
	Size    int      `json:"size"`
	Forged  bool     `json:"forged"`
	Series  []series `json:"series"`
}

// series has the turns of one subject, one for each round.
type series struct {
	Subject string `json:"subject"`
	Turns   []turn `json:"turns"`
}

// turn is the result of one subject in one round. Times are in microseconds.
// CPU times are for each delivery. Memory is in MiB.
type turn struct {
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	ProxyCPU   float64 `json:"proxy_cpu"`
	BackendCPU float64 `json:"backend_cpu"`
	Memory     float64 `json:"memory"`
}

// forgeries has the genuine deliveries in a second, beside forgeries at a fixed
// rate.
type forgeries struct {
	Placement string         `json:"placement"` // of servers and senders, in words
	Rate      float64        `json:"rate"`
	Series    []forgedSeries `json:"series"`
}

// forgedSeries has the deliveries in a second of one subject, for each round.
type forgedSeries struct {
	Subject string    `json:"subject"`
	Without []float64 `json:"without"` // genuine deliveries, without forgeries
	With    []float64 `json:"with"`    // genuine deliveries, beside forgeries
	Forged  []float64 `json:"forged"`  // forgeries that were answered
}

func (c *measuredCase) name() string {
	kind := "valid"
	if c.Forged {
		kind = "forged"
	}
	return fmt.Sprintf("%s, %s, %s backend", rig.SizeName(c.Size), kind, c.Backend)
}

// find returns the case with these properties. If there is none, the case has
// no series.
func (r results) find(b backend, size int, forged bool) measuredCase {
	i := slices.IndexFunc(r.Cases, func(c measuredCase) bool {
		return c.Backend == b && c.Size == size && c.Forged == forged
	})
	if i < 0 {
		return measuredCase{}
	}
	return r.Cases[i]
}

// values returns a value of each turn of a subject.
func (c *measuredCase) values(subject string, value func(turn) float64) (values []float64) {
	for _, s := range c.Series {
		if s.Subject == subject {
			for _, t := range s.Turns {
				values = append(values, value(t))
			}
		}
	}
	return values
}

func proxyCPU(t turn) float64 { return t.ProxyCPU }

// added returns how much more CPU time one subject's proxy uses for a delivery
// than another's, for each round.
func (c *measuredCase) added(subject, than string) []float64 {
	return pairwise(c.values(subject, proxyCPU), c.values(than, proxyCPU), func(a, b float64) float64 { return a - b })
}

// relative returns one subject's throughput as a share of another's, for each
// round.
func (c *measuredCase) relative(subject, to string) []float64 {
	perSecond := func(t turn) float64 { return t.PerSecond }
	return pairwise(c.values(subject, perSecond), c.values(to, perSecond), ratio)
}

// kept returns the share of genuine deliveries that remain beside forgeries,
// for each round.
func (fs *forgedSeries) kept() []float64 { return pairwise(fs.With, fs.Without, ratio) }

func ratio(a, b float64) float64 { return a / b }

// pairwise combines values of the same round.
func pairwise(a, b []float64, combine func(a, b float64) float64) []float64 {
	combined := make([]float64, min(len(a), len(b)))
	for i := range combined {
		combined[i] = combine(a[i], b[i])
	}
	return combined
}

// check refuses results that do not show what they should.
func (r results) check() error {
	for _, f := range r.Forgeries {
		for _, s := range f.Series {
			if s.Subject == expressAlone && rig.Quantile(s.kept(), 0.5) >= 0.5 {
				return errors.New("the forgeries did not take Express alone below half of its rate: measure again, with longer turns")
			}
		}
	}
	return nil
}

func readResults(file string) (r results, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return results{}, err
	}
	return r, json.Unmarshal(data, &r)
}

// write saves the results, with one turn on each line.
func (r results) write(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, breakLines(data), 0o644)
}
