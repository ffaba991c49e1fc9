package browser

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

func TestReplay(t *testing.T) {
	d := newDesk(t)
	n := 0
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		n++
		_, _ = fmt.Fprintf(w, "answer %d", n)
	})
	body := user("user.created", "Ada")
	d.deliver("msg_ada", body)
	b := openPage(d)
	b.openRow("msg_ada")
	b.click("#do-replay")
	b.waitForText(".toast", "Replayed: 200, forwarded")
	b.waitForRows(2)
	b.waitForText(".row .tag", "replay")
	b.waitForText(".answer:first-child", "answer 1")
	b.waitForText(".answer:first-child h3", "This delivery")
	b.waitForText(".answer:last-child", "answer 2")
	b.waitForText(".answer:last-child h3", "Its latest replay")
	b.waitForText(".summary", "attempt 1 of 1, replayed")
	b.is("the answers are side by side", `new Set([...document.querySelectorAll(".answer")].map((a) => a.getBoundingClientRect().top)).size === 1`)
	b.click(".answer:last-child .link") // Open
	b.waitForText(".facts", "Replay of")
	b.waitForText(".answer:first-child h3", "Its original")
	b.waitForText(".answer:last-child h3", "This replay")
	if got := d.received(); !slices.Equal(got, []string{body, body}) {
		t.Errorf("the backend got %q", got)
	}
}

func TestReplayIsSentOnceAndKeepsTheFocus(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	goOn := make(chan struct{})
	d.answerWith(func(http.ResponseWriter, *http.Request) { <-goOn })
	b.is("the button has the focus", `document.querySelector("#do-replay").focus() ?? document.activeElement.id === "do-replay"`)
	b.press(kb.Enter)
	b.waitForRows(2)
	b.press("r", kb.Enter)
	close(goOn)
	b.waitForText(".toast", "Replayed: 200")
	b.is("the button has the focus again", `document.activeElement.id === "do-replay"`)
	if got := len(d.received()); got != 2 {
		t.Errorf("%d deliveries, want the original and one replay", got)
	}
}

func TestEditAndReplay(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")

	b.click("#do-edit")
	b.waitForText("#edit .what", "production")
	b.is("the body is indented for editing", `document.querySelector("#edit [name=body]").value.includes('\n    "first_name": "Ada"')`)
	b.write("#edit [name=body]", "{\n  \"data\": {\"id\": \"user_2b\",}\n}")
	b.waitForText("#edit .check", "Not JSON: line 2, column 28")
	b.click("#edit [type=submit]")
	b.is("a body that is not JSON is not sent, and its error is selected", `document.querySelector("#edit").open && document.querySelector("#edit [name=body]").selectionStart === 29`)
	if n := len(d.received()); n != 1 {
		t.Fatalf("the backend got %d deliveries", n)
	}

	b.write("#edit [name=body]", "{\n  \"data\": {\"id\": \"user_2b\", \"seats\": 12345678901234567890},\n  \"type\": \"user.updated\"\n}")
	b.waitForText("#edit .check", "JSON. If you change it, it is sent without white space")
	b.click("#edit summary")
	b.write("#edit [name=headers]", "Content-Type: application/json\nX-Trace: 7")
	b.click("#edit [name=new_id]")
	b.click("#edit [type=submit]")
	b.waitForText(".toast", "Replayed: 200, forwarded")
	b.waitForRows(2)
	const edited = `{"data":{"id":"user_2b","seats":12345678901234567890},"type":"user.updated"}`
	if got := d.received(); got[len(got)-1] != edited {
		t.Errorf("the backend got %q, want %q", got[len(got)-1], edited)
	}
	b.click(".toast .quiet") // Open
	b.waitForText(".detail-head", "user.updated")
	b.is("it has its own message id", `!document.querySelector(".facts").innerText.includes("msg_ada")`)
	b.click("#tab-headers")
	b.waitForText("#panel", "X-Trace")
	b.is("a deleted header is not sent", `!document.querySelector("#panel").innerText.includes("User-Agent")`)
}

