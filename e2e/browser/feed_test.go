package browser

import (
	_ "embed"
	"fmt"
	"testing"
)

// feedScenarios is an expression that returns the names of functions, which it
// puts into the variable scenarios. Each returns what is wrong, or "".
//
//go:embed feed_scenarios.js
var feedScenarios string

// What the page does when answers, changes and clicks come in an unlucky order
// is tested on its own code in the browser, with a server that says what the
// test wants when the test wants it.
func TestFeed(t *testing.T) {
	b := openPage(newDesk(t))
	evaluate[bool](b, `dispatchEvent(new Event("pagehide"))`) // the page itself listens no more
	names := evaluate[[]string](b, feedScenarios)
	if len(names) < 8 {
		t.Fatalf("there are only the scenarios %q", names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			b.within(t)
			if wrong := evaluate[string](b, fmt.Sprintf(`scenarios[%s]()`, js(name))); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}
