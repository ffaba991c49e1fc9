package browser

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// People notice a frame whose work takes longer than this.
const longestTask = 50 * time.Millisecond

// scroll scrolls down and up through the list in each frame, and measures the frames.
const scroll = `(async () => {
	const list = document.querySelector("#list");
	const times = [];
	let last = await new Promise(requestAnimationFrame), nodes = 0, blank = 0;
	for (let i = 0; i < 240; i++) {
		list.scrollTop += i < 120 ? 500 : -500;
		const now = await new Promise(requestAnimationFrame);
		times.push(now - last);
		last = now;
		await new Promise((resolve) => setTimeout(resolve)); // until the page has drawn this frame, too
		nodes = Math.max(nodes, document.querySelectorAll("*").length);
		const box = list.getBoundingClientRect();
		if (!document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).closest(".row")) blank++;
	}
	times.sort((a, b) => a - b);
	return { Median: times[120], Worst: times.at(-1), Long: times.filter((t) => t > 50).length, Nodes: nodes, Blank: blank };
})()`

type frames struct {
	Median, Worst      float64
	Long, Nodes, Blank int
}

func TestManyDeliveriesStaySmooth(t *testing.T) {
	const deliveries = 10_000 // as many as the inspector keeps
	d := newDesk(t)
	b := openPage(d)
	b.excuse("404") // newer deliveries push out the one that End opens
	for i := range deliveries {
		d.deliver(fmt.Sprintf("msg_%05d", i), user("user.created", fmt.Sprint("user ", i)))
	}
	b.waitForRows(deliveries)
	b.do(chromedp.Reload())
	b.waitUntilLive()
	b.waitForRows(1000) // the page reads more when you scroll

	t.Run("reading all pages", func(t *testing.T) {
		b.within(t)
		tasks := b.tasks(func() {
			b.waitFor("all are read", `(document.querySelector("#list").scrollTop = 1e6) && `+rowCount+` === 10000`)
		})
		if longest := slices.Max(tasks); longest > longestTask {
			t.Errorf("a task takes %v", longest)
		}
		b.is("it scrolls back to the middle", `(document.querySelector("#list").scrollTop = 160000) > 0`)
	})
	t.Run("scrolling", func(t *testing.T) {
		b.within(t)
		b.isSmooth()
	})
	t.Run("scrolling while others arrive", func(t *testing.T) {
		b.within(t)
		stop := d.keepDelivering(50 * time.Millisecond)
		b.isSmooth()
		b.waitForText("#newer", fmt.Sprint(stop(), " new"))
		b.waitForRows(deliveries) // the oldest are gone
	})
	t.Run("Home and End move to both ends", func(t *testing.T) {
		b.within(t)
		b.do(chromedp.Focus(chromedp.CSS("#list")))
		b.press(kb.End)
		b.waitFor("the last row is there", `document.querySelector('.row[aria-posinset="10000"][aria-selected=true]') !== null`)
		b.press(kb.Home)
		b.waitFor("the first row is there", `document.querySelector('.row[aria-posinset="1"][aria-selected=true]') !== null`)
	})
	t.Run("a new delivery does not move the rows in view", func(t *testing.T) {
		b.within(t)
		evaluate[bool](b, `(document.querySelector("#list").scrollTop = 20000) > 0`)
		const inView = `[...document.querySelectorAll(".row:not([hidden])")].filter((r) => r.getBoundingClientRect().top >= document.querySelector("#list").getBoundingClientRect().top - 1).sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)[0].dataset.id`
		b.waitFor("the rows are drawn", `document.querySelector('.row[aria-posinset="600"]') !== null`)
		before := evaluate[string](b, inView)
		place := fmt.Sprintf(`Number(document.querySelector('.row[data-id="%s"]').ariaPosInSet)`, before)
		was := evaluate[int](b, place)
		d.deliver("msg_new", user("user.created", "new"))
		b.waitFor("the rows are drawn again", fmt.Sprintf(`%s === %d`, place, was+1))
		if after := evaluate[string](b, inView); after != before {
			t.Errorf("the first row in view was %s and is %s", before, after)
		}
	})
}

// isSmooth scrolls, and fails the test if any task of the page takes longer than
// longestTask. It counts the CPU time of the page's thread, and only logs how long the
// thread had to wait on a busy machine.
func (b *tab) isSmooth() {
	b.t.Helper()
	var f frames
	tasks := b.tasks(func() { f = evaluate[frames](b, scroll) })
	if len(tasks) < 240 {
		b.t.Fatalf("the trace has only %d tasks", len(tasks))
	}
	longest := slices.Max(tasks)
	b.t.Logf("a frame takes %.1f ms, %d of 240 over 50 ms, the worst %.1f ms; the longest task takes %v; %d elements", f.Median, f.Long, f.Worst, longest, f.Nodes)
	if longest > longestTask {
		b.t.Errorf("a task takes %v", longest)
	}
	if f.Nodes > 1500 {
		b.t.Errorf("there are %d elements: their number should not depend on the list's length", f.Nodes)
	}
	if f.Blank > 0 {
		b.t.Errorf("%d frames showed no row", f.Blank)
	}
}

// keepDelivering sends deliveries at an even pace until stop is called. stop returns how
// many it has sent.
func (d *desk) keepDelivering(pause time.Duration) (stop func() int) {
	ctx, cancel := context.WithCancel(d.t.Context())
	stopped := make(chan struct{})
	var delivered int
	go func() {
		defer close(stopped)
		every := time.NewTicker(pause)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				d.deliver(fmt.Sprintf("msg_more_%d", delivered), user("user.created", "more"))
				delivered++
			}
		}
	}()
	return func() int { cancel(); <-stopped; return delivered }
}
