package browser

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// traceEvent has the members of Chromium's trace events that the tests need.
type traceEvent struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	TID  int    `json:"tid"`
	CPU  int64  `json:"tdur"` // CPU time of the thread in microseconds
	Args struct {
		Name string `json:"name"`
	} `json:"args"`
}

// tasks returns the CPU time of each task of the pages' main threads while act ran. The
// scripts, style and layout of one frame are one task.
func (b *tab) tasks(act func()) []time.Duration {
	b.t.Helper()
	var mu sync.Mutex
	var events []traceEvent
	complete := make(chan struct{})
	listen := func(event any) {
		switch e := event.(type) {
		case *tracing.EventDataCollected:
			mu.Lock()
			defer mu.Unlock()
			for _, value := range e.Value {
				var event traceEvent
				if json.Unmarshal(value, &event) == nil { // no others are needed
					events = append(events, event)
				}
			}
		case *tracing.EventTracingComplete:
			close(complete)
		}
	}
	ctx, stopListening := context.WithCancel(b.ctx)
	defer stopListening()
	if err := chromedp.Listen(ctx, listen); err != nil {
		b.t.Fatal(err)
	}
	categories := &tracing.TraceConfig{IncludedCategories: []string{"disabled-by-default-devtools.timeline", "__metadata"}}
	if _, err := chromedp.Call(b.ctx, tracing.Start, tracing.StartParams{TraceConfig: categories}); err != nil {
		b.t.Fatal(err)
	}
	act()
	if _, err := chromedp.Call(b.ctx, tracing.End, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-complete:
	case <-time.After(4 * patience):
		b.t.Fatal("the trace did not come")
	}
	mu.Lock()
	defer mu.Unlock()
	return mainThreadTasks(events)
}

func mainThreadTasks(events []traceEvent) []time.Duration {
	type thread struct{ pid, tid int }
	isMain := map[thread]bool{}
	for _, e := range events {
		if e.Name == "thread_name" && e.Args.Name == "CrRendererMain" {
			isMain[thread{e.PID, e.TID}] = true
		}
	}
	var tasks []time.Duration
	for _, e := range events {
		if e.Name == "RunTask" && isMain[thread{e.PID, e.TID}] {
			tasks = append(tasks, time.Duration(e.CPU)*time.Microsecond)
		}
	}
	return tasks
}
