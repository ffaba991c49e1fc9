package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
)

// The JSON that a Caddyfile becomes works as well, and neither it nor the running
// config has the store's password.
func TestStoreInJSON(t *testing.T) {
	for _, database := range databases {
		t.Run(database.name, func(t *testing.T) {
			_, address, url := database.start(t)
			b := newBackend(t, nil)
			option := map[string]string{"redis": "prefix", "postgres": "table"}[database.name]
			n := newNode(t, "a", database.name+" {env.STORE_URL} {\n"+option+" webhooks\n}", fmt.Sprintf(url, address), t.TempDir(), b.address, 0)
			var adapted struct{ Result json.RawMessage }
			if err := json.Unmarshal([]byte(ask(t, n, "/adapt", "text/caddyfile", n.config())), &adapted); err != nil {
				t.Fatal(err)
			}
			if want := `"store":{"module":"` + database.name + `","` + option + `":"webhooks","url":"{env.STORE_URL}"}`; !strings.Contains(string(adapted.Result), want) {
				t.Errorf("the JSON is %s, want it to have %s", adapted.Result, want)
			}
			ask(t, n, "/load", "application/json", string(adapted.Result))
			s := newSender(t, []*node{n})
			for range 2 {
				if err := s.deliver(t.Context(), 0, "msg_1"); err != nil {
					t.Fatal(err)
				}
			}
			if attempts := b.recorded("msg_1"); len(attempts) != 1 {
				t.Errorf("the backend got %d attempts, want 1", len(attempts))
			}
			if config := ask(t, n, "/config/", "", ""); strings.Contains(config, daemon.PostgresPassword) || strings.Contains(config, address) {
				t.Errorf("the running config has the store's URL: %s", config)
			}
		})
	}
}

// ask calls the admin API, with POST if there is something to send.
func ask(t *testing.T, n *node, path, contentType, content string) (answer string) {
	t.Helper()
	method := http.MethodPost
	if content == "" {
		method = http.MethodGet
	}
	ctx, cancel := context.WithTimeout(t.Context(), reloadBound)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+n.admin+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", path, res.Status, err, text)
	}
	return string(text)
}
