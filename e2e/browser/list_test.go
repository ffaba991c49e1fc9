package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func TestDeliveryAppearsWithoutReload(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	b.waitForText("#empty", "Waiting for deliveries")
	b.waitForText("#empty", d.site)
	b.waitForText("#empty", os.Getenv("CADDY")+" clerk-webhook send user.created --to "+d.site+" --secret whsec_")
	evaluate[bool](b, `window.notReloaded = true`)

	d.deliver("msg_first", user("user.created", "Ada"))
	b.waitForRows(1)
	for _, shown := range []string{"Forwarded", "user.created", "msg_first", "200"} {
		b.waitForText(".row", shown)
	}
	b.is("the time has its date", fmt.Sprintf(`document.querySelector(".row time").title.startsWith(%s)`, js(time.Now().Format(time.DateOnly))))
	d.deliver("msg_other", user("session.created", "Ada"))
	b.waitForText(".row", "Filtered")
	b.waitForRows(2)
	b.is("the newest comes first", `document.querySelector('.row[aria-posinset="1"]').innerText.includes("session.created")`)
	b.is("the page was not reloaded", `window.notReloaded`)
}

// Every delivery of this flood makes the page reload the open one, because they have
// the same id.
func TestDeliveryOpensDuringAFloodOfItsID(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	evaluate[bool](b, `(() => { // a slow inspector
		const answer = fetch;
		fetch = async (...call) => { await new Promise((resolve) => setTimeout(resolve, 100)); return answer(...call); };
		return true;
	})()`)
	stop := d.keepForging("msg_flood", user("user.created", "Mallory"))
	defer stop()
	for _, n := range []int{10, 50} {
		b.waitFor(fmt.Sprintf("there are more than %d deliveries", n), fmt.Sprintf(`%s > %d`, rowCount, n))
		const row = `document.querySelector(".row:not([hidden]):not([aria-selected=true])")`
		id := evaluate[string](b, `(() => { const { id } = `+row+`.dataset; `+row+`.click(); return id; })()`)
		b.waitUntilOpen(id)
	}
}

// keepForging sends forged deliveries until stop is called: enough to make the page
// reload all the time, and so few that none is pushed out.
func (d *desk) keepForging(id, body string) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		every := time.NewTicker(10 * time.Millisecond)
		defer every.Stop()
		for ctx.Err() == nil {
			<-every.C
			d.deliverSigned(otherSecret, id, body, time.Now())
		}
	}()
	return func() { cancel(); <-stopped }
}

func TestPendingDeliveryGetsItsAnswer(t *testing.T) {
	d := newDesk(t)
	finish := make(chan struct{})
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		<-finish
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	b := openPage(d)
	done := make(chan int)
	go func() { done <- d.deliver("msg_slow", user("user.created", "Ada")) }()
	b.openRow("msg_slow")
	b.waitForText(".row .c-status", "…")
	b.is("it does not look done", `document.querySelector(".row .o.pending") !== null`)
	b.waitForText(".timing", "in progress")
	close(finish)
	b.waitForText(".row .c-status", "503")
	b.is("it does not look like a success", `document.querySelector(".row .o.untaken") !== null && document.querySelector(".row .o.forwarded") === null`)
	b.waitForText(".detail-head .status", "503")
	if status := <-done; status != http.StatusServiceUnavailable {
		t.Errorf("the sender got %d", status)
	}
}

func TestFilter(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	d.deliver("msg_ada", user("user.created", "Ada"))
	d.deliver("msg_grace", user("user.updated", "Grace"))
	d.deliver("msg_acme", user("organization.created", "Acme"))
	d.deliver("msg_session", user("session.created", "Ada"))
	d.deliverSigned(otherSecret, "msg_forged", user("user.created", "Mallory"), time.Now())
	b := openPage(d)
	b.waitForRows(6)

	tests := []struct {
		name   string
		set    func()
		rows   int
		shown  string
		stored string
	}{
		{"type as a pattern", func() { b.write(`[name=type]`, "user.*") }, 3, "user.updated", "type=user.*"},
		{"two types", func() { b.write(`[name=type]`, "user.updated organization.*") }, 2, "organization.created", "type=user.updated&type=organization.*"},
		{"outcome", func() { b.click(`[value=rejected] + span`) }, 1, "msg_forged", "outcome=rejected"},
		{"two outcomes", func() { b.click(`[value=filtered] + span`); b.click(`[value=duplicate] + span`) }, 2, "msg_session", "outcome=filtered&outcome=duplicate"},
		{"reason", func() { b.choose(`#filter [name=reason]`, "signature_mismatch") }, 1, "msg_forged", "reason=signature_mismatch"},
		{"failed", func() { b.click(`[name=failed] + span`) }, 1, "msg_forged", "failed=true"},
		{"status class", func() { b.choose(`#filter [name=status]`, "4xx") }, 1, "msg_forged", "status=4xx"},
		{"id", func() { b.click("#filter-more"); b.write(`[name=id]`, "grace") }, 1, "user.updated", "id=grace"},
		{"text in a body", func() { b.write(`[name=text]`, "ACME") }, 1, "msg_acme", "text=ACME"},
		{"text in a forged body", func() { b.write(`[name=text]`, "Mallory") }, 1, "msg_forged", "text=Mallory"},
		{"several filters", func() {
			b.write(`[name=type]`, "user.*")
			b.click(`[value=duplicate] + span`)
			b.write(`[name=text]`, "ada")
		}, 1, "Duplicate", "type=user.*"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.within(t)
			test.set()
			b.waitForRows(test.rows)
			shown := b.text("#rows")
			if !strings.Contains(shown, test.shown) {
				t.Errorf("the list shows %q, want %q", shown, test.shown)
			}
			if hash := evaluate[string](b, `decodeURIComponent(location.hash)`); !strings.Contains(hash, test.stored) {
				t.Errorf("the URL has %q, want %q", hash, test.stored)
			}
			b.click("#reset")
			b.waitForRows(6)
			b.is("the URL has no fragment", `location.hash === ""`)
		})
	}
}

