package event

import (
	"math"
	"time"

	"github.com/tidwall/gjson"
)

// timeMap maps the times of an example to those of a story. The example's time from
// creation to event is stretched or compressed to the story's time from creation to
// now. So equal times stay equal, and later times stay later. Times in the future
// keep their distance from now, and so do times before the creation.
//
// All values are milliseconds since 1970.
type timeMap struct {
	exampleCreated, exampleNow int64
	created, now               int64
}

// keepDistance returns a map for what has no creation. All times keep their distance
// from now.
func keepDistance(exampleNow, now int64) timeMap {
	return timeMap{exampleCreated: exampleNow, exampleNow: exampleNow, created: now, now: now}
}

func (m timeMap) withCreation(exampleCreated, created int64) timeMap {
	m.exampleCreated, m.created = exampleCreated, created
	return m
}

func (m timeMap) at(example int64) int64 {
	keptDistance := m.now + example - m.exampleNow
	switch {
	case example == m.exampleCreated:
		return m.created
	case example >= m.exampleNow:
		return keptDistance
	case example < m.exampleCreated:
		return min(m.created, keptDistance)
	}
	share := float64(example-m.exampleCreated) / float64(m.exampleNow-m.exampleCreated)
	mapped := m.created + int64(math.Round(share*float64(m.now-m.created)))
	if day := 24 * time.Hour.Milliseconds(); example%day == 0 { // a date without a time of day
		mapped -= mapped % day
	}
	return max(m.created, mapped)
}

// textForms are the forms of the times in texts of the examples.
var textForms = []string{time.RFC3339, "2 January 2006, 15:04 UTC"}

// milliseconds returns value as a time in milliseconds since 1970, and whether it is
// one. The other numbers in the examples are far too small.
func milliseconds(value gjson.Result) (int64, bool) {
	const least, most = 1e12, 1e13 // the years 2001 and 2286
	return value.Int(), value.Type == gjson.Number && least < value.Num && value.Num < most
}

// textAt returns the story's form of a text that is a time, and other texts as they
// are.
func (m timeMap) textAt(text string) string {
	for _, form := range textForms {
		if example, err := time.Parse(form, text); err == nil {
			return time.UnixMilli(m.at(example.UnixMilli())).UTC().Format(form)
		}
	}
	return text
}
