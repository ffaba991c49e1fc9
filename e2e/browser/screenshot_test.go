package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
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
	now, story := time.Now(), event.NewStory()
	tell := func(eventType string) string {
		payload, _ := story.Tell(eventType, time.Now())
		return string(payload)
	}
	created := tell("user.created")
	updated := []byte(created)
	for path, value := range map[string]string{
		"type": `"user.updated"`, "data.public_metadata.plan": `"team"`, "data.last_name": `"Okafor-Reid"`, "data.updated_at": fmt.Sprint(now.UnixMilli()),
	} {
		var err error
		if updated, err = event.Set(updated, path, value); err != nil {
			d.t.Fatal(err)
		}
	}
	d.deliver("msg_3AbSz1XcVbNmAsDfGhJkLqWeRtY", tell("organization.created"))
	d.deliver("msg_3AbTgR8kWqYx0Vn5Zp2LdHc7UfE", created)
	d.deliver("msg_3AbT0PoIuYtReWqAsDfGhJkLzXc", tell("session.created"))
	d.deliver("msg_3AbTgR8kWqYx0Vn5Zp2LdHc7UfE", created)
	d.deliver("msg_3AbTb4sDfGhJkLzXcVbNmQwErTy", tell("organizationMembership.created"))
	d.deliverReencoded("msg_3AbTaMnBvCxZlKjHgFdSaPoIuYt", created, now)
	d.deliver("msg_3AbTe7tYuIoPaSdFgHjKlZxCvBn", tell("organizationInvitation.accepted"))
	d.deliver(retried, string(updated))
	d.deliverSigned(secret, "msg_3AbTcQwErTyUiOpLkJhGfDsAzXc", created, now.Add(-372*time.Second))
	d.deliver("msg_3AbTh2mNbVcXzAsDfGhJkLpOiUy", tell("email.created"))
	d.deliver("msg_3AbTi9zXcVbNmLkJhGfDsAqWeRt", tell("waitlistEntry.created"))
	d.deliver("msg_3AbTdZxCvBnMlKjHgFdSaQwErTy", tell("organization.updated"))
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