func TestFilterOffersReasonsInWords(t *testing.T) {
	b := openPage(newDesk(t))
	offered := evaluate[[]string](b, `[...document.querySelectorAll("[name=reason] option")].map((o) => o.value + " " + o.text)`)
	for _, want := range []string{" Any reason", "signature_mismatch Signature mismatch", "done Already handled"} {
		if !slices.Contains(offered, want) {
			t.Errorf("%q is not among %q", want, offered)
		}
	}
}

func TestFilterKeepsValuesThatTheFormDoesNotOffer(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	d.deliver("msg_ada", user("user.created", "Ada"))
	d.deliverSigned(otherSecret, "msg_forged", user("user.created", "Mallory"), time.Now())
	const both = "reason=signature_mismatch&reason=done"
	b := openAt(d, "#"+both, 1280, 800)
	b.waitForRows(2)
	b.waitForText("#filter-more", "Filters (1)")
	b.click("#filter-more")
	b.write(`[name=id]`, "forged")
	b.waitForRows(1)
	if hash := evaluate[string](b, `location.hash`); !strings.Contains(hash, both) {
		t.Errorf("the URL has %q", hash)
	}
}

func TestFilterAppliesToNewDeliveries(t *testing.T) {
	tests := []struct{ name, fragment, matching string }{
		{"type", "#type=user.*", "user.created"},
		{"text, which only the server can match", "#text=needle", "user.created"},
		{"outcome", "#outcome=forwarded", "user.created"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			b := openAt(d, test.fragment, 1280, 800)
			b.waitForText("#empty", "No delivery matches")
			d.deliverSigned(otherSecret, "msg_1", `{"type":"organization.created"}`, time.Now())
			d.deliver("msg_2", user(test.matching, "needle"))
			b.waitForRows(1)
			b.waitForText(".row", "msg_2")
		})
	}
}

func TestInvalidFilterShowsAnError(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	b.excuse("400 (Bad Request)")
	b.write(`[name=type]`, "user.created§")
	b.waitForText("#problem", "type")
	b.click("#reset")
	b.waitFor("the problem is gone", `document.querySelector("#problem").hidden`)
	d.deliver("msg_1", user("user.created", "Ada"))
	b.waitForRows(1)
}

func TestPageShowsWhyTheInspectorRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		act  func(*desk, *tab)
	}{
		{"a list", func(_ *desk, b *tab) { b.write(`[name=type]`, "user.*") }},
		{"the stream", func(d *desk, _ *tab) { d.reload() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			b := openPage(d)
			b.within(t)
			b.excuse("403 (Forbidden)")
			b.sendHeaders(network.Headers{"X-Forwarded-For": "203.0.113.7"})
			test.act(d, b)
			b.waitForText("#problem", "set allow_remote and put authentication in front")
			b.waitForText("#connection", "Not live, trying again")
			b.sendHeaders(network.Headers{})
			b.waitUntilLive()
			b.waitFor("the problem is gone", `document.querySelector("#problem").hidden`)
		})
	}
}

func TestStateSurvivesReload(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	d.deliver("msg_acme", user("organization.created", "Acme"))
	b := openPage(d)
	b.write(`[name=type]`, "user.*")
	b.write(`[name=text]`, "ada")
	b.waitForRows(1)
	b.openRow("msg_ada")
	b.do(chromedp.Reload())
	b.waitForRows(1)
	b.waitForText("#detail .facts", "msg_ada")
	b.is("the form shows the filter", `document.querySelector("[name=type]").value === "user.*" && document.querySelector("[name=text]").value === "ada"`)
	b.waitForText("#reset", "Reset")

	shared := openAt(d, evaluate[string](b, `location.hash`), 1280, 800)
	shared.waitForRows(1)
	shared.waitForText("#detail .facts", "msg_ada")

	b.click("#detail-close")
	b.waitFor("the detail is closed", `document.querySelector("#detail").hidden && !location.hash.includes("open")`)
	b.is("the filter stays", `location.hash.includes("text=ada")`)
}

