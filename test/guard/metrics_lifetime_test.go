package guard_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// guardOf returns a guard with a name and secrets, on a path of its own.
func guardOf(path, endpoint string, secrets ...string) string {
	return fmt.Sprintf("clerk_webhook %s {\nname %s\nsecret %s\n}\n", path, endpoint, strings.Join(secrets, "\nsecret "))
}

// The last part of a site of guards.
const answering = "respond 200\n"

const (
	mainSecret  = "main " + testcaddy.Secret
	spareSecret = "spare " + testcaddy.OtherSecret
)

// wantSeries compares the endpoints that have series, and for each the secrets.
func wantSeries(t *testing.T, address string, want map[string][]string, names ...string) {
	t.Helper()
	got := make(map[string][]string)
	for sample := range testcaddy.Scrape(t, address) {
		for _, name := range names {
			if !strings.Contains(sample, `endpoint="`+name+`"`) {
				continue
			}
			_, secret, _ := strings.Cut(sample, `secret="`)
			secret, _, _ = strings.Cut(secret, `"`)
			if got[name] == nil {
				got[name] = []string{}
			}
			if secret != "" && !slices.Contains(got[name], secret) {
				got[name] = append(got[name], secret)
			}
			slices.Sort(got[name])
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("there are series of %v, want %v", got, want)
	}
}

func deliver(t *testing.T, url, secret string) {
	t.Helper()
	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, secret, testcaddy.UserCreated)); a.StatusCode != 200 {
		t.Fatalf("a delivery to %s is answered with %s", url, a.Status)
	}
}

func TestMetricsEndWithTheLastGuardThatUsesThem(t *testing.T) {
	address, a, b := testcaddy.FreeAddress(t), testcaddy.NewEndpoint(), testcaddy.NewEndpoint()
	for _, tt := range []struct {
		name, before, after string
		want                map[string][]string
	}{
		{
			"an endpoint is removed",
			guardOf("/a", a, mainSecret) + guardOf("/b", b, mainSecret), guardOf("/b", b, mainSecret),
			map[string][]string{b: {"main"}},
		},
		{"an endpoint is renamed", guardOf("/a", a, mainSecret), guardOf("/a", b, mainSecret), map[string][]string{b: {"main"}}},
		{"the last endpoint is removed", guardOf("/a", a, mainSecret), "", map[string][]string{}},
		{
			"one of two guards of a name is removed",
			guardOf("/a", a, mainSecret) + guardOf("/b", a, mainSecret, spareSecret), guardOf("/a", a, mainSecret),
			map[string][]string{a: {"main"}},
		},
		{
			"both guards of a name are removed",
			guardOf("/a", a, mainSecret) + guardOf("/b", a, mainSecret) + guardOf("/c", b, mainSecret), guardOf("/c", b, mainSecret),
			map[string][]string{b: {"main"}},
		},
		{"a secret is removed", guardOf("/a", a, mainSecret, spareSecret), guardOf("/a", a, spareSecret), map[string][]string{a: {"spare"}}},
		{
			"a secret goes to another endpoint",
			guardOf("/a", a, mainSecret, spareSecret) + guardOf("/b", b, mainSecret), guardOf("/a", a, mainSecret) + guardOf("/b", b, mainSecret, spareSecret),
			map[string][]string{a: {"main"}, b: {"main", "spare"}},
		},
		{"nothing changes but the rest of the site", guardOf("/a", a, mainSecret), guardOf("/a", a, mainSecret) + "header X 1\n", map[string][]string{a: {"main"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testcaddy.Run(t, testcaddy.Measured(address, tt.before+answering))
			for _, path := range []string{"/a", "/b", "/c"} {
				if strings.Contains(tt.before, path) {
					deliver(t, "http://"+address+path, testcaddy.Secret)
				}
			}
			testcaddy.Reload(t, testcaddy.Measured(address, tt.after+answering))
			wantSeries(t, address, tt.want, a, b)
		})
	}
}

func TestMetricsOfRefusedConfigurations(t *testing.T) {
	address, endpoint, tried := testcaddy.FreeAddress(t), testcaddy.NewEndpoint(), testcaddy.NewEndpoint()
	kept := guardOf("/a", endpoint, mainSecret)
	testcaddy.Run(t, testcaddy.Measured(address, kept+answering))
	deliver(t, "http://"+address+"/a", testcaddy.Secret)
	another := guardOf("/b", tried, mainSecret) + guardOf("/c", endpoint, spareSecret)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, refused := range map[string]string{
		"a later guard has no secret":      testcaddy.Measured(address, kept+another+guardOf("/d", endpoint, "{env.CLERK_WEBHOOK_TEST_UNSET}")+answering),
		"a later guard is not valid":       testcaddy.Measured(address, kept+another+"clerk_webhook /d {\nname "+tried+"\nsecret "+mainSecret+"\ntolerance 1ms\n}\n"+answering),
		"another server cannot be started": testcaddy.Measured(address, kept+another+answering) + "http://" + taken.Addr().String() + " {\nbind 127.0.0.1\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := testcaddy.TryRun(t, refused); err == nil {
				t.Fatal("the configuration is not refused")
			}
			wantSeries(t, address, map[string][]string{endpoint: {"main"}}, endpoint, tried)
		})
	}
	testcaddy.Reload(t, testcaddy.Measured(address, kept+answering+"header X 1\n"))
	deliver(t, "http://"+address+"/a", testcaddy.Secret)
	if name := testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "main"); testcaddy.Scrape(t, address)[name] != 2 {
		t.Errorf("%s began again", name)
	}
}

