package inspector_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestReplayOfLargeJSONTakesLittleMemory(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	deep := strings.Repeat("[", 4<<20-1000)
	for _, test := range []struct {
		name, body string
		status     int
	}{
		{"arrays", deep, http.StatusBadRequest},
		{"an object with a type", `{"type":"a","b":` + deep, http.StatusBadRequest},
		{"a number of many digits", `{"a":1.` + strings.Repeat("3", 4<<20-1000) + `}`, http.StatusBadRequest},
		{"many values", `{"a":[` + strings.Repeat("0,", 2<<20-1000) + `0]}`, http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d.call(t, http.MethodPost, "api/entries/"+id+"/replay", map[string]any{"body": test.body, "type": "user.created"}, test.status, nil)
			runtime.ReadMemStats(&after)
			if taken := int64(after.Sys) - int64(before.Sys); taken > 200<<20 { // Sys does not shrink
				t.Errorf("it took %d MiB", taken>>20)
			}
		})
	}
}
