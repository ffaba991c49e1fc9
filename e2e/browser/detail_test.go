package browser

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

func TestDetail(t *testing.T) {
	d := newDesk(t)
	failures := 1
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Backend", "users")
		if failures > 0 {
			failures--
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "the database is away")
			return
		}
		_, _ = io.WriteString(w, "thank you")
	})
	for range 3 { // fails, is handled, is a duplicate
		d.deliver("msg_ada", user("user.created", "Ada"))
	}
	b := openPage(d)
	b.waitForRows(3)
	b.click(`.row[aria-posinset="2"]`)
	b.waitForText(".facts", "production")
	b.waitForText(".facts", "POST "+d.site)
	b.waitForText(".timing", "verify")
	b.waitForText(".timing", "upstream")

	t.Run("the payload is indented and unchanged", func(t *testing.T) {
		b.within(t)
		b.waitForText("#panel pre", "\n    \"first_name\": \"Ada\",\n")
		b.waitForText("#panel pre", "12345678901234567890") // JSON.parse would round it
	})
	t.Run("the raw payload is as it arrived", func(t *testing.T) {
		b.within(t)
		b.click(`[data-mode=raw]`)
		b.waitForText("#panel pre", user("user.created", "Ada"))
		b.click(`[data-mode=pretty]`)
	})
	t.Run("verified headers are marked", func(t *testing.T) {
		b.within(t)
		b.click("#tab-headers")
		marked := evaluate[[]string](b, `[...document.querySelectorAll("#panel tr")].filter((r) => r.querySelector(".verified")).map((r) => r.querySelector("th").innerText)`)
		if want := []string{"Svix-Id", "Svix-Signature", "Svix-Timestamp"}; !slices.Equal(marked, want) {
			t.Errorf("got marks on %q, want %q", marked, want)
		}
		b.waitForText("#panel", "application/json")
	})
	t.Run("the answer has its status, headers and body", func(t *testing.T) {
		b.within(t)
		b.click("#tab-answer")
		b.waitForText("#panel", "thank you")
		b.waitForText("#panel", "X-Backend")
		b.waitForText("#panel .status", "200")
	})
	t.Run("all attempts are on one timeline", func(t *testing.T) {
		b.within(t)
		b.waitForText("#tab-attempts", "3")
		b.click("#tab-attempts")
		outcomes := evaluate[[]string](b, `[...document.querySelectorAll(".timeline > li")].map((l) => l.querySelector("b").innerText + " " + l.querySelector(".status").innerText)`)
		if want := []string{"App error 500", "Forwarded 200", "Duplicate 200"}; !slices.Equal(outcomes, want) {
			t.Errorf("the timeline is %q, want %q", outcomes, want)
		}
		b.click(".timeline > li:first-child button")
		b.waitForText(".detail-head .status", "500")
		b.click("#tab-answer")
		b.waitForText("#panel", "the database is away")
	})
}

func TestPayloadShowsWhereItsSyntaxErrorIs(t *testing.T) {
	tests := []struct{ name, body, says, marked string }{
		{"wrong character", "{\n  \"a\": 1,\n  \"ä\": oops\n}", "line 3, column 8", "o"},
		{"early end", `{"type":"user.created"`, "line 1, column 23", "end"},
	}
	d := newDesk(t, strings.Replace(siteAndInspector, "events user.* organization*", "", 1), "/")
	b := openPage(d)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.within(t)
			id := fmt.Sprintf("msg_%d", i)
			d.deliver(id, test.body)
			b.openRow(id)
			b.waitForText("#panel .syntax", test.says)
			if marked := b.text("#panel mark"); marked != test.marked {
				t.Errorf("the mark is on %q, want %q", marked, test.marked)
			}
		})
	}
}

