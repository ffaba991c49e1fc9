package inspector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// docCall finds the calls in the documentation and what they answer.
var docCall = regexp.MustCompile("(?s)```http\n(GET|POST|DELETE) (\\S+)\n(.*?)```(?:\n```json\n(.*?)```)?")

func TestEveryCallInTheDocumentationWorks(t *testing.T) {
	document, err := os.ReadFile("docs/inspector-api.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := docCall.FindAllStringSubmatch(string(document), -1)
	if len(calls) < 17 {
		t.Fatalf("only %d calls found", len(calls))
	}
	for _, call := range calls {
		method, path, rest, answer := call[1], call[2], call[3], call[4]
		t.Run(method+" "+path, func(t *testing.T) {
			d := openDesk(t, "", "respond ok")
			d.deliver(t, message{body: `{"data":{"first_name":"Nadia"},"type":"user.created"}`})
			accepted := d.last(t)
			d.act(t, accepted.ID, "replay", nil)
			d.deliver(t, message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
			rejected := d.last(t)
			path := strings.NewReplacer("{id}", accepted.ID, "{rejected_id}", rejected.ID, "{message_id}", accepted.MessageID).Replace(path)
			_, body, _ := strings.Cut(rest, "\n\n")
			r, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.inspector+"/"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(rest, "Content-Type: application/json") {
				r.Header.Set("Content-Type", "application/json")
			}
			if path == "api/stream" {
				d.listen(t, "").next()
				return
			}
			a := testcaddy.Send(t, d.client, r)
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", a.StatusCode, a.Text)
			}
			if strings.HasPrefix(path, "api/entries?") && !strings.Contains(a.Text, accepted.ID) {
				t.Errorf("nothing was found: %s", a.Text)
			}
			if answer != "" {
				compareShapes(t, "", decodeJSON(t, answer), decodeJSON(t, a.Text))
			}
		})
	}
}

func decodeJSON(t testing.TB, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// compareShapes checks that both have the same members of the same kinds.
func compareShapes(t testing.TB, path string, documented, actual any) {
	t.Helper()
	switch d := documented.(type) {
	case map[string]any:
		a, ok := actual.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, and documented as an object", path, actual)
			return
		}
		if want, got := slices.Sorted(maps.Keys(d)), slices.Sorted(maps.Keys(a)); !slices.Equal(want, got) {
			t.Errorf("%s has %v, and documented are %v", path, got, want)
		}
		for name := range d {
			compareShapes(t, path+"."+name, d[name], a[name])
		}
	case []any:
		a, ok := actual.([]any)
		if !ok {
			t.Errorf("%s is %v, and documented as a list", path, actual)
			return
		}
		if len(d) > 0 && len(a) > 0 {
			compareShapes(t, path+"[]", d[0], a[0])
		}
	default:
		if fmt.Sprintf("%T", documented) != fmt.Sprintf("%T", actual) {
			t.Errorf("%s is %T, and documented as %T", path, actual, documented)
		}
	}
}
