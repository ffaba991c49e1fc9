package deduplicate_test

import (
	"net/http"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// The memory belongs to the process, for as long as any guard uses it.
func TestReloadThatRemovesTheLastDeduplicateEmptiesTheMemory(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	address := testcaddy.FreeAddress(t)
	guard := func(options string) string {
		return "http://" + address + " {\nclerk_webhook {\nsecret " + testcaddy.Secret + "\n" + options + "\n}\nreverse_proxy " + backend.Address + testcaddy.Labelled + "}\n"
	}
	testcaddy.Run(t, guard("deduplicate"))
	deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
	testcaddy.Reload(t, guard("deduplicate 1h"))
	deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
	testcaddy.Reload(t, guard(""))
	testcaddy.Reload(t, guard("deduplicate"))
	deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
}
