package command

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
)

func TestProxyLooksForOneCauseASecond(t *testing.T) {
	for _, tt := range []struct {
		name    string
		reason  string
		pauses  []time.Duration // before each delivery
		without int             // how many causes were not looked for
	}{
		{"one mismatch", "signature_mismatch", []time.Duration{0}, 0},
		{"three at once", "signature_mismatch", []time.Duration{0, 0, 0}, 2},
		{"one a second", "signature_mismatch", []time.Duration{0, time.Second, time.Second}, 0},
		{"two a second", "signature_mismatch", []time.Duration{0, time.Second / 2, time.Second / 2, time.Second / 2}, 2},
		{"what costs nothing to explain", "method_not_allowed", []time.Duration{0, 0, 0}, 0},
	} {
		for _, asJSON := range []bool{false, true} {
			name := tt.name
			if asJSON {
				name += " as JSON"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var out strings.Builder
					log := &deliveryLog{out: &out, asJSON: asJSON}
					recorder := inspector.NewRecorder()
					ctx, stop := context.WithCancel(t.Context())
					go recorder.Follow(ctx, true, func(ended []inspector.Ended, missed uint64) { log.show(ended, missed) })
					synctest.Wait()
					for _, pause := range tt.pauses {
						time.Sleep(pause)
						r := httptest.NewRequest(http.MethodPost, "/api/webhooks", strings.NewReader("{}"))
						delivery := recorder.Begin(&inspector.Endpoint{Name: "default"}, httptest.NewRecorder(), r)
						delivery.End(inspector.Progress{Decision: inspector.Decision{Outcome: "rejected", Reason: tt.reason}, Body: []byte("{}"), IsRead: true}, errors.New("forged"))
						synctest.Wait()
					}
					stop()
					synctest.Wait()
					if got := strings.Count(out.String(), tt.reason); got < len(tt.pauses) {
						t.Errorf("%d rows:\n%s", got, out.String())
					}
					if got := strings.Count(out.String(), notDiagnosed); got != tt.without {
						t.Errorf("%d causes were not looked for, not %d:\n%s", got, tt.without, out.String())
					}
				})
			})
		}
	}
}
