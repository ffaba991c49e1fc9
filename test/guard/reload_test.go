package guard_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// Tests that reload Caddy rely on this.
func TestReloadReturnsWhenOnlyTheNewConfigurationListens(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	config := func(generation int) string {
		return fmt.Sprintf("http://%s {\nrespond %d\n}\n", address, generation)
	}
	testcaddy.Run(t, config(200))
	for generation := 201; generation <= 300; generation++ {
		testcaddy.Reload(t, config(generation))
		if n := caddy.ListenerUsage("tcp", address); n != 1 {
			t.Errorf("%d configurations listen", n)
		}
		res, err := client.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != generation {
			t.Errorf("configuration %d answered instead of %d", res.StatusCode, generation)
		}
	}
}
