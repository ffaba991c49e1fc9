package browser

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	svix "github.com/svix/svix-webhooks/go"
)

// TestScreenshots takes the screenshots of the documentation. It keeps them if you name
// a folder:
//
//	SCREENSHOTS=../../docs/images ./run -run TestScreenshots
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	d := newDesk(t)
	d.someDay()

	tests := []struct {
		name          string
		scheme        string
		width, height int64
		open          string
		show          func(b *tab)
	}{
		{"light", "light", 1280, 800, "msg_3AbTfLkJhGfDsAqWeRtYuIoPzXc", func(b *tab) {
			b.click("#do-replay")
			b.waitForText(".answer:first-child pre", "the database is away")
			b.waitForText(".answer:last-child pre", "saved")
			b.click(".toast .icon")
		}},
		{"dark", "dark", 1280, 800, "msg_3AbTaMnBvCxZlKjHgFdSaPoIuYt", func(b *tab) {
			b.waitForText(".diagnosis", "was parsed and encoded again")
		}},
		{"narrow", "light", 360, 740, "503", func(b *tab) {
			b.waitForText(".diagnosis", "Your application answered 503")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := openAt(d, "", test.width, test.height)
			b.within(t)
			b.prefer(test.scheme)
			b.do(chromedp.EmulateViewport(test.width, test.height, chromedp.EmulateScale(1.5)))
			if test.open != "" {
				b.openRow(test.open)
			}
			test.show(b)
			b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
			picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			small := withPalette(t, picture)
			if len(small) > 150_000 {
				t.Errorf("the picture has %d bytes", len(small))
			}
			if err := os.WriteFile(filepath.Join(folder, "inspector-"+test.name+".png"), small, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// someDay delivers a variety of events.
func (d *desk) someDay() {
	const retried = "msg_3AbTfLkJhGfDsAqWeRtYuIoPzXc"
	isAway := true
	d.answerWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("svix-id") == retried && isAway {
			isAway = false
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":"the database is away"}`)
			return
		}
		_, _ = io.WriteString(w, `{"saved":true}`)
	})
	now := time.Now()
	d.deliver("msg_3AbSz1XcVbNmAsDfGhJkLqWeRtY", d.example("organization.created"))
	d.deliver("msg_3AbTgR8kWqYx0Vn5Zp2LdHc7UfE", d.example("user.created"))
	d.deliver("msg_3AbT0PoIuYtReWqAsDfGhJkLzXc", d.example("session.created"))
	d.deliver("msg_3AbTgR8kWqYx0Vn5Zp2LdHc7UfE", d.example("user.created"))
	d.deliver("msg_3AbTb4sDfGhJkLzXcVbNmQwErTy", d.example("organizationMembership.created"))
	d.deliverReencoded("msg_3AbTaMnBvCxZlKjHgFdSaPoIuYt", d.example("user.created"), now)
	d.deliver("msg_3AbTe7tYuIoPaSdFgHjKlZxCvBn", d.example("organizationInvitation.accepted"))
	d.deliver(retried, d.example("user.updated"))
	d.deliverSigned(secret, "msg_3AbTcQwErTyUiOpLkJhGfDsAzXc", d.example("user.created"), now.Add(-372*time.Second))
	d.deliver("msg_3AbTh2mNbVcXzAsDfGhJkLpOiUy", d.example("email.created"))
	d.deliver("msg_3AbTi9zXcVbNmLkJhGfDsAqWeRt", d.example("user.deleted"))
	d.deliver("msg_3AbTdZxCvBnMlKjHgFdSaQwErTy", d.example("organization.updated"))
}

// deliverReencoded sends a delivery whose JSON was indented after signing.
func (d *desk) deliverReencoded(id, body string, at time.Time) {
	d.t.Helper()
	webhook, err := svix.NewWebhook(secret)
	if err != nil {
		d.t.Fatal(err)
	}
	signature, err := webhook.Sign(id, at, []byte(body))
	if err != nil {
		d.t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(body), "", "  "); err != nil {
		d.t.Fatal(err)
	}
	d.deliverAs(id, indented.String(), at, signature)
}

// example returns one of the inspector's own events, as compact JSON.
func (d *desk) example(eventType string) string {
	d.t.Helper()
	response, err := http.Get(d.inspector + "api/events/" + eventType)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var event struct{ Payload string }
	if err := json.NewDecoder(response.Body).Decode(&event); err != nil {
		d.t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(event.Payload)); err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(compact.String())
}

// withPalette makes a picture small. A page has few colours besides the 256 most
// frequent ones.
func withPalette(t *testing.T, picture []byte) []byte {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	bounds := decoded.Bounds()
	count := map[color.Color]int{}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			count[decoded.At(x, y)]++
		}
	}
	palette := make(color.Palette, 0, len(count))
	for c := range count {
		palette = append(palette, c)
	}
	slices.SortFunc(palette, func(a, b color.Color) int { return count[b] - count[a] })
	palette = palette[:min(len(palette), 256)]
	nearest := map[color.Color]uint8{}
	small := image.NewPaletted(bounds, palette)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			c := decoded.At(x, y)
			if _, ok := nearest[c]; !ok {
				nearest[c] = uint8(palette.Index(c))
			}
			small.SetColorIndex(x, y, nearest[c])
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