func TestBackClosesTheDelivery(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	evaluate[bool](b, `history.back() === undefined`)
	b.waitFor("the detail is closed", `document.querySelector("#detail").hidden`)
	evaluate[bool](b, `history.forward() === undefined`)
	b.waitForText("#detail .facts", "msg_ada")
}

func TestPauseAndClear(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_1", user("user.created", "Ada"))
	b := openPage(d)
	b.waitForRows(1)
	b.click("#pause")
	d.deliver("msg_2", user("user.updated", "Ada"))
	b.waitForText("#pause", "Resume (1)")
	b.waitForRows(1)
	b.waitForText("#connection", "Paused")
	b.click("#pause")
	b.waitForRows(2)
	b.waitForText("#connection", "Live")

	b.click("#clear")
	b.click("#sure [data-close]")
	b.waitForRows(2)
	b.openRow("msg_1")
	b.click("#clear")
	b.click("#sure [type=submit]")
	b.waitForText("#empty", "Waiting for deliveries")
	b.waitFor("the detail is closed", `document.querySelector("#detail").hidden`)
	d.deliver("msg_3", user("user.updated", "Ada"))
	b.waitForRows(1)
}

func TestPageReconnects(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_before", user("user.created", "Ada"))
	b := openPage(d)
	b.excuse("ERR_CONNECTION_REFUSED")
	b.excuse("ERR_INCOMPLETE_CHUNKED_ENCODING")
	b.excuse("ERR_CONNECTION_RESET")
	b.waitForRows(1)
	d.stop()
	b.waitForText("#connection", "Connection lost")
	d.start()
	b.waitUntilLive()
	b.waitForRows(0) // a restart deletes all recordings
	d.deliver("msg_after", user("user.created", "Ada"))
	b.waitForRows(1)
	b.waitForText(".row", "msg_after")
}

func TestBelowPathBehindBasicAuth(t *testing.T) {
	d := newDesk(t, strings.Replace(siteAndInspector, "\tclerk_webhook_inspector\n", `	handle_path /tools/inspect/* {
		basic_auth {
			# "password"
			ada $2a$14$TX1kJVVGknMlZu.aEocpj.7RvM7fNykju.OATWPSkdcX7mAqhTpny
		}
		clerk_webhook_inspector
	}
`, 1), "/tools/inspect/")
	d.inspector = strings.Replace(d.inspector, "http://", "http://ada:password@", 1)
	b := openPage(d)
	d.deliver("msg_1", user("user.created", "Ada"))
	b.openRow("msg_1")
	b.click("#do-replay")
	b.waitForText(".toast", "Replayed: 200")
}

func TestHiddenTabClosesItsStream(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	b.hide(true)
	b.waitFor("no stream is open", `fetch("api/status").then((r) => r.json()).then((s) => s.streams === 0)`)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b.hide(false)
	b.waitForText(".row", "msg_ada")
}

func TestFilterInAPauseShowsHeldDeliveries(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	b.click("#pause")
	d.deliver("msg_1", user("user.created", "Ada"))
	b.waitForText("#pause", "Resume (1)")
	b.write(`[name=type]`, "user.*")
	b.waitForRows(1)
	b.waitFor("no delivery is held any more", `document.querySelector("#pause").innerText.trim() === "Resume"`)
}

// A constant flow of deliveries must not stop the page from asking which of them
// contain the text.
func TestTextIsFoundWhileDeliveriesKeepArriving(t *testing.T) {
	d := newDesk(t)
	b := openAt(d, "#text=needle", 1280, 800)
	b.waitForText("#empty", "No delivery matches")
	d.deliver("msg_needle", user("user.created", "needle"))
	defer d.keepDelivering(20 * time.Millisecond)()
	b.waitForRows(1)
	b.waitForText(".row", "msg_needle")
}

func TestConfigReloadDoesNotShowALostConnection(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	evaluate[bool](b, `(() => {
		window.states = [];
		new MutationObserver(() => window.states.push(document.querySelector("#connection").dataset.state))
			.observe(document.querySelector("#connection"), { attributes: true });
		return true;
	})()`)
	d.reload()
	b.waitFor("the page is connected again", `window.states.includes("live")`)
	d.deliver("msg_after", user("user.created", "Ada"))
	b.waitForRows(1)
	if states := evaluate[[]string](b, `window.states`); slices.Contains(states, "lost") {
		t.Errorf("the connection was %q", states)
	}
}

func TestPageWithoutAnEndpointSaysWhatToDo(t *testing.T) {
	d := newDesk(t, strings.Replace(siteAndInspector, "inspect\n", "\n", 1), "/")
	openPage(d).waitForText("#empty", "No endpoint is recorded")
}

func TestStatus(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_1", user("user.created", "Ada"))
	d.deliverSigned(otherSecret, "msg_forged", user("user.created", "Mallory"), time.Now())
	b := openPage(d)
	b.waitForText("#kept", "2 recorded")
	b.click("#kept")
	for _, shown := range []string{"Verified\n1 kept", "of 40 MB", "Rejected\n1 kept", "of 10 MB", "Running since", "default at " + d.site + ", with the secret production"} {
		b.waitForText("#status dl", shown)
	}
}
