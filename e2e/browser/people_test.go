package browser

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// openWithThree opens the page with deliveries about Edsger, Grace and Ada, newest
// first.
func openWithThree(d *desk) *tab {
	d.t.Helper()
	for _, name := range []string{"Ada", "Grace", "Edsger"} {
		d.deliver("msg_"+name, user("user.created", name))
	}
	b := openPage(d)
	b.waitForRows(3)
	return b
}

func TestKeyboardAlone(t *testing.T) {
	d := newDesk(t)
	b := openWithThree(d)

	b.press("/")
	b.is("/ moves to the search field", `document.activeElement.name === "text"`)
	b.press(kb.ArrowDown, kb.ArrowDown)
	b.waitForText("#detail .facts", "msg_Edsger")
	b.press(kb.ArrowDown)
	b.waitForText("#detail .facts", "msg_Grace")
	b.is("the list names its active row", `document.getElementById(document.querySelector("#list").getAttribute("aria-activedescendant")).ariaSelected === "true"`)
	b.press(kb.Enter)
	b.waitFor("the detail has the focus", `document.activeElement.id === "detail"`)
	b.press(kb.Tab)
	b.is("Tab moves inside it, and the focus is visible", `document.activeElement.closest("#detail") !== null && getComputedStyle(document.activeElement).outlineStyle !== "none"`)
	evaluate[bool](b, `document.querySelector("#tab-payload").focus() === undefined`)
	b.press(kb.ArrowRight)
	b.is("arrows move between tabs", `document.activeElement.id === "tab-headers" && document.activeElement.ariaSelected === "true"`)

	b.press("r")
	b.waitForText(".toast", "Replayed: 200")
	b.press("e")
	b.waitFor("the editor is open", `document.querySelector("#edit").open && document.activeElement.name === "body"`)
	b.press(kb.Escape)
	b.waitFor("the editor is closed", `!document.querySelector("#edit").open`)
	b.is("the delivery is still open", `!document.querySelector("#detail").hidden`)
	b.press(kb.Escape)
	b.waitFor("the delivery is closed and the list has the focus", `document.querySelector("#detail").hidden && document.activeElement.id === "list"`)

	b.press("s")
	b.waitFor("the example is there", `document.querySelector("#example").open && document.querySelector("#example [name=body]").value !== ""`)
	b.press(kb.Escape)
	b.press("?")
	b.waitForText("#keys", "Keyboard")
	b.press(kb.Escape)
	b.press("p")
	b.waitForText("#pause", "Resume")

	b.press("?")
	b.click("#keys [name=on]")
	b.press(kb.Escape, "p", "s")
	b.is("disabled shortcuts do nothing", `document.querySelector("#pause").innerText.includes("Resume") && !document.querySelector("#example").open`)
	b.do(chromedp.Reload())
	b.waitUntilLive()
	b.press("p")
	b.is("they stay disabled after a reload", `document.querySelector("#pause").innerText.includes("Pause")`)
	b.click("#help")
	b.waitForText("#keys", "Keyboard")
}

func TestPageWorksWithoutLocalStorage(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	_, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `Object.defineProperty(window, "localStorage", { get() { throw new DOMException("Access is denied", "SecurityError"); } })`,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Reload())
	b.waitUntilLive()
	b.press("?")
	b.waitForText("#keys", "Keyboard")
	b.click("#keys [name=on]")
	b.press(kb.Escape, "p")
	b.is("shortcuts are disabled for now", `document.querySelector("#pause").innerText.includes("Pause")`)
}

func TestShortcutDoesNotTypeIntoTheFieldItOpens(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	const isOpen = `document.querySelector("#edit").open && document.activeElement.name === "body"`
	isRepeated := true
	key := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "e", Code: "KeyE", Text: "e", UnmodifiedText: "e", WindowsVirtualKeyCode: 'E'}
	b.dispatch(key)
	b.waitFor("the editor is open", isOpen)
	key.AutoRepeat = &isRepeated
	b.dispatch(key, key, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: "e", Code: "KeyE", WindowsVirtualKeyCode: 'E'})
	b.is("a key that is held down types nothing", `document.querySelector("#edit [name=body]").value.startsWith("{")`)
	b.press("e")
	b.is("the next press of the key types", `document.querySelector("#edit [name=body]").value.startsWith("e{")`)
}

func TestShortcutsActOnTheSelectedDelivery(t *testing.T) {
	d := newDesk(t)
	b := openWithThree(d)
	b.press("/")
	b.press(kb.ArrowDown, kb.ArrowDown)
	b.waitForText("#detail .facts", "msg_Edsger")
	b.press(kb.ArrowDown, "r") // before Grace's delivery is shown
	b.waitForText(".toast", "Replayed: 200")
	if got := d.received(); !strings.Contains(got[len(got)-1], "Grace") {
		t.Errorf("Grace's delivery is selected, but this was replayed: %s", got[len(got)-1])
	}
}

