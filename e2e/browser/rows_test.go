package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func TestRowsSayWhatTheyAreAbout(t *testing.T) {
	d := newDesk(t)
	person := func(name, email string) string {
		return fmt.Sprintf(`{"data":{"id":"user_2b","first_name":%q,"email_addresses":[{"email_address":%q}]},"type":"user.created"}`, name, email)
	}
	d.deliver("msg_ada", person("Ada", "ada@example.com"))
	d.deliver("msg_acme", `{"data":{"id":"org_1","name":"Acme"},"type":"organization.created"}`)
	d.deliver("msg_gone", `{"data":{"id":"user_3c","deleted":true},"type":"user.deleted"}`)
	d.deliverSigned(otherSecret, "msg_forged", person("Mallory", "mallory@example.com"), time.Now())
	d.deliver("msg_hostile", person("<img src=x onerror=alert(1)>\u202e", "a@b"))
	b := openPage(d)
	b.waitForRows(5)
	about := func(id string) string {
		t.Helper()
		return evaluate[string](b, fmt.Sprintf(`document.querySelector('.row[data-id="%s"] .c-subject').innerText.replace(/\s+/g, " ")`, b.row(id)))
	}
	for id, want := range map[string]string{
		"msg_ada":     "Ada, ada@example.com user_2b",
		"msg_acme":    "Acme org_1",
		"msg_gone":    "user_3c",
		"msg_forged":  "unverified user.created Mallory, mallory@example.com user_2b",
		"msg_hostile": "<img src=x onerror=alert(1)>⟨U+202E⟩, a@b user_2b",
	} {
		if got := about(id); got != want {
			t.Errorf("%s is about %q, want %q", id, got, want)
		}
	}
	b.is("no markup became part of the page", `document.querySelectorAll("img, [onerror]").length === 0`)
	b.is("one endpoint needs no column", `!document.querySelector(".row .c-endpoint").checkVisibility() && !document.querySelector(".heads .c-endpoint").checkVisibility()`)
}

func TestRowsNameTheirEndpointIfThereAreSeveral(t *testing.T) {
	for _, test := range []struct{ name, first, second, wantFirst, wantSecond string }{
		{"different names", "name shop", "name blog", "shop", "blog"},
		{"the same name", "", "", "/webhooks/clerk", "/webhooks/other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			site := `
http://localhost:{$SITE} {
	clerk_webhook /webhooks/clerk {
		secret ` + secret + `
		` + test.first + `
		inspect
	}
	clerk_webhook /webhooks/other {
		secret ` + otherSecret + `
		` + test.second + `
		inspect
	}
	respond ok
}
http://localhost:{$INSPECTOR} {
	clerk_webhook_inspector
}
`
			d := newDesk(t, site, "/")
			d.deliver("msg_first", user("user.created", "Ada"))
			d.site = strings.Replace(d.site, "clerk", "other", 1)
			d.deliverSigned(otherSecret, "msg_second", user("user.created", "Ada"), time.Now())
			b := openPage(d)
			b.within(t)
			b.waitForRows(2)
			for id, want := range map[string]string{"msg_first": test.wantFirst, "msg_second": test.wantSecond} {
				b.waitForText(fmt.Sprintf(`.row[data-id="%s"] .c-endpoint`, b.row(id)), want)
			}
		})
	}
}

func TestRowsNameWhatBecameOfADelivery(t *testing.T) {
	d := newDesk(t)
	statuses := map[string]int{"msg_taken": 200, "msg_failed": 503, "msg_moved": 302}
	d.answerWith(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(statuses[r.Header.Get("svix-id")]) })
	b := openPage(d)
	for id, want := range map[string]string{"msg_taken": "Forwarded", "msg_failed": "App error", "msg_moved": "Redirected"} {
		d.deliver(id, user("user.created", "Ada"))
		row := fmt.Sprintf(`.row[data-id="%s"] .c-outcome`, b.row(id))
		b.waitForText(row, want)
	}
	b.openRow("msg_failed")
	b.waitForText(".detail-head .badge", "App error")
}

func TestNewRowsFlash(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_old", user("user.created", "Ada"))
	b := openPage(d)
	b.waitForRows(1)
	const flashing = `document.querySelector('.row[aria-posinset="1"]').getAnimations().some((a) => a.animationName === "arrive")`
	b.is("an old row does not flash", "!"+flashing)
	d.deliver("msg_new", user("user.created", "Grace"))
	b.waitFor("the new row flashes, also once it is answered", `document.querySelector('.row[aria-posinset="1"] .c-status')?.innerText === "200" && `+flashing)
	b.waitFor("it stops", "!"+flashing)
	b.prefer("light") // and reduced motion
	d.deliver("msg_calm", user("user.created", "Edsger"))
	b.waitForRows(3)
	b.is("nothing moves if you prefer reduced motion", `document.querySelector(".row.fresh") !== null && document.getAnimations().length === 0`)
}

func TestButtonLeadsToNewRowsAboveTheView(t *testing.T) {
	d := newDesk(t)
	for i := range 60 {
		d.deliver(fmt.Sprint("msg_", i), user("user.created", "Ada"))
	}
	b := openPage(d)
	b.waitForRows(60)
	b.is("it scrolls", `(document.querySelector("#list").scrollTop = 500) > 0`)
	for i := range 3 {
		d.deliver(fmt.Sprint("msg_new_", i), user("user.created", "Grace"))
	}
	b.waitForText("#newer", "3 new")
	b.click("#newer")
	b.waitFor("the newest row is in view", `document.querySelector("#list").scrollTop === 0 && document.querySelector("#newer").hidden`)
	d.deliver("msg_last", user("user.created", "Grace"))
	b.waitForRows(64)
	b.is("at the top there is no button", `document.querySelector("#newer").hidden`)
}

func TestSearchMarksAndCounts(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	d.deliver("msg_grace", user("user.created", "Grace (*)"))
	b := openPage(d)
	b.waitForRows(2)
	b.is("nothing is counted without a search", `document.querySelector("#found").innerText === ""`)
	b.write("[name=text]", "GRACE")
	b.waitForText("#found", "1 found")
	const marked = `[...CSS.highlights.get("found")].map(String).join()`
	b.waitFor("the name is marked in each cell", marked+` === "Grace,grace"`)
	b.write("[name=text]", "Grace (")
	b.waitFor("the search is for a text, not for a pattern", marked+` === "Grace ("`)
	b.click("#reset")
	b.waitFor("nothing is marked", marked+` === ""`)
	b.waitFor("nothing is counted", `document.querySelector("#found").innerText === ""`)
}

func TestRareFiltersAreFolded(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openAt(d, "#status=2xx&origin=received", 1280, 800)
	b.waitForRows(1)
	b.waitForText("#filter-more", "Filters (2)")
	b.is("they are hidden", `!document.querySelector("#filter [name=status]").checkVisibility()`)
	b.do(chromedp.Focus(chromedp.CSS("#filter-more")))
	b.press("\r")
	b.is("the button shows them", `document.querySelector("#filter [name=status]").checkVisibility() && document.querySelector("#filter-more").ariaExpanded === "true"`)
	b.choose("#filter [name=status]", "4xx")
	b.waitForRows(0)
	b.click("#reset")
	b.waitForRows(1)
	b.waitFor("nothing is counted", `document.querySelector("#filter-more").innerText === "Filters"`)
}