func TestEditWithoutChangesKeepsEveryByte(t *testing.T) {
	d := newDesk(t)
	body := "{ \"type\" : \"user.created\",\r\n\t\"data\": {} }\n"
	d.deliver("msg_ada", body)
	b := openPage(d)
	b.openRow("msg_ada")
	b.click("#do-edit")
	b.click("#edit [type=submit]")
	b.waitForText(".toast", "Replayed: 200")
	if got := d.received(); !slices.Equal(got, []string{body, body}) {
		t.Errorf("the backend got %q", got)
	}
}

func TestEscapeAsksBeforeItDiscardsText(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", user("user.created", "Ada"))
	b := openPage(d)
	b.openRow("msg_ada")
	const isOpen = `document.querySelector("#edit").open`

	b.click("#do-edit")
	b.press(kb.Escape)
	b.waitFor("an unchanged editor is closed", `!`+isOpen)
	b.click("#do-edit")
	b.write("#edit [name=body]", `{"type":"user.updated"}`)
	b.press(kb.Escape)
	b.waitForText("#edit .failure", "Press Esc again")
	b.is("the text is kept", isOpen+` && document.querySelector("#edit [name=body]").value === '{"type":"user.updated"}'`)
	b.press("\n", kb.Escape)
	b.waitForText("#edit .failure", "Press Esc again")
	b.is("Esc asks again after more typing", isOpen)
	b.press(kb.Escape)
	b.waitFor("the editor is closed", `!`+isOpen)
	b.click("#do-edit")
	b.is("a new editor shows no warning", `document.querySelector("#edit .failure").hidden`)
}

func TestFailureAfterItsDialogWasClosedIsShown(t *testing.T) {
	for _, test := range []struct{ name, open, dialog, said string }{
		{"an edited replay", "#do-edit", "#edit", "Not sent: the inspector cannot be reached"},
		{"an example", "#send", "#example", "Not sent: the inspector cannot be reached"},
		{"deleting all recordings", "#clear", "#sure", "Not deleted: the inspector cannot be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.deliver("msg_ada", user("user.created", "Ada"))
			b := openPage(d)
			b.within(t)
			b.openRow("msg_ada")
			evaluate[bool](b, `(() => { // actions fail when the test calls fail
				const answer = fetch;
				fetch = (url, options) => options.method ? new Promise((_, fail) => { window.fail = fail; }) : answer(url, options);
				return true;
			})()`)
			b.click(test.open)
			b.waitFor("it is open and has its body, if any", fmt.Sprintf(`document.querySelector(%s).open && document.querySelector(%[1]s + " [name=body]")?.value !== ""`, js(test.dialog)))
			b.click(test.dialog + " [type=submit]")
			b.waitFor("the request is sent", `window.fail`)
			b.press(kb.Escape)
			b.waitFor("it is closed", fmt.Sprintf(`!document.querySelector(%s).open`, js(test.dialog)))
			evaluate[bool](b, `fail() === undefined`)
			b.waitForText(".toast.failed", test.said)
		})
	}
}

// The end of an earlier request must not enable the button of a dialog that still waits
// for a later one.
func TestDialogWaitsForItsLastRequest(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	evaluate[bool](b, `(() => {
		const answer = fetch;
		window.fail = [];
		fetch = (url, options) => options.method ? new Promise((_, fail) => { window.fail.push(fail); }) : answer(url, options);
		return true;
	})()`)
	for sent := 1; sent <= 2; sent++ {
		b.click("#clear")
		b.click("#sure [type=submit]")
		b.waitFor("the request is sent", fmt.Sprintf(`fail.length === %d`, sent))
		if sent == 1 {
			b.press(kb.Escape)
			b.waitFor("it is closed", `!document.querySelector("#sure").open`)
		}
	}
	evaluate[bool](b, `fail[0]() === undefined`)
	b.waitForText(".toast.failed", "Not deleted")
	b.is("the dialog still waits for the second", `document.querySelector("#sure [type=submit]").disabled`)
	evaluate[bool](b, `fail[1]() === undefined`)
	b.waitFor("you can try again", `!document.querySelector("#sure [type=submit]").disabled`)
}

