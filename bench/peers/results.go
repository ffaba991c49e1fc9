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

// results is all that a run has measured.
type results struct {
	Environment environment    `json:"environment"`
	Cases       []measuredCase `json:"cases"`
	Forgeries   []forgeries    `json:"forgeries"`
}

// environment is what the figures depend on.
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

// series is what one subject did, round by round.
type series struct {
	Subject string `json:"subject"`
	Turns   []turn `json:"turns"`
}

// turn is what one subject did in one round. Times are in microseconds, those
// of the CPU for each delivery; memory is in MiB.
type turn struct {
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	ProxyCPU   float64 `json:"proxy_cpu"`
	BackendCPU float64 `json:"backend_cpu"`
	Memory     float64 `json:"memory"`
}

// forgeries is what is left for genuine deliveries beside forgeries at a fixed
// rate, by the second.
type forgeries struct {
	Placement string         `json:"placement"` // of servers and senders, in words
	Rate      float64        `json:"rate"`
	Series    []forgedSeries `json:"series"`
}

// forgedSeries is what one subject did, round by round, a second.
type forgedSeries struct {
	Subject string    `json:"subject"`
	Without []float64 `json:"without"` // genuine deliveries, no forgeries beside them
	With    []float64 `json:"with"`    // the same, beside the forgeries
	Forged  []float64 `json:"forged"`  // forgeries that were answered
}

func (c *measuredCase) name() string {
	kind := "valid"
	if c.Forged {
		kind = "forged"
	}
	return fmt.Sprintf("%s, %s, %s backend", rig.SizeName(c.Size), kind, c.Backend)
}

// find returns the case of these properties, without series if there is none.
func (r results) find(b backend, size int, forged bool) measuredCase {
	i := slices.IndexFunc(r.Cases, func(c measuredCase) bool {
		return c.Backend == b && c.Size == size && c.Forged == forged
	})
	if i < 0 {
		return measuredCase{}
	}
	return r.Cases[i]
}

// values returns what value says about each turn of a subject.
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

// added returns by how much the CPU time of one subject's proxy exceeds that of
// another's for each delivery, round by round.
func (c *measuredCase) added(subject, than string) []float64 {
	return pairwise(c.values(subject, proxyCPU), c.values(than, proxyCPU), func(a, b float64) float64 { return a - b })
}

// relative returns one subject's throughput as a share of another's, round by
// round.
func (c *measuredCase) relative(subject, to string) []float64 {
	perSecond := func(t turn) float64 { return t.PerSecond }
	return pairwise(c.values(subject, perSecond), c.values(to, perSecond), ratio)
}

// kept returns the share of genuine deliveries that the forgeries leave, round
// by round.
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

// check refuses results that do not show what they are for.
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

// write saves the results with one turn a line.
func (r results) write(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, breakLines(data), 0o644)
}
