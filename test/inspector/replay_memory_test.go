package inspector_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestReplayOfDeepJSONTakesLittleMemory(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	deep := strings.Repeat("[", 4<<20-1000)
	for _, test := range []struct{ name, body string }{
		{"arrays", deep},
		{"an object with a type", `{"type":"a","b":` + deep},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d.refusal(t, http.MethodPost, "api/entries/"+id+"/replay", map[string]any{"body": test.body, "type": "user.created"}, http.StatusBadRequest)
			runtime.ReadMemStats(&after)
			if taken := int64(after.Sys) - int64(before.Sys); taken > 200<<20 { // Sys does not shrink
				t.Errorf("it took %d MiB", taken>>20)
			}
		})
	}
}
