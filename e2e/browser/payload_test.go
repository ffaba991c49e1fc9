package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const addresses = `{"data":{"id":"user_2b","email_addresses":[{"email_address":"ada@example.com"},{"email_address":"a@b"}],"public_metadata":{"a.b*":{"c d":1}},"empty":{},"none":[]},"type":"user.created"}`

func TestPayloadFolds(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", addresses)
	b := openPage(d)
	b.openRow("msg_ada")
	b.waitForText("#panel pre", `"ada@example.com"`)
	const list = `[...document.querySelectorAll("#panel .line")].find((e) => e.textContent.includes("email_addresses"))`
	b.is("the line is marked", `(`+list+`.dataset.test = 1) === 1`)
	b.click(`[data-test="1"] .fold`)
	b.waitFor("the list is folded", list+`.ariaExpanded === "false" && !document.querySelector("#panel pre").innerText.includes("ada@example.com")`)
	b.waitFor("what follows stays", `document.querySelector("#panel pre").innerText.includes("public_metadata")`)
	b.do(chromedp.Focus(chromedp.CSS("#panel pre")))
	b.press(kb.ArrowRight)
	b.waitForText("#panel pre", `"ada@example.com"`)
	b.press(kb.ArrowLeft, kb.ArrowUp, kb.ArrowUp, kb.ArrowLeft)
	b.waitForText("#panel .path", "data")
	b.is("an outer fold hides all in it", `!document.querySelector("#panel pre").innerText.includes("public_metadata")`)
	b.press(kb.ArrowRight)
	b.waitFor("an inner fold stays", `document.querySelector("#panel pre").innerText.includes("public_metadata") && !document.querySelector("#panel pre").innerText.includes("ada@example.com")`)
	b.is("screen readers are told the line", `document.getElementById(document.querySelector("#panel pre").getAttribute("aria-activedescendant")).textContent.includes('"data"')`)
	b.is("an empty object does not fold", `![...document.querySelectorAll("#panel .line")].find((e) => e.textContent.includes("empty")).ariaExpanded`)
}

// A stranger can choose the body. The paths of all its lines would have 2 GB.
func TestPayloadWithALongNameAndALongList(t *testing.T) {
	d := newDesk(t)
	d.deliverAs("msg_long", `{"`+strings.Repeat("k", 200_000)+`":[`+strings.Repeat("1,", 9_000)+`2]}`, time.Now(), "v1,AAAA")
	b := openPage(d)
	b.openRow("msg_long")
	b.waitFor("the last line is there", `/1,\s*2\s*]\s*}$/.test(document.querySelector("#panel pre")?.textContent.slice(-50))`)
	b.is("the page needs little memory", "performance.memory.usedJSHeapSize < 500e6")
}

// These take Chromium half a minute if they are shown as they are.
func TestPayloadsThatTakeLongToDraw(t *testing.T) {
	d := newDesk(t)
	forge := func(id, body string) { d.deliverAs(id, body, time.Now(), "v1,AAAA") }
	forge("msg_marks", `{"a":"a`+strings.Repeat("\u0301", 60_000)+`"}`)
	forge("msg_deep", strings.Repeat("[", 99)+strings.Repeat("1,", 120_000)+"1"+strings.Repeat("]", 99))
	forge("msg_nested", strings.Repeat("[", 99)+strings.Repeat("1,", 100)+"1"+strings.Repeat("]", 99))
	for _, word := range longWords {
		forge(word.id, `{"a":"`+strings.Repeat(word.unit, 250_000/len(word.unit))+`"}`)
	}
	var glyphs, lines strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&glyphs, "%c ", 0x10000+i)
		if i%6 == 0 {
			lines.WriteString(`","`)
		}
		lines.WriteRune(rune(0x20000 + i))
	}
	forge("msg_glyphs", `{"a":"`+glyphs.String()+`"}`)
	forge("msg_lines", `["`+lines.String()+`"]`)
	b := openPage(d)
	b.openRow("msg_glyphs")
	b.waitFor("all is shown", `document.querySelector("#panel pre")?.textContent.length > 150000`)
	b.openRow("msg_lines")
	b.waitFor("each text has a line", `document.querySelectorAll("#panel .line").length > 8000`)
	b.waitFor("what is out of sight is not laid out", `![...document.querySelectorAll("#panel .line .j-string")].at(-1).checkVisibility({ contentVisibilityAuto: true })`)
	b.openRow("msg_marks")
	b.waitForText("#panel pre", "a"+strings.Repeat("\u0301", 8)+"⟨U+0301⟩⟨U+0301⟩")
	b.openRow("msg_deep")
	b.waitForText("#panel pre", "[[[[")
	b.waitFor("it is not indented", `document.querySelector("#panel pre").textContent.length < 300000`)
	b.openRow("msg_nested")
	b.waitFor("it is indented", `/^\[\s+\[/.test(document.querySelector("#panel pre").textContent)`)
	for _, word := range longWords {
		b.openRow(word.id)
		b.waitFor("the whole word is shown", `document.querySelector("#panel .j-string")?.textContent === '"' + `+js(word.unit)+`.repeat(`+fmt.Sprint(250_000/len(word.unit))+`) + '"'`)
		b.is("it is in pieces", `document.querySelectorAll("#panel .piece").length > 50`)
	}
	b.click("[data-mode=raw]")
	b.write("#panel [type=search]", "1\"}")
	b.waitForText("#panel output", "1 found")
}