func TestEverythingHasALabel(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	b.click("#do-edit")
	unlabelled := evaluate[[]string](b, `[...document.querySelectorAll("button, input, select, textarea, a, dialog, [role=listbox], [role=tablist], [role=tabpanel]")].filter((e) => {
		const byId = (ids) => (ids ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("");
		const label = [e.ariaLabel, byId(e.getAttribute("aria-labelledby")), ...[...(e.labels ?? [])].map((l) => l.textContent), /^(BUTTON|A)$/.test(e.tagName) ? e.textContent : ""].join("");
		return label.trim() === "";
	}).map((e) => e.outerHTML.slice(0, 120))`)
	if len(unlabelled) > 0 {
		t.Errorf("these have no label: %q", unlabelled)
	}
}

func TestNarrowWindow(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_"+strings.Repeat("long", 40), user("organization"+strings.Repeat(".very_long", 12), strings.Repeat("wide", 300)))
	d.deliverSigned(otherSecret, "msg_forged", user("user.created", "Mallory"), time.Now())
	b := openAt(d, "", 360, 740)
	noScroll := func(where string) {
		t.Helper()
		wide := evaluate[[]string](b, `[...document.querySelectorAll("body, #filter, #list, #detail, dialog[open]")].filter((e) => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > 361)).map((e) => e.id || e.tagName)`)
		if len(wide) > 0 {
			t.Errorf("%s: these are too wide: %q", where, wide)
		}
	}
	b.waitForRows(2)
	noScroll("list")
	b.click("#filter-more")
	noScroll("filter")
	b.click("#filter-more")
	for _, delivery := range []string{"long", "msg_forged"} {
		b.openRow(delivery)
		b.is("the detail replaces the list", `!document.querySelector(".deliveries").checkVisibility()`)
		for _, name := range []string{"payload", "headers", "answer", "attempts"} {
			b.click("#tab-" + name)
			noScroll(delivery + " " + name)
		}
		b.click("#do-edit")
		noScroll("editor")
		b.press(kb.Escape)
		b.waitFor("the editor is closed", `!document.querySelector("#edit").open`)
		b.click("#detail-close")
		b.waitFor("the list is back", `document.querySelector("#list").checkVisibility()`)
	}
	b.click("#kept")
	b.waitForText("#status", "Running since")
	noScroll("status")
	b.press(kb.Escape)
	b.click("#send")
	b.waitFor("the example is there", `document.querySelector("#example [name=body]").value !== ""`)
	noScroll("example")
	b.press(kb.Escape)
	b.excuse("ERR_")
	d.stop()
	b.waitForText("#connection", "Connection lost")
	noScroll("lost")
}

// TestContrast checks the contrast that WCAG 2.2 requires at level AA, in both colour
// schemes.
func TestContrast(t *testing.T) {
	d := newDesk(t)
	d.answerWith(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.Header.Get("svix-id")[len("msg_"):])
		w.WriteHeader(status)
	})
	for _, id := range []string{"msg_200", "msg_200", "msg_302", "msg_500"} {
		d.deliver(id, user("user.created", "Ada"))
	}
	d.deliver("msg_204", user("session.created", "Ada"))
	d.deliverSigned(secret, "msg_old", user("user.created", "Ada"), time.Now().Add(-time.Hour))
	d.deliverSigned(otherSecret, "msg_forged", user("user.created", "Ada"), time.Now())
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			b := openPage(d)
			b.within(t)
			b.prefer(scheme)
			check := func(where string) {
				t.Helper()
				if faint := evaluate[[]string](b, faintText); len(faint) > 0 {
					t.Errorf("%s: these have too little contrast: %q", where, faint)
				}
			}
			b.openRow("msg_200")
			b.click("#pause")
			for _, name := range []string{"headers", "answer", "attempts", "payload"} {
				b.click("#tab-" + name)
				check(name)
			}
			b.click("#do-edit")
			b.write("#edit [name=body]", "{")
			b.waitForText("#edit .check", "Not JSON")
			check("editor")
			b.press(kb.Escape, kb.Escape)
			b.openRow("msg_old")
			check("too old")
			b.openRow("msg_forged")
			check("forged")
			b.click("#do-sign")
			check("signing")
			b.press(kb.Escape)
			b.write("[name=text]", "nothing has this")
			b.waitForText("#empty", "No delivery matches")
			check("empty")
		})
	}
}

const faintText = `(() => {
	const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
	const luminance = (colour) => {
		const [r, g, b] = channels(colour).slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const colour = getComputedStyle(e).backgroundColor;
			if ((channels(colour)[3] ?? 1) > 0) return colour;
		}
		return "rgb(255, 255, 255)";
	};
	const faint = new Set();
	const texts = document.createTreeWalker(document.querySelector("dialog[open]") ?? document.body, NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement;
		if (!texts.currentNode.data.trim() || !e.checkVisibility() || e.closest("script, :disabled")) continue;
		const [light, dark] = [getComputedStyle(e).color, behind(e)].map(luminance).sort((a, b) => b - a);
		const ratio = (light + 0.05) / (dark + 0.05);
		if (ratio < 4.5) faint.add(e.textContent.trim().slice(0, 30) + " " + ratio.toFixed(2));
	}
	return [...faint];
})()`

func TestPageWithoutJavaScriptSaysThatItNeedsIt(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Reload())
	b.waitForText("noscript", "This page needs JavaScript")
}
