package monitoring

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hasty makes the alerts about endpoints that are gone or silent fire within
// seconds.
var hasty = strings.NewReplacer("offset 1h", "offset 15s", "[1d]", "[10s]", "offset 1d", "offset 10s", "for: 5m", "for: 1s", "for: 15m", "for: 1s")

// lifetime is a Caddy whose endpoints come and go.
type lifetime struct{ address, admin string }

func newLifetime(t *testing.T, endpoints ...string) *lifetime {
	t.Helper()
	l := &lifetime{freeAddress(t), freeAddress(t)}
	start(t, []string{"caddy", "run", "--adapter", "caddyfile", "--config", "-"}, l.caddyfile(secret, endpoints))
	await(t, l.address)
	return l
}

// caddyfile gives the last endpoint the secret.
func (l *lifetime) caddyfile(last string, endpoints []string) string {
	text := fmt.Sprintf("{\nadmin %s\npersist_config off\ndefault_bind 127.0.0.1\n}\nhttp://%s {\n", l.admin, l.address)
	for i, endpoint := range endpoints {
		given := secret
		if i == len(endpoints)-1 {
			given = last
		}
		text += fmt.Sprintf("clerk_webhook /%s {\nname %[1]s\nsecret %s\n}\n", endpoint, given)
	}
	return text + "respond 200\n}\n"
}

// load returns the status of Caddy's answer to a new configuration.
func (l *lifetime) load(t *testing.T, caddyfile string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "http://"+l.admin+"/load", strings.NewReader(caddyfile))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/caddyfile")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// firing returns the endpoints that an alert is firing about.
func (p prometheus) firing(t *testing.T, alert string) []string {
	t.Helper()
	rules, err := p.rules(t)
	if err != nil {
		return nil // they have not been evaluated yet
	}
	endpoints := map[string]bool{}
	for _, r := range rules {
		if r.Name == alert && r.State == "firing" {
			for _, a := range r.Alerts {
				endpoints[a.Labels["endpoint"]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(endpoints))
}

func (p prometheus) awaitFiring(t *testing.T, alert string, endpoints ...string) {
	t.Helper()
	eventually(t, alert, func() error {
		if got := p.firing(t, alert); !slices.Equal(got, endpoints) {
			return fmt.Errorf("it is about %q, want %q", got, endpoints)
		}
		return nil
	})
}

func TestAlertsFollowTheEndpointsOfTheConfiguration(t *testing.T) {
	text, err := os.ReadFile(folder + "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "alerts.yml")
	if err := os.WriteFile(rules, []byte(hasty.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLifetime(t, "kept", "removed", "renamed")
	p := newPrometheus(t, l.admin, rules)
	p.awaitFiring(t, "ClerkWebhookSilent", "kept", "removed", "renamed")

	if status := l.load(t, l.caddyfile("{env.CLERK_WEBHOOK_UNSET}", []string{"kept", "removed", "renamed", "tried", "refused"})); status != http.StatusBadRequest {
		t.Fatalf("a configuration without a secret is answered with %d", status)
	}
	if status := l.load(t, l.caddyfile(secret, []string{"kept", "new"})); status != http.StatusOK {
		t.Fatalf("the new configuration is answered with %d", status)
	}
	p.awaitFiring(t, "ClerkWebhookEndpointGone", "removed", "renamed")
	if got := p.firing(t, "ClerkWebhookSilent"); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("ClerkWebhookSilent is about %q, want the one that is left", got)
	}

	p.awaitFiring(t, "ClerkWebhookEndpointGone") // about none, as they were gone for longer than the rule looks back
	p.awaitFiring(t, "ClerkWebhookSilent", "kept", "new")
	if seen := p.labelValues(t, `count by (endpoint) (count_over_time(caddy_clerk_webhook_verified_total[5m]))`, "endpoint"); !slices.Equal(seen, []string{"kept", "new", "removed", "renamed"}) {
		t.Errorf("Prometheus has seen the endpoints %q", seen)
	}
}
