//go:build long

package relay_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestTenThousandGuessesOpenNothing guesses tokens while a listener is at work.
func TestTenThousandGuessesOpenNothing(t *testing.T) {
	const guesses, atOnce = 10_000, 16
	url := run(t, "relay")
	mine := listen(t, url, testcaddy.Secret, "")
	isAnswered := func() {
		answers := deliver(t, url, testcaddy.UserCreated)
		mine.answer(t, mine.receive(t), 200, "")
		if got := <-answers; got.StatusCode != 200 {
			t.Errorf("the sender got %d", got.StatusCode)
		}
	}
	testcaddy.Log.Reset()
	numbers := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for n := range numbers {
				w := dial(t, url)
				w.send(t, fmt.Sprintf(`{"type":"start","version":1,"data":{"token":"c_%032d"}}`, n))
				if closed := w.closed(t); closed.Code != websocket.StatusPolicyViolation {
					t.Errorf("guess %d ended with %v", n, closed)
				}
				_ = w.CloseNow()
			}
		})
	}
	for n := range guesses {
		if n%1000 == 0 { // so the listener also reads, and answers pings
			isAnswered()
		}
		numbers <- n
	}
	close(numbers)
	all.Wait()
	if lines := testcaddy.Log.Entries(t, "listeners refused"); len(lines) > 2 { // the first, and that of the minute
		t.Errorf("%d lines are logged", len(lines))
	}
	isAnswered()
}