// A delivery can be counted after the guard that it came to has ended.
func TestMetricsOfARequestThatOutlivesItsEndpoint(t *testing.T) {
	address, removed, kept := testcaddy.FreeAddress(t), testcaddy.NewEndpoint(), testcaddy.NewEndpoint()
	both := guardOf("/removed", removed, mainSecret) + guardOf("/kept", kept, mainSecret)
	for outcome, secret := range map[string]string{"forwarded": testcaddy.Secret, "rejected": testcaddy.OtherSecret} {
		t.Run(outcome, func(t *testing.T) {
			testcaddy.Run(t, testcaddy.Measured(address, both+answering))
			toRemoved, toKept := beginDelivery(t, address, "/removed", secret), beginDelivery(t, address, "/kept", secret)
			testcaddy.Reload(t, testcaddy.Measured(address, guardOf("/kept", kept, mainSecret)+answering))
			want := map[string]int{"forwarded": 200, "rejected": 403}[outcome]
			if got := toRemoved(t).StatusCode; got != want {
				t.Errorf("the removed endpoint answers with %d, want %d", got, want)
			}
			if got := toKept(t).StatusCode; got != want {
				t.Errorf("the kept endpoint answers with %d, want %d", got, want)
			}
			wantSeries(t, address, map[string][]string{kept: {"main"}}, removed, kept)
			reason, eventType := "", "user.created"
			if outcome == "rejected" {
				reason, eventType = "signature_mismatch", ""
			}
			if name := testcaddy.DeliveriesLabels(kept, outcome, reason, eventType); testcaddy.Scrape(t, address)[name] != 1 {
				t.Errorf("%s is not 1", name)
			}
		})
	}
}

// beginDelivery returns once a guard waits for the body of a delivery. finish
// sends it.
func beginDelivery(t *testing.T, address, path, secret string) (finish func(*testing.T) testcaddy.Answer) {
	t.Helper()
	timestamp, signature := testcaddy.Sign(t, secret, "msg_1", time.Now(), testcaddy.UserCreated)
	conn := testcaddy.Dial(t, address)
	conn.Send(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\nSvix-Id: msg_1\r\nSvix-Timestamp: %s\r\nSvix-Signature: %s\r\n\r\n",
		path, address, len(testcaddy.UserCreated), timestamp, signature))
	answer := func(t *testing.T) testcaddy.Answer {
		t.Helper()
		a, err := conn.Answer(http.MethodPost)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := answer(t); a.StatusCode != http.StatusContinue {
		t.Fatalf("the guard does not ask for the body: %s", a.Status)
	}
	return func(t *testing.T) testcaddy.Answer {
		t.Helper()
		conn.Send(t, testcaddy.UserCreated)
		return answer(t)
	}
}

// After a configuration was refused, Caddy's admin endpoint belongs to that one.
// What still runs is measured all the same.
func TestMetricsAtTheAdminEndpointSurviveARefusedConfiguration(t *testing.T) {
	address, admin, endpoint := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, guardOf("/a", endpoint, mainSecret)+answering), "admin "+admin)
	for name, directives := range map[string]string{
		"a guard without a secret": guardOf("/a", endpoint, "{env.CLERK_WEBHOOK_TEST_UNSET}"),
		"no guard at all":          "basic_auth {\nsomebody not-a-hash\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := testcaddy.TryRun(t, testcaddy.Measured(address, directives), "admin "+admin); err == nil {
				t.Fatal("the configuration is not refused")
			}
			sample := testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "main")
			if _, present := testcaddy.Scrape(t, admin)[sample]; !present {
				t.Errorf("%s is gone, but its endpoint is not", sample)
			}
		})
	}
}