func TestHostilePayloadShowsAsText(t *testing.T) {
	const markup = `</pre></script><script>alert("script")</script><img src=x onerror=alert('image')><svg onload=alert(1)><iframe srcdoc="<script>parent.alert(2)</script>"></iframe><style>body{display:none}</style>`
	d := newDesk(t)
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Hostile", markup)
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, markup)
	})
	body := strings.Replace(user("user.created", markup), `"user_2b"`, "\"user_\u202etxt.exe\u202c 👩‍🚀 \u3164\U000e0041\"", 1)
	d.deliver("msg_hostile", body)
	d.deliver(`msg_<img/src=x/onerror=alert(3)>`, `{"type":"<b>x</b>"}`)
	d.deliver("msg_deep", `{"type":"user.created","data":`+strings.Repeat("[", 50000)+strings.Repeat("]", 50000)+`}`)
	b := openPage(d)
	b.openRow("msg_hostile")
	b.waitForText("#panel pre", `<img src=x onerror=alert('image')>`)
	b.waitForText("#panel pre", "user_⟨U+202E⟩txt.exe⟨U+202C⟩ 👩‍🚀 ⟨U+3164⟩⟨U+E0041⟩") // characters that reverse text or are invisible
	b.click("[data-mode=raw]")
	b.waitForText("#panel pre", `<svg onload=alert(1)>`)
	b.waitForText("#panel pre", "user_⟨U+202E⟩txt.exe")
	b.click("#tab-headers")
	b.click("#tab-answer")
	b.waitForText("#panel pre", markup)
	b.waitForText("#panel .headers", markup)
	b.click("#tab-attempts")
	b.click("#do-edit")
	b.waitFor("the editor shows it as text", `document.querySelector("#edit [name=body]").value.includes("<iframe srcdoc=")`)
	b.press(kb.Escape)
	b.write("[name=text]", markup)
	b.waitForRows(2) // the answers contain it
	b.is("no markup became part of the page", `document.querySelectorAll("img, iframe, script:not([src]), body style, [onerror], [onload], b[class=x]").length === 0`)
	b.click("#reset")
	b.waitForRows(3)
	b.openRow("msg_deep")
	b.click("#tab-payload")
	b.click("[data-mode=pretty]")
	b.waitForText("#panel pre", "[[[[[[")
}

func TestPlainTextAnswerHasNoSyntaxError(t *testing.T) {
	d := newDesk(t)
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "thank you") })
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	b.click("#tab-answer")
	b.waitForText("#panel pre", "thank you")
	b.is("nothing is marked", `document.querySelector("#panel mark, #panel .syntax") === null`)
}

func TestDetailSaysWhatHappenedToADelivery(t *testing.T) {
	for _, test := range []struct {
		name, behind string
		isForged     bool
		says         string
	}{
		{"the application is down", "reverse_proxy 127.0.0.1:1", false, "connection refused"},
		{"the application fails", `respond "the database is away" 503`, false, "the database is away"},
		{"the application redirects", "route {\nredir https://example.com/sign-in\n}", false, "Location: https://example.com/sign-in"},
		{"the application redirects to a sign-in page", "route {\nredir https://example.com/sign-in\n}", false, "Svix does not follow redirects"},
		{"the type is filtered", "respond ok", false, "your application has not seen it"},
		{"report_only let it through", "respond ok", true, "Would be rejected: signature mismatch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := strings.Replace(siteAndInspector, "reverse_proxy {$BACKEND}", test.behind, 1)
			eventType, with := "user.created", secret
			if test.isForged {
				config, with = strings.Replace(config, "deduplicate\n", "report_only\n", 1), otherSecret
			}
			if test.name == "the type is filtered" {
				eventType = "session.created"
			}
			d := newDesk(t, config, "/")
			d.deliverSigned(with, "msg_ada", user(eventType, "Ada"), time.Now())
			b := openPage(d)
			b.within(t)
			b.openRow("msg_ada")
			b.waitForText(".diagnosis", test.says)
		})
	}
}

func TestDetailIsLoadedWhenTheConnectionIsBack(t *testing.T) {
	d := newDesk(t)
	b := openWithThree(d)
	id := b.row("msg_Grace")
	evaluate[bool](b, `(() => { // requests for details fail
		window.reach = fetch;
		fetch = async (url, options) => {
			if (url.pathname.includes("/entries/")) throw new TypeError("there is no network");
			return reach(url, options);
		};
		return true;
	})()`)
	b.click(fmt.Sprintf(`.row[data-id="%s"]`, id))
	b.waitForText("#detail", "The inspector cannot be reached.")
	b.hide(true)
	evaluate[bool](b, `(fetch = reach) !== null`)
	b.hide(false)
	b.waitUntilOpen(id)
}

func TestDetailKeepsTheFocusWhenItCannotBeLoaded(t *testing.T) {
	d := newDesk(t)
	b := openWithThree(d)
	b.openRow("msg_Grace")
	evaluate[bool](b, `(fetch = async () => { throw new TypeError("there is no network"); }) !== null`)
	b.is("the button has the focus", `document.querySelector("#do-replay").focus() ?? document.activeElement.id === "do-replay"`)
	d.deliver("msg_Grace", user("user.created", "Grace")) // makes the page reload the detail
	b.waitForText("#detail", "The inspector cannot be reached.")
	b.is("the focus stays in the detail", `document.activeElement.id === "detail"`)
}

