package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

func person(eventType, name string, updated int) string {
	return fmt.Sprintf(`{"data":{"id":"user_2b","first_name":%q,"updated_at":%d},"type":%q}`, name, updated, eventType)
}

func TestSummarySaysWhoWhatAndWhichAttempt(t *testing.T) {
	d := newDesk(t)
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	d.deliver("msg_a", person("user.created", "Ada", 1))
	d.deliver("msg_b", person("user.updated", "Grace", 3))
	d.deliver("msg_c", person("user.updated", "Edsger", 2))
	d.deliver("msg_b", person("user.updated", "Grace", 3))
	d.deliverSigned(otherSecret, "msg_forged", person("user.updated", "Mallory", 4), time.Now())
	b := openPage(d)
	b.openRow("msg_a")
	b.waitForText(".summary", "Ada")
	b.waitForText(".summary", "user_2b")
	b.waitForText(".summary", "signed ")
	b.waitForText(".summary", "attempt 1 of 1")
	b.is("the first event changes nothing", `!document.querySelector(".summary").innerText.includes("changed")`)
	b.openRow("msg_c")
	b.waitForText(".summary", "changed first_name")
	b.waitForText(".summary", "arrived after a newer event")
	b.openRow("msg_b")
	b.waitForText(".summary", "attempt 2 of 2")
	b.openRow("msg_forged")
	b.waitForText(".summary", "unverified")
	b.waitForText("#detail .facts", "before arrival")
}

func TestEditedReplayShowsItsDifference(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_a", person("user.created", "Ada", 1))
	b := openPage(d)
	b.openRow("msg_a")
	b.click("#do-edit")
	b.write("#edit [name=body]", person("user.updated", "<b class=x>Grace</b>", 1))
	b.click("#edit [type=submit]")
	b.waitForText(".toast", "Replayed: 200")
	b.click(".toast button")
	b.waitForText("#detail .facts", "Replay of") // its tabs may be at another place
	b.click("#tab-payload")
	b.waitForText("#panel .changes", "Edited in this replay")
	for _, shown := range []string{"data.first_name", `− "Ada"`, `+ "<b class=x>Grace</b>"`, "type", `− "user.created"`, `+ "user.updated"`} {
		b.waitFor("it shows "+shown, fmt.Sprintf(`[...document.querySelectorAll("#panel .changes li > *")].some((e) => (getComputedStyle(e, "::before").content.replace(/^none$|"/g, "") + e.textContent) === %s)`, js(shown)))
	}
	b.is("no markup became part of the page", `document.querySelectorAll("b[class=x]").length === 0`)
	b.click("#do-replay") // of the replay, unchanged
	b.waitForText(".toast", "Replayed: 200")
	b.waitForRows(3)
	b.openRow("replay")
	b.click("#tab-payload")
	b.waitFor("a replay that is not edited has no difference", `document.querySelector("#detail .facts").innerText.includes("Replay of") && document.querySelector("#panel .changes") === null`)
}

func TestTimelineOfAnObject(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_a", person("user.created", "Ada", 1))
	d.deliver("msg_other", strings.Replace(person("user.created", "Grace", 1), "user_2b", "user_3c", 1))
	d.deliver("msg_c", person("user.updated", `<img src=x onerror=alert(1)>`, 3))
	d.deliver("msg_b", person("user.updated", "Ada L.", 2))
	d.deliverSigned(otherSecret, "msg_forged", strings.Replace(person("user.updated", "Mallory", 4), `"updated_at"`, `"<img src=y>"`, 1), time.Now())
	b := openPage(d)
	b.openRow("msg_b")
	b.waitForText("#tab-timeline", "4")
	b.click("#tab-timeline")
	b.waitForText("#panel .note", "user_2b")
	items := evaluate[[]string](b, `[...document.querySelectorAll(".timeline > li")].map((l) => l.innerText.replace(/\s+/g, " "))`)
	for i, want := range [][]string{
		{"Forwarded", "user.created"},
		{"user.updated", "data.first_name", `"Ada"`, `"<img src=x onerror=alert(1)>"`, "data.updated_at"},
		{"arrived after a newer event", `"<img src=x onerror=alert(1)>"`, `"Ada L."`},
		{"Rejected", "unverified user.updated"},
	} {
		for _, text := range want {
			if !strings.Contains(items[i], text) {
				t.Errorf("number %d is %q, want %q in it", i, items[i], text)
			}
		}
	}
	b.click(".timeline > li:last-child .link")
	b.waitForText("#panel [role=status]", `"Mallory"`)
	b.waitForText("#panel [role=status]", `data.\<img src\=y\>`)
	b.is("no markup became part of the page", `document.querySelectorAll("img").length === 0`)
	b.is("one does not compare a delivery with itself", `document.querySelector(".timeline .current > .link") === null`)
	b.click(".timeline > li:first-child button")
	b.waitForText("#detail .facts", "msg_a")
	b.is("the timeline stays open", `document.querySelector("#tab-timeline").ariaSelected === "true"`)
	b.press(kb.Escape)

	d.deliver("msg_nothing", `{"type":"user.created"}`)
	b.openRow("msg_nothing")
	b.waitForText("#panel", "No data.id is known")

	d.deliverReencoded("msg_old", user("user.created", "Ada"), time.Now().Add(-time.Hour))
	b.openRow("msg_old")
	b.waitForText("#panel", "No data.id is known")
	b.click("#tab-payload")
	b.waitForText("#panel", "The guard did not read the body to its end.")
}

func TestDiagnosisSaysTheCauseFirstAndOnce(t *testing.T) {
	d := newDesk(t)
	d.deliverReencoded("msg_changed", user("user.created", "Ada"), time.Now())
	b := openPage(d)
	b.openRow("msg_changed")
	b.waitForText(".diagnosis h3", "was parsed and encoded again")
	text := b.text(".diagnosis")
	for _, once := range []string{"parsed and encoded again", "ignature mismatch", "proven", "production"} {
		if n := strings.Count(text, once); n != 1 {
			t.Errorf("it says %q %d times: %s", once, n, text)
		}
	}
}
