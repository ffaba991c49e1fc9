package browser

import (
	_ "embed"
	"fmt"
	"testing"
)

// feedScenarios is an expression. It puts functions into the variable scenarios and
// returns their names. Each function returns what is wrong, or "".
//
//go:embed feed_scenarios.js
var feedScenarios string

// TestFeed runs the page's own code in the browser with a server that the test
// controls, so that answers, changes and clicks come in any order.
func TestFeed(t *testing.T) {
	b := openPage(newDesk(t))
	evaluate[bool](b, `dispatchEvent(new Event("pagehide"))`) // stops the page's own stream
	names := evaluate[[]string](b, feedScenarios)
	if len(names) < 8 {
		t.Fatalf("got only the scenarios %q", names)
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
