package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

type point struct{ X, Y float64 }

// middle returns where the middle of an element is.
func (b *tab) middle(selector string) point {
	b.t.Helper()
	b.waitFor(selector+" is there", fmt.Sprintf(`document.querySelector(%s)?.checkVisibility()`, js(selector)))
	return evaluate[point](b, fmt.Sprintf(`(({ x, y, width, height }) => ({ X: x + width / 2, Y: y + height / 2 }))(document.querySelector(%s).getClientRects()[0])`, js(selector)))
}

func (b *tab) mouse(kind input.DispatchMouseEventType, at point) {
	b.t.Helper()
	event := input.DispatchMouseEventParams{Type: kind, X: at.X, Y: at.Y}
	if kind != "mouseMoved" {
		event.Button, event.ClickCount = input.MouseButtonLeft, 1
	}
	if _, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, event); err != nil {
		b.t.Fatal(err)
	}
}

// hold presses the mouse on the middle of an element, and releases it there when the
// returned function is called.
func (b *tab) hold(selector string) (release func()) {
	b.t.Helper()
	at := b.middle(selector)
	b.mouse("mouseMoved", at)
	b.mouse("mousePressed", at)
	return func() { b.t.Helper(); b.mouse("mouseReleased", at) }
}

// waitForStatus waits until the page has read the status since n deliveries are there.
func (b *tab) waitForStatus(n int) { b.t.Helper(); b.waitForText("#kept", fmt.Sprint(n, " recorded")) }

func TestPressedRowIsOpenedWhateverArrives(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	rows := 60
	for i := range rows {
		d.deliver(fmt.Sprint("msg_", i), user("user.created", "Ada"))
	}
	for _, test := range []struct {
		name   string
		scroll int
		part   string
	}{
		{"on the outcome", 0, ".c-outcome span"},
		{"on an icon", 0, ".c-outcome svg"},
		{"on the event type", 0, ".type"},
		{"on the time", 0, ".c-time"},
		{"below the top of the list", 340, ".type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.within(t)
			b.waitForStatus(rows)
			b.is("it scrolls", fmt.Sprintf(`(document.querySelector("#list").scrollTop = %d) >= 0`, test.scroll))
			const row = `.row[aria-posinset="15"] `
			id := evaluate[string](b, fmt.Sprintf(`document.querySelector(%s).dataset.id`, js(row)))
			release := b.hold(row + test.part)
			d.deliver("msg_new", user("user.created", "Grace"))
			rows++
			b.waitForRows(rows)
			b.waitForStatus(rows)
			release()
			b.waitUntilOpen(id)
			b.click("#detail-close")
		})
	}
}

func TestPressThatEndsOnAnotherRowOpensNone(t *testing.T) {
	b := openWithThree(newDesk(t))
	b.hold(`.row[aria-posinset="3"] .type`)
	b.mouse("mouseReleased", b.middle(`.row[aria-posinset="1"] .type`))
	b.openRow("msg_Grace")
	b.is("only this one was opened", `history.length === 3`)
}

// A new attempt changes much of what the detail shows.
func TestPressedControlActsWhateverArrives(t *testing.T) {
	for _, test := range []struct{ name, tab, press, does string }{
		{"Replay", "payload", "#do-replay svg", `[...document.querySelectorAll(".toast")].some((e) => e.innerText.includes("Replayed"))`},
		{"a tab", "payload", "#tab-headers", `document.querySelector("#tab-headers").ariaSelected === "true"`},
		{"the count of a tab", "payload", "#tab-attempts .count", `document.querySelector("#tab-attempts").ariaSelected === "true"`},
		{"Close", "payload", "#detail-close svg", `document.querySelector("#detail").hidden`},
		{"a fold", "payload", ".fold", `document.querySelector("#panel .line").ariaExpanded === "false"`},
		{"an attempt", "attempts", ".timeline > li:first-child b", `document.querySelector(".timeline > li:first-child").className === "current"`},
		{"Compare", "timeline", ".timeline > li:first-child .link", `document.querySelector("#panel [role=status]").innerText.includes("→")`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			for range 2 {
				d.deliver("msg_ada", user("user.created", "Ada"))
			}
			b := openPage(d)
			b.within(t)
			b.waitForRows(2)
			b.openRow("msg_ada")
			b.click("#tab-" + test.tab)
			release := b.hold(test.press)
			d.deliver("msg_ada", user("user.created", "Ada"))
			b.waitForText("#tab-attempts", "3")
			release()
			b.waitFor("it acts", test.does)
		})
	}
}

func TestPressedToastStaysWhenAnotherComes(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.allowClipboard()
	b.openRow("msg_ada")
	show := func(key string, toasts int) {
		b.press(key)
		b.waitFor("there is a toast", fmt.Sprintf(`document.querySelectorAll(".toast").length === %d`, toasts))
	}
	show("r", 1)
	release := b.hold(".toast .quiet") // Open
	for n := range 3 {
		show("c", n+2)
	}
	release()
	b.waitForText("#detail .facts", "Replay of")
}

