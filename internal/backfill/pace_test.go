package backfill

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// attempts makes n deliveries, each of which gets the answer for its number after the
// time that the answer says. It returns when each started.
func attempts(t *testing.T, p *pacer, n int, answer func(int) Answer) []time.Duration {
	t.Helper()
	start := time.Now()
	var at []time.Duration
	var all sync.WaitGroup
	for i := range n {
		if err := p.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		at = append(at, time.Since(start))
		all.Go(func() {
			began, a := time.Now(), answer(i)
			time.Sleep(a.Took)
			p.end(began, a)
		})
	}
	all.Wait()
	return at
}

func TestPaceIsAsFastAsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := attempts(t, newPacer(4, 0), 8, func(int) Answer { return Answer{Status: 200, Took: time.Second} })
		if want := []time.Duration{0, 0, 0, 0, time.Second, time.Second, time.Second, time.Second}; !slices.Equal(at, want) {
			t.Errorf("started at %v", at)
		}
	})
}

func TestRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := attempts(t, newPacer(100, 10), 21, func(int) Answer { return Answer{Status: 200} })
		if at[20] < 1999*time.Millisecond || at[20] > 2001*time.Millisecond {
			t.Errorf("started at %v", at)
		}
	})
}

func TestPaceSlowsDownAndRecovers(t *testing.T) {
	for name, bad := range map[string]Answer{
		"a slow answer": {Status: 200, Took: slowAnswer},
		"429":           {Status: 429, Took: slowAnswer},
		"503":           {Status: 503, Took: slowAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(8, 0)
				attempts(t, p, 8, func(int) Answer { return bad }) // together, so they count once
				if p.allowed != 4 {
					t.Errorf("%d at a time after the first", p.allowed)
				}
				time.Sleep(time.Second)
				for range 9 {
					attempts(t, p, 1, func(int) Answer { return bad })
				}
				if p.allowed != 1 {
					t.Errorf("%d at a time after many", p.allowed)
				}
				attempts(t, p, 100, func(int) Answer { return Answer{Status: 200, Took: time.Millisecond} })
				if p.allowed != 8 {
					t.Errorf("%d at a time in the end", p.allowed)
				}
			})
		})
	}
}

func TestPauseIsForAll(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer Answer
		pause  time.Duration
	}{
		{"429", Answer{Status: 429}, shortPause},
		{"429 with Retry-After", Answer{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, 7 * time.Second},
		{"503 with Retry-After", Answer{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, 7 * time.Second},
		{"a Retry-After of a day", Answer{Status: 429, Header: http.Header{"Retry-After": {"86400"}}}, longPause},
		{"503", Answer{Status: 503}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(8, 0)
				attempts(t, p, 1, func(int) Answer { return tt.answer })
				at := attempts(t, p, 2, func(int) Answer { return Answer{Status: 200} })
				if at[0] != tt.pause || at[1] != tt.pause {
					t.Errorf("started at %v", at)
				}
			})
		})
	}
}

// A backend that limits the rate refuses nothing for good.
func TestRateLimitOfTheBackendIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var window time.Time
		inWindow := 0
		b := &backend{answer: func(Event) Answer {
			if time.Since(window) >= time.Second {
				window, inWindow = time.Now(), 0
			}
			if inWindow++; inWindow > 10 {
				return Answer{Status: 429}
			}
			return Answer{Status: 200}
		}}
		o := Options{Sender: b, Concurrency: 8, delays: svixDelays()}
		tally := newTally(func(string) {}, state{})
		d := newDeliverer(&o, tally, func(err error) { t.Error(err) })
		batch := tally.begin(nil)
		for i := range 300 {
			if err := d.start(t.Context(), Event{ID: string(rune('a' + i)), Object: string(rune('a' + i))}, batch); err != nil {
				t.Fatal(err)
			}
		}
		d.wait()
		if len(b.accepted) != 300 || tally.now().Refused != 0 {
			t.Errorf("%d accepted, %+v", len(b.accepted), tally.now())
		}
	})
}
