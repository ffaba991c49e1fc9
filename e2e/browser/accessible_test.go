package browser

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axeFile has the rules of axe-core. The script ./run installs it.
const axeFile = "axe/node_modules/axe-core/axe.min.js"

// violations runs all rules of axe-core, and returns what breaks one.
const violations = `axe.run(document, { resultTypes: ["violations"] }).then(({ passes, violations }) => passes.length < 20 ? ["only " + passes.length + " rules were checked"] : violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 160) + " " + n.failureSummary.slice(0, 300))))`

// TestAxe finds no violation in any state of the page, in both colour schemes.
func TestAxe(t *testing.T) {
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	d.answerWith(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("svix-id") == "msg_failed" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"saved":[true]}`))
	})
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 320} {
			t.Run(fmt.Sprint(scheme, " ", width), func(t *testing.T) {
				b := openAt(d, "", width, 800)
				b.within(t)
				b.prefer(scheme)
				evaluate[bool](b, string(axe)+"; true")
				check := func(state string) {
					t.Helper()
					b.waitFor("animations and toasts are over", `document.getAnimations().length === 0`)
					for _, violation := range evaluate[[]string](b, violations) {
						t.Errorf("%s: %s", state, violation)
					}
				}
				d.everyState(b, check)
			})
		}
	}
}

// everyState takes the page through its states.
func (d *desk) everyState(b *tab, check func(state string)) {
	b.t.Helper()
	b.waitForText("#empty", "Waiting for deliveries")
	check("empty")
	d.deliver("msg_a", person("user.created", "Ada", 1))
	d.deliver("msg_b", person("user.updated", "Grace", 3))
	d.deliver("msg_late", person("user.updated", "Edsger", 2))
	d.deliver("msg_late", person("user.updated", "Edsger", 2))
	d.deliver("msg_failed", person("user.updated", "Barbara", 4))
	d.deliver("msg_session", user("session.created", "Ada"))
	d.deliverReencoded("msg_changed", person("user.created", "Ada", 1), time.Now())
	d.deliverSigned(secret, "msg_old", person("user.created", "Ada", 1), time.Now().Add(-time.Hour))
	b.waitForRows(8)
	check("list")
	for _, id := range []string{"msg_failed", "msg_session", "msg_changed", "msg_old", "msg_late"} {
		b.openRow(id)
		for _, name := range []string{"headers", "answer", "attempts", "timeline", "payload"} {
			b.click("#tab-" + name)
			check(id + " " + name)
		}
		if id != "msg_late" {
			b.click("#detail-close")
		}
	}
	b.write("#panel [type=search]", "user")
	b.click(".fold")
	check("folded payload")
	b.click("#tab-timeline")
	b.click(".timeline > li:first-child .link")
	b.waitForText("#panel [role=status]", "data.first_name")
	check("comparison")
	b.click("#do-edit")
	b.write("#edit [name=body]", "{")
	b.waitForText("#edit .check", "Not JSON")
	check("editor")
	b.press(kb.Escape, kb.Escape)
	b.click("#do-replay")
	b.waitForText(".toast", "Replayed")
	check("toast")
	b.click("#detail-close")
	b.click("#filter-more")
	b.write("[name=text]", "Grace")
	b.waitForText("#found", "found")
	check("search")
	b.write("[name=text]", "nothing has this")
	b.waitForText("#empty", "No delivery matches")
	check("no match")
	b.click("#reset")
	b.click("#kept")
	b.waitForText("#status", "Running since")
	check("status")
	b.press(kb.Escape)
	b.click("#send")
	b.waitFor("the example is there", `document.querySelector("#example [name=body]").value !== ""`)
	check("example")
	b.press(kb.Escape, "?")
	b.waitForText("#keys", "Keyboard")
	check("keys")
	b.press(kb.Escape)
	b.click("#pause")
	check("paused")
	b.click("#clear")
	check("clear")
	b.click("#sure [type=submit]")
	b.waitForText("#empty", "Waiting for deliveries")
}

// TestNothingScrollsSideways checks a window of 320 pixels, and one of 640 at 200 %
// zoom, which is as wide for the page.
func TestNothingScrollsSideways(t *testing.T) {
	for name, window := range map[string]struct {
		width int64
		zoom  float64
	}{"320 pixels": {320, 1}, "640 pixels at 200 %": {640, 2}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			b := openAt(d, "", window.width, 640)
			b.within(t)
			b.prefer("light")
			_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: int64(float64(window.width) / window.zoom), Height: int64(640 / window.zoom), DeviceScaleFactor: window.zoom,
			})
			if err != nil {
				t.Fatal(err)
			}
			d.everyState(b, func(state string) {
				t.Helper()
				wide := evaluate[[]string](b, `[...document.querySelectorAll("html, body, #filter, #list, #empty, #detail, #toasts, dialog[open]")].filter((e) => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1)).map((e) => e.getAttribute("id") ?? e.tagName)`)
				if len(wide) > 0 {
					t.Errorf("%s: these are too wide: %q", state, wide)
				}
			})
		})
	}
}

// TestKeyboardReachesEverything presses Tab until it comes round, in a page with an
// open delivery.
func TestKeyboardReachesEverything(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_a", person("user.created", "Ada", 1))
	d.deliver("msg_b", person("user.updated", "Grace", 2))
	b := openPage(d)
	b.click("#filter-more")
	b.openRow("msg_b")
	const unreached = `[...document.querySelectorAll("button, a[href], input, select, textarea, [tabindex='0']")].filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !e.dataset.reached).map((e) => e.id || e.name || e.outerHTML.slice(0, 80))`
	for _, name := range []string{"payload", "headers", "answer", "attempts", "timeline"} {
		b.click("#tab-" + name)
		for range 150 {
			b.press(kb.Tab)
			if invisible := evaluate[string](b, `(() => {
				const e = document.activeElement;
				e.dataset.reached = true;
				const seen = e.type === "checkbox" ? e.nextElementSibling ?? e : e;
				return e === document.body || getComputedStyle(seen).outlineStyle !== "none" ? "" : e.outerHTML;
			})()`); invisible != "" {
				t.Fatalf("the focus on this cannot be seen: %s", invisible)
			}
			if len(evaluate[[]string](b, unreached)) == 0 {
				break
			}
		}
		if rest := evaluate[[]string](b, unreached); len(rest) > 0 {
			t.Errorf("%s: Tab does not reach %s", name, strings.Join(rest, ", "))
		}
	}
}
