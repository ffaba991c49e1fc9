package command

import (
	"math"
	"math/bits"
	"time"
)

// histogram counts durations in steps of less than one percent of what they
// count, in a memory that does not grow.
type histogram struct {
	counts [histogramSteps]int
	total  int
	max    time.Duration
}

const (
	// stepBits is how many bits of a duration, after its first one, count.
	stepBits       = 7
	histogramSteps = (64 - stepBits) << stepBits
)

// step returns the place of a duration in the histogram. Durations with less
// bits than count have a step each.
func step(d time.Duration) int {
	n := uint64(max(d, 0))
	shift := max(bits.Len64(n)-stepBits-1, 0)
	return shift<<stepBits + int(n>>shift)
}

// stepEnd returns the longest duration of a step.
func stepEnd(step int) time.Duration {
	shift := max(step>>stepBits-1, 0)
	n := uint64(step - shift<<stepBits)
	return time.Duration((n+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[step(d)]++
	h.total++
	h.max = max(h.max, d)
}

// percentile returns the duration that the share p of all did not exceed, too
// long by less than one percent.
func (h *histogram) percentile(p float64) time.Duration {
	rank := int(math.Ceil(p / 100 * float64(h.total)))
	for s, count := range h.counts {
		if rank -= count; rank <= 0 && count > 0 {
			return min(stepEnd(s), h.max)
		}
	}
	return h.max
}