// What a person has done with a part of the page stays when a new attempt arrives.
func TestWhatYouUseStays(t *testing.T) {
	const selected = `getSelection().toString()`
	pick := func(selector string) string {
		return fmt.Sprintf(`(getSelection().selectAllChildren(document.querySelector(%s)), %s !== "")`, js(selector), selected)
	}
	for _, test := range []struct{ name, tab, use, stays string }{
		{"a selection in the payload", "payload", pick("#panel .line:nth-child(3)"), selected + `.includes("user_2b")`},
		{"a selection in the facts", "payload", pick(".facts .wide dd"), selected + `.includes("msg_ada")`},
		{"a fold", "payload", `(document.querySelector(".fold").click(), true)`, `document.querySelector("#panel .line").ariaExpanded === "false"`},
		{"a text to find", "payload", `((document.querySelector("#panel input").value = "Ada") === "Ada")`, `document.querySelector("#panel input").value === "Ada"`},
		{"a comparison", "timeline", `(document.querySelector(".timeline .link").click(), true)`, `document.querySelector("#panel [role=status]").innerText.includes("→")`},
		{"an answer", "answer", pick("#panel .answer-head"), selected + `.includes("200")`},
		{"the focus on an attempt", "attempts", `(document.querySelector(".timeline > li:first-child button").focus(), true)`, `document.activeElement.closest(".timeline > li:first-child") !== null`},
		{"a choice of an endpoint", "payload", `(document.querySelectorAll("[name=endpoint] option")[1].isSame = true)`, `document.querySelectorAll("[name=endpoint] option")[1].isSame`},
		{"a selection in the status", "payload", `(document.querySelector("#kept").click(), document.querySelector("#status").showModal(), ` + pick("#status dd code") + `)`, selected + `.includes("http://")`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			for range 2 {
				d.deliver("msg_ada", user("user.created", "Ada"))
			}
			b := openPage(d)
			b.within(t)
			b.waitForStatus(2)
			b.openRow("msg_ada")
			b.click("#tab-" + test.tab)
			b.waitFor("it can be used", test.use)
			b.waitFor("it is used", test.stays)
			d.deliver("msg_ada", user("user.created", "Ada"))
			b.waitForText("#tab-attempts", "3")
			b.waitForStatus(3)
			b.is("it stays", test.stays)
		})
	}
}

func TestWhatYouWriteStaysWhenTheExampleArrives(t *testing.T) {
	b := openPage(newDesk(t))
	evaluate[bool](b, `(() => { // the example is held back
		const get = fetch;
		fetch = async (...call) => {
			const answer = await get(...call);
			if (!answer.url.endsWith("/user.created")) return answer;
			await new Promise((resolve) => { window.goOn = resolve; });
			const event = await answer.json();
			answer.json = async () => { setTimeout(() => { window.isRead = true; }); return event; };
			return answer;
		};
		return true;
	})()`)
	b.click("#send")
	b.waitFor("the dialog is open, and the example on its way", `document.querySelector("#example").open && window.goOn`)
	b.write("#example [name=body]", "{}")
	evaluate[bool](b, `goOn() === undefined`)
	b.waitFor("the example is read", `window.isRead`)
	b.is("what you have written stays", `document.querySelector("#example [name=body]").value === "{}"`)
}

func TestPressedButtonOfTheEmptyListActs(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	release := b.hold("#empty .primary")
	d.deliver("msg_ada", user("user.created", "Ada"))
	b.waitForStatus(1)
	release()
	b.waitFor("the dialog is open", `document.querySelector("#example").open`)
	b.press(kb.Escape)
	b.waitForRows(1)
}

// The parts that stay must not act on what was shown before.
func TestWhatStaysActsOnWhatIsShown(t *testing.T) {
	d := newDesk(t)
	for n, name := range []string{"Ada", "Grace", "Edsger"} {
		d.deliver("msg_"+name, person("user.updated", name, n))
	}
	b := openPage(d)
	b.waitForRows(3)
	evaluate[bool](b, `(Date.parse = () => 0) !== null`) // as if all came in the same millisecond
	b.openRow("msg_Ada")
	b.click("#tab-timeline")
	b.openRow("msg_Edsger")
	b.click(".timeline > li:nth-child(2) > .link") // compares with Grace
	b.waitForText("#compared ins", `"Edsger"`)
	b.waitForText("#compared del", `"Grace"`)
	b.openRow("msg_Grace")
	b.is("the comparison is gone", `document.querySelector("#compared").innerText === ""`)
	b.click("#do-replay")
	b.waitForRows(4)
	b.waitForText(".answer:last-child h3", "Its latest replay")
	first := b.row("replay")
	b.click("#do-replay")
	b.waitForRows(5)
	b.waitForText("#tab-attempts", "3")
	b.click(".answer:last-child .link") // Open
	b.waitForText("#detail .facts", "Replay of")
	b.is("the latest replay is open", fmt.Sprintf(`document.querySelector("#detail .facts").innerText.includes(%s) === false && document.querySelector("#detail .facts").innerText.includes("msg_Grace")`, js(first)))
	if got := d.received(); len(got) != 5 || got[4] != got[1] {
		t.Errorf("the backend got %q", got)
	}
}