func TestDetailSaysHowAFilteredDeliveryWasAnswered(t *testing.T) {
	for _, test := range []struct{ option, says string }{
		{"", "The delivery was acknowledged, and your application has not seen it"},
		{"filtered 202", "The delivery was acknowledged, and your application has not seen it"},
		{"filtered 503", "The delivery was answered 503, and your application has not seen it"},
	} {
		t.Run(test.option, func(t *testing.T) {
			d := newDesk(t, strings.Replace(siteAndInspector, "deduplicate\n", test.option+"\n", 1), "/")
			d.deliver("msg_ada", user("session.created", "Ada"))
			b := openPage(d)
			b.within(t)
			b.openRow("msg_ada")
			b.waitForText(".diagnosis", test.says)
		})
	}
}

// The answer of a rejection is a status that Caddy's error routes may turn into another
// answer.
func TestTheAnswerOfAnErrorSaysWhoMadeIt(t *testing.T) {
	for _, test := range []struct{ name, with, says string }{
		{"the endpoint", otherSecret, "The endpoint refused the request with this status. If your site has handle_errors, the sender may have got another answer."},
		{"a handler behind it", secret, "Your application gave no answer: Caddy failed with this status. If your site has handle_errors, the sender may have got another answer."},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t, strings.Replace(siteAndInspector, "{$BACKEND}", "127.0.0.1:1", 1), "/")
			d.deliverSigned(test.with, "msg_ada", user("user.created", "Ada"), time.Now())
			b := openPage(d)
			b.within(t)
			b.openRow("msg_ada")
			b.click("#tab-answer")
			b.waitForText("#panel", test.says)
			b.is("nothing else is said of it", `document.querySelectorAll("#panel .note").length === 1`)
		})
	}
}

// Timestamps have whole seconds, so nobody knows the milliseconds.
func TestTheTimeOfSigningHasWholeSeconds(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_now", user("user.created", "Ada"))
	d.deliverSigned(secret, "msg_before", user("user.created", "Ada"), time.Now().Add(-10*time.Second))
	d.deliverSigned(secret, "msg_after", user("user.created", "Ada"), time.Now().Add(100*time.Second))
	b := openPage(d)
	for id, says := range map[string]string{
		"msg_now":    "^(less than 1 s|about [1-3] s) before arrival$",
		"msg_before": "^about 1[0-3] s before arrival$",
		"msg_after":  "^about 1 min (3[7-9]|40) s after arrival$",
	} {
		b.openRow(id)
		b.is(id, fmt.Sprintf(`new RegExp(%q).test([...document.querySelectorAll(".facts dt")].find((e) => e.innerText === "Signed").nextElementSibling.innerText)`, says))
	}
}

func TestOnlyProvenFindingsAreMarkedAsProven(t *testing.T) {
	d := newDesk(t)
	d.deliverReencoded("msg_changed", user("user.created", "Ada"), time.Now())
	d.deliverSigned(otherSecret, "msg_forged", user("user.created", "Mallory"), time.Now())
	b := openPage(d)
	const marks = `[...document.querySelectorAll(".diagnosis :is(h3, li)")].map((e) => e.querySelector(".proven")?.innerText ?? "").join()`
	b.openRow("msg_changed")
	b.is("a finding is proven if the signature matches without it", marks+` === "proven"`)
	b.openRow("msg_forged")
	b.is("a guess has no mark", marks+` === "" && document.querySelector(".diagnosis h3").innerText.endsWith(".")`)
}

func TestSavedFilesHoldTheDelivery(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	b.is("one link leads to an HTTP Archive", `(async () => {
		const link = [...document.querySelectorAll("a[download$='.har']")][0];
		const { log } = await (await fetch(link.href)).json();
		return log.version === "1.2" && log.entries.length === 1 && log.entries[0].request.postData.text.includes("Ada");
	})()`)
	b.is("the other leads to the request", `(async () => {
		const text = await (await fetch(document.querySelector("a[download$='.http']").href)).text();
		return text.startsWith("POST /webhooks/clerk HTTP/1.1\r\nHost: ") && text.includes("\r\nSvix-Id: msg_ada\r\n") && text.includes("Ada");
	})()`)
}
