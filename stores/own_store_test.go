package stores_test

import (
	"net/http"
	"testing"

	_ "github.com/caddyclerk/caddy-clerk-webhook" // which has deduplicate
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

func TestMain(m *testing.M) { testcaddy.Main(m) }

// The example is what an author of a store begins with.
func TestExample(t *testing.T) {
	storetest.Run(t, func(*testing.T) stores.Store { return Shelf{} })
}

func TestExampleInCaddyfile(t *testing.T) {
	Example()
	backend, address := testcaddy.NewBackend(t, nil), testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\ndeduplicate 48h shelf\n}\nreverse_proxy "+backend.Address+testcaddy.Labelled+"}\n")
	for _, want := range []string{"forwarded", "duplicate done"} {
		testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)).Check(t, http.StatusOK, want)
	}
	testcaddy.OnlyRequest(t, backend)
}
