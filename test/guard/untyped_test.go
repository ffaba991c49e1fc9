package guard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestFilteringADeliveryWithoutATypeIsLogged(t *testing.T) {
	const message = "deliveries filtered that have no type"
	for _, test := range []struct {
		name, options string
		bodies        []string
		status        int
		told          []float64 // counts
	}{
		{"no type, with events", "events user.*", []string{untyped, `{"type":7}`, `{"data":{"type":"user.created"}}`, "no JSON"}, http.StatusNoContent, []float64{1, 3}},
		{"no type, with every event", "events *", []string{untyped}, http.StatusNoContent, []float64{1}},
		{"another type", "events user.*", []string{sessionEnded, sessionEnded}, http.StatusNoContent, nil},
		{"no type, without events", "", []string{untyped, untyped}, http.StatusOK, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			endpoint := testcaddy.NewEndpoint()
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, guarded(address, "name "+endpoint+"\nsecret "+testcaddy.Secret+"\n"+test.options))
			for _, body := range test.bodies {
				if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, body)); a.StatusCode != test.status {
					t.Errorf("%s: %d", body, a.StatusCode)
				}
			}
			if err := caddy.Stop(); err != nil { // the rest of the minute is told at the end
				t.Fatal(err)
			}
			entries := testcaddy.Log.Entries(t, message)
			var told []float64
			for _, e := range entries {
				told = append(told, e["count"].(float64))
				latest, _ := e["latest"].(map[string]any)
				if e["level"] != "warn" || e["endpoint"] != endpoint || latest["id"] != "msg_1" || !strings.Contains(fmt.Sprint(e["reason"]), `"type"`) {
					t.Errorf("got the line %v", e)
				}
			}
			if fmt.Sprint(told) != fmt.Sprint(test.told) {
				t.Errorf("told %v, want %v", told, test.told)
			}
		})
	}
}
