package fleet

import (
	"testing"
	"time"
)

// The histories are of one delivery. Times are in seconds.
func TestHistoryIsChecked(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	}
	done := func(node string, from, to float64) attempt { return attempt{node, at(from), at(to), true} }
	failed := func(node string, from, to float64) attempt { return attempt{node, at(from), at(to), false} }
	during := func(kind faultKind, node string, from, to float64) fault { return fault{kind, node, at(from), at(to)} }
	once := []attempt{done("a", 10, 11)}
	twice := []attempt{done("a", 10, 11), done("b", 20, 21)}
	together := []attempt{done("a", 10, 12), failed("b", 11, 13)}
	for name, test := range map[string]struct {
		attempts  []attempt
		faults    []fault
		refuses   bool
		isAllowed bool
	}{
		"once":                               {attempts: once, isAllowed: true},
		"never":                              {},
		"only failures":                      {attempts: []attempt{failed("a", 10, 11), failed("b", 12, 13)}},
		"a failure, and its retry":           {attempts: []attempt{failed("a", 10, 11), done("b", 11, 13)}, isAllowed: true},
		"twice":                              {attempts: twice},
		"twice, in another order":            {attempts: []attempt{twice[1], twice[0]}},
		"twice in one instance":              {attempts: []attempt{done("a", 10, 11), done("a", 20, 21)}},
		"three times, two of them explained": {attempts: append(twice[:2:2], done("c", 30, 31)), faults: []fault{during(kill, "a", 10.5, 10.6)}},
		"at the same time":                   {attempts: together},

		"killed while it handled":         {attempts: twice, faults: []fault{during(kill, "a", 10.5, 10.6)}, isAllowed: true},
		"killed before the mark":          {attempts: twice, faults: []fault{during(kill, "a", 11.2, 11.3)}, isAllowed: true},
		"killed while another handled":    {attempts: together, faults: []fault{during(kill, "a", 10.5, 10.6)}, isAllowed: true},
		"killed before":                   {attempts: twice, faults: []fault{during(kill, "a", 9, 9.5)}},
		"killed long after":               {attempts: twice, faults: []fault{during(kill, "a", 13, 14)}},
		"killed, but another":             {attempts: twice, faults: []fault{during(kill, "b", 10.5, 10.6)}},
		"killed, under refuse":            {attempts: twice, faults: []fault{during(kill, "a", 10.5, 10.6)}, refuses: true, isAllowed: true},
		"killed while a mark was pending": {attempts: twice, faults: []fault{during(outage, "a", 11.5, 15), during(kill, "a", 14, 14.1)}, refuses: true, isAllowed: true},

		"paused while it handled":           {attempts: twice, faults: []fault{during(pause, "a", 10.5, 17)}, isAllowed: true},
		"paused before it handed on":        {attempts: twice, faults: []fault{during(pause, "b", 9, 19.9)}, isAllowed: true},
		"paused long before":                {attempts: twice, faults: []fault{during(pause, "b", 1, 8)}},
		"paused, but a third":               {attempts: twice, faults: []fault{during(pause, "c", 10.5, 20)}},
		"reloaded while it handled":         {attempts: twice, faults: []fault{during(reload, "a", 10.5, 10.6)}},
		"store failed as it claimed":        {attempts: twice, faults: []fault{during(failure, "a", 9.5, 9.9)}, isAllowed: true},
		"store failed as it marked":         {attempts: twice, faults: []fault{during(failure, "a", 11.1, 11.9)}, isAllowed: true},
		"store failed as the second began":  {attempts: twice, faults: []fault{during(failure, "b", 19.2, 19.5)}, isAllowed: true},
		"store failed in between":           {attempts: twice, faults: []fault{during(failure, "a", 13, 15), during(failure, "b", 13, 15)}},
		"store failed for another":          {attempts: twice, faults: []fault{during(failure, "c", 10, 21)}},
		"store was out, but did not fail":   {attempts: twice, faults: []fault{during(outage, "", 9, 21)}},
		"store failed, under refuse":        {attempts: twice, faults: []fault{during(failure, "a", 9.5, 12)}, refuses: true},
		"store failed, under refuse, twice": {attempts: together, faults: []fault{during(failure, "b", 10.5, 14)}, refuses: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := history{attempts: map[string][]attempt{"msg": test.attempts}, faults: test.faults, forwards: !test.refuses}
			v := h.check([]string{"msg"})
			if isAllowed := len(v.wrong) == 0; isAllowed != test.isAllowed {
				t.Errorf("allowed: %t, want %t; wrong: %q, explained: %s", isAllowed, test.isAllowed, v.wrong, v)
			}
		})
	}
}
