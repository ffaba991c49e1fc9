package docs_test

import (
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestTeamExample(t *testing.T) {
	staging, anna, ben := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	e := openExample(t, "team", ":8080", on(staging), "8081", testcaddy.Port(anna), "8082", testcaddy.Port(ben))
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", testcaddy.Secret)
	e.start(t, "caddy run")
	atAnna := startProxy(t, e.line(t, "user_anna --from")+" --inspect=off", "Connected to the relay")
	atBen := startProxy(t, e.line(t, "session.*")+" --inspect=off", "Connected to the relay")
	send := strings.Replace(e.line(t, "send user.created"), "send ", "send --to http://"+staging+"/api/webhooks ", 1)
	if output, code := testcaddy.RunLine(t, send); code != 0 {
		t.Fatal(output)
	}
	atAnna.WaitFor(t, "  user.created          Nadia Okafor, ")
	// Ben's comes later than Anna's would have, had he got it.
	if output, code := testcaddy.RunLine(t, strings.Replace(send, "user.created", "session.created", 1)); code != 0 {
		t.Fatal(output)
	}
	atBen.WaitFor(t, "session.created  verified")
	if strings.Contains(atBen.String(), "user.created") {
		t.Errorf("Ben got what is Anna's:\n%s", atBen.String())
	}
}
