package event

import (
	"math"
	"time"

	"github.com/tidwall/gjson"
)

// timeline carries the times of an example over to a story. The life of what
// the example is about, from its creation to its event, is stretched or pressed
// to fit between its creation in the story and now, so that what was equal
// stays equal and what came later stays later. What lies in the future keeps
// its distance from now, and so does what was there before.
//
// All values are milliseconds since 1970.
type timeline struct {
	exampleBirth, exampleNow int64
	birth, now               int64
}

// unborn is the timeline of what has no creation: everything keeps its distance
// from now.
func unborn(exampleNow, now int64) timeline {
	return timeline{exampleBirth: exampleNow, exampleNow: exampleNow, birth: now, now: now}
}

// bornAt returns the timeline of something else at the same moment.
func (t timeline) bornAt(exampleBirth, birth int64) timeline {
	t.exampleBirth, t.birth = exampleBirth, birth
	return t
}

func (t timeline) at(example int64) int64 {
	keptDistance := t.now + example - t.exampleNow
	switch {
	case example == t.exampleBirth:
		return t.birth
	case example >= t.exampleNow:
		return keptDistance
	case example < t.exampleBirth:
		return min(t.birth, keptDistance)
	}
	share := float64(example-t.exampleBirth) / float64(t.exampleNow-t.exampleBirth)
	mapped := t.birth + int64(math.Round(share*float64(t.now-t.birth)))
	if day := 24 * time.Hour.Milliseconds(); example%day == 0 { // known to the day only
		mapped -= mapped % day
	}
	return max(t.birth, mapped)
}

// The forms that times have in the examples.
var textForms = []string{time.RFC3339, "2 January 2006, 15:04 UTC"}

// milliseconds returns the time that value is if it is a number, and whether it
// is one. Other numbers are far too small.
func milliseconds(value gjson.Result) (int64, bool) {
	const least, most = 1e12, 1e13 // the years 2001 and 2286
	return value.Int(), value.Type == gjson.Number && least < value.Num && value.Num < most
}

// textAt returns the text with its time carried over, or as it is if it holds
// none.
func (t timeline) textAt(text string) string {
	for _, form := range textForms {
		if example, err := time.Parse(form, text); err == nil {
			return time.UnixMilli(t.at(example.UnixMilli())).UTC().Format(form)
		}
	}
	return text
}
