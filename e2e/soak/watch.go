//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// measure is a value that must not grow.
type measure struct {
	name   string
	source string // path of Caddy's admin endpoint, and
	prefix string // the text before the value
	unit   float64

	// The median of the last third may exceed that of the first by a share and
	// by an amount, in units. Both allow for chance.
	share, slack float64

	// atRest is how much the value may grow from before the load to after it. A
	// negative atRest turns this check off.
	atRest float64
}

const heapPath = "/debug/pprof/heap?gc=1&debug=1" // after a garbage collection

var measures = []measure{
	{name: "heap MB", source: heapPath, prefix: "# HeapAlloc = ", unit: 1e6, share: 0.15, slack: 8, atRest: -1},
	{name: "RSS MB", source: "/metrics", prefix: "process_resident_memory_bytes ", unit: 1e6, share: 0.15, slack: 24, atRest: -1},
	// Under load, these two depend on how busy the machine is, because each
	// request in progress needs some. A leak shows at rest.
	{name: "goroutines", source: "/metrics", prefix: "go_goroutines ", unit: 1, share: 0.25, slack: 120, atRest: 10},
	{name: "open files", source: "/metrics", prefix: "process_open_fds ", unit: 1, share: 0.25, slack: 60, atRest: 10},
}

// sample is one value of each measure.
type sample []float64

func (s sample) String() string {
	var parts []string
	for i, value := range s {
		parts = append(parts, fmt.Sprintf("%s %.0f", measures[i].name, value))
	}
	return strings.Join(parts, ", ")
}

// watch samples Caddy.
type watch struct {
	caddy *caddy

	mu      sync.Mutex
	samples []sample
	times   []time.Time
	faults  []error
}

func newWatch(c *caddy) *watch { return &watch{caddy: c} }

// run takes about 300 samples. It takes none in the first fifth of the time, in
// which everything grows to its normal size.
func (w *watch) run(ctx context.Context, duration time.Duration) {
	sleep(ctx, duration/5)
	every(ctx, max(duration/300, 500*time.Millisecond), func() {
		s, err := w.take(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil {
			if ctx.Err() == nil {
				w.faults = append(w.faults, err)
			}
			return
		}
		w.samples, w.times = append(w.samples, s), append(w.times, time.Now())
	})
}

func (w *watch) take(ctx context.Context) (sample, error) {
	s := make(sample, len(measures))
	pages := make(map[string]string)
	for i, m := range measures {
		if _, ok := pages[m.source]; !ok {
			text, err := w.get(ctx, m.source)
			if err != nil {
				return nil, err
			}
			pages[m.source] = text
		}
		value, err := find(pages[m.source], m.prefix)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		s[i] = value / m.unit
	}
	return s, nil
}

// get reads a page of Caddy's admin endpoint. It is unavailable for a moment
// during a reload.
func (w *watch) get(ctx context.Context, path string) (text string, err error) {
	for range 20 {
		if text, err = getOnce(ctx, "http://"+w.caddy.admin+path); err == nil || ctx.Err() != nil {
			return text, err
		}
		sleep(ctx, 100*time.Millisecond)
	}
	return "", err
}

func getOnce(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := oneRequest.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return string(text), err
}

func find(page, prefix string) (float64, error) {
	lines := bufio.NewScanner(strings.NewReader(page))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, cmp.Or(lines.Err(), fmt.Errorf("there is no %q", prefix))
}

// settle waits until no value falls any more, or all are as low as before. It
// returns the values.
func (w *watch) settle(ctx context.Context, before *sample) (sample, error) {
	var lowest sample
	patience := 10 // samples
	if before != nil {
		patience = 100
	}
	for range patience {
		s, err := w.take(ctx)
		if err != nil {
			return nil, err
		}
		if lowest == nil {
			lowest = s
		}
		for i := range s {
			lowest[i] = min(lowest[i], s[i])
		}
		if before != nil && excess(*before, lowest) == nil {
			return lowest, nil
		}
		sleep(ctx, 300*time.Millisecond)
	}
	if before == nil {
		return lowest, nil
	}
	return lowest, excess(*before, lowest)
}

// excess reports what remains after the load.
func excess(before, after sample) error {
	var errs []error
	for i, m := range measures {
		if m.atRest >= 0 && after[i] > before[i]+m.atRest {
			errs = append(errs, fmt.Errorf("%s at rest: %.0f before the load, %.0f after it", m.name, before[i], after[i]))
		}
	}
	return errors.Join(errs...)
}

func (w *watch) last() sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return nil
	}
	return w.samples[len(w.samples)-1]
}

// thirds returns the medians of the first and the last third of the samples.
func (w *watch) thirds(i int) (early, late float64) {
	n := len(w.samples) / 3
	return median(w.samples[:n], i), median(w.samples[len(w.samples)-n:], i)
}

func median(samples []sample, i int) float64 {
	values := make([]float64, 0, len(samples))
	for _, s := range samples {
		values = append(values, s[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func (w *watch) judge() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := w.faults
	if len(w.samples) < 9 {
		return errors.Join(append(errs, fmt.Errorf("only %d samples", len(w.samples)))...)
	}
	for i, m := range measures {
		if early, late := w.thirds(i); late > early*(1+m.share)+m.slack {
			errs = append(errs, fmt.Errorf("%s is not flat: median %.1f early, %.1f late", m.name, early, late))
		}
	}
	return errors.Join(errs...)
}

func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("%d samples; medians of the first and the last third:", len(w.samples))
	if len(w.samples) < 3 {
		return text
	}
	for i, m := range measures {
		early, late := w.thirds(i)
		text += fmt.Sprintf(" %s %.1f, %.1f;", m.name, early, late)
	}
	return strings.TrimSuffix(text, ";")
}

// save writes the samples as CSV.
func (w *watch) save(file string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	text.WriteString("time")
	for _, m := range measures {
		text.WriteString("," + m.name)
	}
	for i, s := range w.samples {
		text.WriteString("\n" + w.times[i].UTC().Format(time.RFC3339))
		for _, value := range s {
			fmt.Fprintf(&text, ",%.1f", value)
		}
	}
	return os.WriteFile(file, []byte(text.String()+"\n"), 0o644)
}

// saveProfiles writes profiles that show what uses memory and goroutines.
func (w *watch) saveProfiles(ctx context.Context, dir string) error {
	var errs []error
	for name, path := range map[string]string{"goroutines.txt": "/debug/pprof/goroutine?debug=1", "heap.txt": heapPath} {
		text, err := w.get(ctx, path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