func TestSendExample(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	b.click("#send")
	b.waitFor("there is a payload", `document.querySelector("#example [name=body]").value.includes('"type": "user.created"')`)
	if types := evaluate[[]string](b, `[...document.querySelectorAll("#example [name=type] option")].map((o) => o.value)`); len(types) < 40 || !slices.Contains(types, "waitlistEntry.updated") {
		t.Errorf("only %d events can be sent: %q", len(types), types)
	}
	b.choose("#example [name=type]", "organization.created")
	b.waitFor("there is another payload", `document.querySelector("#example [name=body]").value.includes('"type": "organization.created"')`)
	before := evaluate[string](b, `document.querySelector("#example [name=body]").value`)
	b.click("#example [name=fresh]")
	b.waitFor("its ids are new", fmt.Sprintf(`document.querySelector("#example [name=body]").value !== %s`, js(before)))
	b.write("#example [name=body]", "{\n  \"data\": {\"name\": \"Édith & Söhne <gmbh>\"},\n  \"type\": \"organization.created\"\n}")
	b.click("#example [type=submit]")
	b.waitForText(".toast", "Sent: 200, forwarded")
	b.waitForText(".detail-head", "organization.created")
	b.waitForText(".detail-head .tag", "example")
	const sent = `{"data":{"name":"Édith & Söhne <gmbh>"},"type":"organization.created"}`
	if got := d.received(); !slices.Equal(got, []string{sent}) {
		t.Errorf("the backend got %q, want %q", got, sent)
	}
}

func TestExampleGoesToTheChosenEndpointOfSeveralWithOneName(t *testing.T) {
	d := newDesk(t)
	b := openPage(d)
	other := d.site + "/other"
	evaluate[bool](b, fmt.Sprintf(`(() => { // the status has three endpoints, and sent is what the page sends
		const answer = fetch;
		fetch = async (url, options) => {
			if (options.method) return new Promise(() => { window.sent = JSON.parse(options.body); });
			const response = await answer(url, options);
			if (!url.pathname.endsWith("/api/status")) return response;
			const status = await response.json();
			const endpoint = (name, url) => ({ name, url, secrets: [{ name: "secret of " + url, signs: true }] });
			status.endpoints = [endpoint("default", %s), endpoint("default", %s), endpoint("billing", "http://localhost/billing")];
			return Response.json(status);
		};
		return true;
	})()`, js(d.site), js(other)))
	b.click("#send")
	b.waitFor("there is a payload", `document.querySelector("#example [name=body]").value !== ""`)
	choices := evaluate[[]string](b, `[...document.querySelector("#example [name=endpoint]").options].map((o) => o.label)`)
	if want := []string{"default at " + d.site, "default at " + other, "billing"}; !slices.Equal(choices, want) {
		t.Errorf("the choices are %q, want %q", choices, want)
	}
	b.choose("#example [name=endpoint]", "default at "+other)
	b.is("the dialog shows its URL", fmt.Sprintf(`(() => { const { url } = document.querySelector("#example form").elements; return url.checkVisibility() && url.value === %s; })()`, js(other)))
	b.is("the dialog offers its secrets", fmt.Sprintf(`document.querySelector("#example [name=secret]").value === "secret of " + %s`, js(other)))
	b.click("#example [type=submit]")
	b.waitFor("it is sent", `window.sent`)
	b.is("the request names its URL", fmt.Sprintf(`sent.endpoint === "default" && sent.url === %s`, js(other)))
}

