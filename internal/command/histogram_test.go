package command

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramPercentilesAreExactToOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name string
		draw func() time.Duration
	}{
		{"alike", func() time.Duration { return 5 * time.Millisecond }},
		{"evenly spread", func() time.Duration { return time.Duration(random.Int64N(int64(15 * time.Second))) }},
		{"mostly short, some long", func() time.Duration {
			return time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		}},
		{"nanoseconds", func() time.Duration { return time.Duration(random.Int64N(300)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h histogram
			var all []time.Duration
			for range 10_000 {
				d := tt.draw()
				h.add(d)
				all = append(all, d)
			}
			slices.Sort(all)
			for _, p := range []float64{0.01, 50, 90, 99, 100} {
				exact, got := all[max(int(p*100)-1, 0)], h.percentile(p)
				if got < exact || float64(got) > float64(exact)*1.01+1 {
					t.Errorf("p%g is %s, the histogram says %s", p, exact, got)
				}
			}
			if h.max != all[len(all)-1] || h.total != len(all) {
				t.Errorf("the longest of %d is %s, not %s", h.total, h.max, all[len(all)-1])
			}
		})
	}
}

func TestHistogramOfOne(t *testing.T) {
	var h histogram
	h.add(1234567 * time.Nanosecond)
	for _, p := range []float64{50, 99} {
		if got := h.percentile(p); got != 1234567*time.Nanosecond {
			t.Errorf("p%g is %s", p, got)
		}
	}
}

func TestHistogramTakesAnyDuration(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-1, 0, 1, 127, 128, 255, 256, 257, 1<<62 + 1, 1<<63 - 1} {
		h.add(d)
		if end := stepEnd(step(d)); end < d || d > 255 && float64(end) > float64(d)*1.01 {
			t.Errorf("%d is counted as up to %d", d, end)
		}
	}
}
