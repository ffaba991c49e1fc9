package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a browser tab with the page in it. The test fails if the page ever throws, opens
// a browser dialog, breaks its security policy or sends a request to another server.
type tab struct {
	t      testing.TB
	ctx    context.Context
	origin string // the beginning of every URL that it may request

	mu       sync.Mutex
	problems []string
	excused  []string // texts in problems that are expected
}

// withoutPassword matches the part of a URL that a browser removes before a request.
var withoutPassword = regexp.MustCompile(`//[^/@]*@`)

// within makes failures count for a subtest.
func (b *tab) within(t *testing.T) {
	outer := b.t
	b.t = t
	t.Cleanup(func() { b.t = outer })
}

// openPage opens the inspector in a window of the usual size.
func openPage(d *desk) *tab {
	d.t.Helper()
	return openAt(d, "", 1280, 800)
}

// openAt opens the inspector in its own profile, with a fragment in the URL and a window
// size.
func openAt(d *desk, fragment string, width, height int64) *tab {
	d.t.Helper()
	ctx, closeTab := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	d.t.Cleanup(closeTab)
	b := &tab{t: d.t, ctx: ctx, origin: withoutPassword.ReplaceAllString(d.inspector, "//")}
	d.t.Cleanup(b.checkProblems)
	if err := chromedp.Listen(ctx, b.note); err != nil {
		d.t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		d.t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		d.t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(d.inspector+fragment))
	b.waitUntilLive()
	return b
}

func (b *tab) waitUntilLive() {
	b.t.Helper()
	b.waitFor("the page is connected", `document.querySelector('#connection').dataset.state === 'live'`)
}

func (b *tab) note(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problem(fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		b.problem("console: " + string(e.Type))
	case *log.EventEntryAdded:
		b.problem(fmt.Sprintf("log: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	case *page.EventJavascriptDialogOpening:
		b.problem("dialog: " + e.Message)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(withoutPassword.ReplaceAllString(e.Request.URL, "//"), b.origin) && !strings.HasPrefix(e.Request.URL, "data:") {
			b.problem("request to " + e.Request.URL)
		}
	}
}

func (b *tab) problem(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, text)
}

// excuse ignores problems that contain the text.
func (b *tab) excuse(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.excused = append(b.excused, text)
}

func (b *tab) checkProblems() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		if !b.isExcused(problem) {
			b.t.Errorf("the page has a problem: %s", problem)
		}
	}
}

func (b *tab) isExcused(problem string) bool {
	for _, excused := range b.excused {
		if strings.Contains(problem, excused) {
			return true
		}
	}
	return false
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\nThe page shows:\n%s", err, b.shown())
	}
}

// evaluate returns the value of a JavaScript expression, which may be a promise.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 4*patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// waitFor waits until a JavaScript expression is true. It checks once for each frame.
// The expression is part of the evaluated script, since the page's security policy does
// not allow eval.
func (b *tab) waitFor(what, expression string) {
	b.t.Helper()
	seen := evaluate[bool](b, fmt.Sprintf(`new Promise((resolve) => {
		const end = Date.now() + %d;
		const look = () => {
			if (%s) resolve(true);
			else if (Date.now() > end) resolve(false);
			else requestAnimationFrame(look);
		};
		look();
	})`, patience.Milliseconds(), expression))
	if !seen {
		b.t.Fatalf("this did not happen: %s. The page shows:\n%s", what, b.shown())
	}
}

// waitForText waits until a part of the page shows a text.
func (b *tab) waitForText(selector, text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("%s shows %q", selector, text), fmt.Sprintf(
		`[...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.innerText.includes(%s))`, js(selector), js(text)))
}

// js writes a text as JavaScript.
func js(text string) string {
	literal, _ := json.Marshal(text)
	return string(literal)
}

func (b *tab) shown() string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// is fails the test unless a JavaScript expression is true.
func (b *tab) is(what, expression string) {
	b.t.Helper()
	if !evaluate[bool](b, expression) {
		b.t.Errorf("this is not true: %s: %s", what, expression)
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, fmt.Sprintf(`document.querySelector(%s).innerText`, js(selector)))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.waitFor(selector+" can be clicked", fmt.Sprintf(`(() => { const e = document.querySelector(%s); return e && e.checkVisibility() && !e.disabled; })()`, js(selector)))
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "Could not find node") { // the page has just replaced it
			b.t.Fatalf("%v\nThe page shows:\n%s", err, b.shown())
		}
	}
}

// openRow clicks the newest row that shows a text, and waits for its detail.
func (b *tab) openRow(text string) {
	b.t.Helper()
	id := b.row(text)
	b.click(fmt.Sprintf(`.row[data-id="%s"]`, id))
	b.waitUntilOpen(id)
}

// row waits for a row that has a text and returns the id of its delivery.
func (b *tab) row(text string) string {
	b.t.Helper()
	const rows = `[...document.querySelectorAll(".row:not([hidden])")].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)`
	found := fmt.Sprintf(`%s.find((e) => e.textContent.includes(%s))`, rows, js(text)) // also in hidden columns
	b.waitFor(fmt.Sprintf("a row has %q", text), found)
	return evaluate[string](b, found+`.dataset.id`)
}

func (b *tab) waitUntilOpen(id string) {
	b.t.Helper()
	b.waitFor("delivery "+id+" is open", fmt.Sprintf(`location.hash.includes("open=" + %s) && document.querySelector("#detail .facts")?.innerText.includes(%[1]s)`, js(id)))
}

// write replaces what is in a field.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(selector)))
	evaluate[bool](b, fmt.Sprintf(`document.querySelector(%s).select() === undefined`, js(selector)))
	if text == "" {
		b.press(kb.Delete)
		return
	}
	if _, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) choose(selector, value string) {
	b.t.Helper()
	evaluate[bool](b, fmt.Sprintf(`(() => {
		const field = document.querySelector(%s);
		if (![...field.options].some((o) => o.value === %s)) throw new Error("there is no such choice");
		field.value = %[2]s;
		field.dispatchEvent(new Event("input", { bubbles: true }));
		field.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`, js(selector), js(value)))
}

func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// dispatch sends events of the keyboard as they are.
func (b *tab) dispatch(events ...input.DispatchKeyEventParams) {
	b.t.Helper()
	for _, event := range events {
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, event); err != nil {
			b.t.Fatal(err)
		}
	}
}

// waitForRows waits until the list has that many deliveries.
func (b *tab) waitForRows(n int) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("the list has %d deliveries", n), fmt.Sprintf(`%s === %d`, rowCount, n))
}

const rowCount = `(document.querySelector("#list").hidden ? 0 : Number(document.querySelector(".row:not([hidden])")?.getAttribute("aria-setsize") ?? 0))`

// prefer sets the colour scheme and turns animations off.
func (b *tab) prefer(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// hide makes the page believe that its tab is hidden, or visible.
func (b *tab) hide(hidden bool) {
	b.t.Helper()
	b.is("the event is sent", fmt.Sprintf(`(() => {
		Object.defineProperty(document, "hidden", { get: () => %t, configurable: true });
		return document.dispatchEvent(new Event("visibilitychange"));
	})()`, hidden))
}

// sendHeaders adds headers to all requests from now on.
func (b *tab) sendHeaders(headers network.Headers) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers}); err != nil {
		b.t.Fatal(err)
	}
}

// allowClipboard lets the test read what the page has copied.
func (b *tab) allowClipboard() {
	b.t.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission:       &browser.PermissionDescriptor{Name: name},
			Setting:          browser.PermissionSettingGranted,
			BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}