// longWords are words in scripts that take long if a word is long.
var longWords = []struct{ id, unit string }{{"msg_arabic", "ب"}, {"msg_thai", "กำ"}, {"msg_hebrew", "א1"}}

func TestPayloadPathsAreThoseOfPlaceholders(t *testing.T) {
	d := newDesk(t, strings.Replace(siteAndInspector, "reverse_proxy {$BACKEND}", `respond "{http.clerk_webhook.event.data.email_addresses.0.email_address} has {http.clerk_webhook.event.data.public_metadata.a\.b\*.c d}"`, 1), "/")
	d.deliver("msg_ada", addresses)
	b := openPage(d)
	b.allowClipboard()
	b.openRow("msg_ada")
	for i, test := range []struct{ line, path string }{
		{"ada@example.com", "data.email_addresses.0.email_address"},
		{"c d", `data.public_metadata.a\.b\*.c d`},
		{`"type"`, "type"},
	} {
		mark := fmt.Sprint(i)
		b.is("there is such a line", fmt.Sprintf(`([...document.querySelectorAll("#panel .line")].find((e) => e.textContent.includes(%s)).dataset.test = %s) === %[2]s`, js(test.line), js(mark)))
		b.click(fmt.Sprintf(`[data-test="%s"]`, mark))
		b.waitFor("the path is shown", fmt.Sprintf(`document.querySelector("#panel .path").textContent === %s`, js(test.path)))
		b.click("#panel .path button")
		b.waitFor("it is copied", fmt.Sprintf(`navigator.clipboard.readText().then((text) => text === %s)`, js(test.path)))
	}
	b.do(chromedp.Focus(chromedp.CSS("#panel pre")))
	b.press(kb.ArrowUp, kb.Enter)
	b.waitFor("Enter copies the path of the line", `navigator.clipboard.readText().then((text) => text === "data.none")`)
	b.click("#tab-answer")
	b.waitForText("#panel pre", "ada@example.com has 1")
}

func TestFindInAPayload(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_ada", addresses)
	b := openPage(d)
	b.openRow("msg_ada")
	const marked = `[...CSS.highlights.get("inside")].map(String).join()`
	b.write("#panel [type=search]", `"EMAIL_ADDRESS": "a`)
	b.waitForText("#panel output", "2 found")
	b.is("a match spans the parts of a line", marked+` === '"email_address": "a,"email_address": "a'`)
	b.waitForText("#panel .path", "data.email_addresses.0.email_address")
	b.press(kb.Enter)
	b.waitForText("#panel .path", "data.email_addresses.1.email_address")
	b.press(kb.Enter)
	b.waitForText("#panel .path", "data.email_addresses.0.email_address")
	b.click(".fold")
	b.write("#panel [type=search]", "ada@")
	b.waitForText("#panel pre", "ada@example.com") // finding unfolds
	b.click("[data-mode=raw]")
	b.waitForText("#panel output", "1 found")
	b.write("#panel [type=search]", ".*")
	b.waitForText("#panel output", "0 found")
	b.write("[name=text]", "ada@example")
	b.waitForText("#panel output", "1 found") // of the search in the list
}

func TestHugePayloadIsShown(t *testing.T) {
	d := newDesk(t)
	d.deliver("msg_long", `{"type":"user.created","data":[`+strings.Repeat("1,", 15000)+`2]}`)
	b := openPage(d)
	b.openRow("msg_long")
	b.waitForText("#panel pre", "    1,\n    2\n")
	b.write("#panel [type=search]", "2")
	b.waitForText("#panel output", "1 found")
}