func TestForgedDeliveryShowsItsDiagnosis(t *testing.T) {
	d := newDesk(t)
	body := user("user.created", "Mallory")
	d.deliverSigned(otherSecret, "msg_forged", body, time.Now())
	d.deliverSigned(secret, "msg_old", body, time.Now().Add(-10*time.Minute))
	b := openPage(d)
	b.openRow("msg_old")
	b.waitForText(".diagnosis", "Rejected: timestamp too old")
	b.waitForText(".diagnosis", "is the receiver's clock right")
	b.waitForText("#panel", "The guard did not read the body to its end.")
	b.openRow("msg_forged")
	b.waitForText(".diagnosis", "Rejected: signature mismatch")
	b.waitForText(".diagnosis", "secret")
	b.click("#tab-headers")
	b.is("none of its headers is verified", `document.querySelector("#panel .verified") === null`)

	t.Run("a replay does not make it genuine", func(t *testing.T) {
		b.within(t)
		b.click("#do-replay")
		b.waitForText(".toast", "Replayed: 403, rejected")
		if n := len(d.received()); n != 0 {
			t.Errorf("the backend got %d deliveries", n)
		}
	})
	t.Run("sign and replay makes it genuine", func(t *testing.T) {
		b.within(t)
		b.click("#do-sign")
		b.waitForText("#edit h2", "Sign and replay")
		b.waitForText("#edit .what", "your application will trust it")
		b.click("#edit [type=submit]")
		b.waitForText(".toast", "Signed and replayed: 200, forwarded")
		if got := d.received(); !slices.Equal(got, []string{body}) {
			t.Errorf("the backend got %q", got)
		}
	})
}

func TestCopyAsCurlSendsTheDelivery(t *testing.T) {
	d := newDesk(t)
	body := user("user.created", "O'Hara & Söhne $(id) `id` \\ %")
	d.answerWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }) // makes the next one not a duplicate
	d.deliver("msg_ada", body)
	b := openPage(d)
	b.allowClipboard()
	b.openRow("msg_ada")
	b.click("#do-curl")
	b.waitForText(".toast", "curl command copied")
	command := evaluate[string](b, `navigator.clipboard.readText()`)

	if output, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, output, command)
	}
	b.waitForRows(2)
	b.is("it is a copy of the same message", `[...document.querySelectorAll(".row:not([hidden])")].every((row) => row.textContent.includes("msg_ada"))`)
	if got := d.received(); !slices.Equal(got, []string{body, body}) {
		t.Errorf("the backend got %q", got)
	}
}

// A public key cannot sign, so the replay keeps the original signature. Sign and replay
// uses another secret.
func TestReplayOfADeliveryThatAPublicKeyVerifies(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, strings.Replace(siteAndInspector, "secret production", "secret asymmetric whpk_"+base64.StdEncoding.EncodeToString(public)+"\n\t\t\tsecret production", 1), "/")
	now, body := time.Now(), user("user.created", "Ada")
	signature := ed25519.Sign(private, fmt.Appendf(nil, "msg_ada.%d.%s", now.Unix(), body))
	d.deliverAs("msg_ada", body, now, "v1a,"+base64.StdEncoding.EncodeToString(signature))
	b := openPage(d)
	b.openRow("msg_ada")
	b.waitForText(".facts", "asymmetric")

	b.click("#do-replay")
	b.waitForText(".toast", "Replayed: 200, forwarded")
	b.click(".toast .quiet")
	b.waitForText(".detail-head .tag", "replay")
	b.waitForText(".facts", "asymmetric")
	b.click("#tab-headers")
	b.waitForText("#panel", "v1a,"+base64.StdEncoding.EncodeToString(signature))

	b.click("#do-sign")
	b.waitForText("#edit .what", "your application will trust it")
	b.choose("#edit [name=secret]", "production")
	b.click("#edit [type=submit]")
	b.waitForText(".toast", "Signed and replayed: 200, forwarded")
	b.click(".toast:first-child .quiet")
	b.waitForText(".facts", "production")
	if got := d.received(); !slices.Equal(got, []string{body, body, body}) {
		t.Errorf("the backend got %q", got)
	}
}
