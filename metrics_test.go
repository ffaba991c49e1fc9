package clerkwebhook_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// scrape returns the guard's samples from a /metrics page, by name and labels.
// The metrics live as long as the process, so tests choose endpoint names of
// their own and, where there is no endpoint label, compare with an earlier
// scrape.
func scrape(t testing.TB, address string) map[string]float64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := send(t, newConnections, r)
	if a.StatusCode != 200 {
		t.Fatalf("/metrics answers %d %s", a.StatusCode, a.text)
	}
	samples := make(map[string]float64)
	for line := range strings.Lines(a.text) {
		if !strings.HasPrefix(line, "caddy_clerk_webhook_") {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[end:]), 64)
		if err != nil {
			t.Fatalf("sample %q: %v", line, err)
		}
		if _, repeated := samples[line[:end]]; repeated {
			t.Errorf("the sample %s is there twice", line[:end])
		}
		samples[line[:end]] = value
	}
	return samples
}

var endpoints atomic.Int64

// newEndpoint returns a name that no other test has, nor this one in an earlier
// run of it.
func newEndpoint() string { return "endpoint_" + strconv.FormatInt(endpoints.Add(1), 10) }

// of returns the samples of one endpoint that are not zero.
func of(samples map[string]float64, endpoint string) map[string]float64 {
	own := maps.Clone(samples)
	maps.DeleteFunc(own, func(name string, value float64) bool {
		return value == 0 || !strings.Contains(name, `endpoint="`+endpoint+`"`)
	})
	return own
}

func wantSamples(t testing.TB, got, want map[string]float64) {
	t.Helper()
	names := slices.Sorted(maps.Keys(got))
	for name := range want {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if got[name] != want[name] {
			t.Errorf("%s is %v, want %v", name, got[name], want[name])
		}
	}
}

const (
	deliveriesTotal = "caddy_clerk_webhook_deliveries_total"
	verifiedTotal   = "caddy_clerk_webhook_verified_total"
	secretLastUsed  = "caddy_clerk_webhook_secret_last_used_timestamp_seconds"
)

func deliveriesLabels(endpoint, outcome, reason, eventType string) string {
	return fmt.Sprintf("%s{endpoint=%q,outcome=%q,reason=%q,type=%q}", deliveriesTotal, endpoint, outcome, reason, eventType)
}

func secretLabels(metric, endpoint, secret string) string {
	return fmt.Sprintf("%s{endpoint=%q,secret=%q}", metric, endpoint, secret)
}

// measured returns a site at address that has guards and /metrics.
func measured(address, directives string) string {
	return "http://" + address + " {\nhandle /metrics {\nmetrics\n}\nhandle {\n" + directives + "\n}\n}\n"
}

func TestMetricsOfSecretsArePresentFromTheStart(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), newEndpoint()
	testcaddy.Run(t, measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret current "+testSecret+"\nsecret "+otherSecret+"\n}"))
	samples := scrape(t, address)
	for _, metric := range []string{verifiedTotal, secretLastUsed} {
		for _, secret := range []string{"current", "2"} {
			name := secretLabels(metric, endpoint, secret)
			if value, present := samples[name]; !present || value != 0 {
				t.Errorf("%s is %v (present: %v), want 0 from the start", name, value, present)
			}
		}
	}
	for _, reason := range []string{"method_not_allowed", "missing_header", "malformed_header", "timestamp_too_old", "timestamp_too_new", "body_too_large", "body_timeout", "body_incomplete", "signature_mismatch"} {
		if value, present := samples[deliveriesLabels(endpoint, "rejected", reason, "")]; !present || value != 0 {
			t.Errorf("rejections for %s are %v (present: %v), want 0 from the start", reason, value, present)
		}
	}
}

func TestMetricsCountDeliveries(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), newEndpoint()
	testcaddy.Run(t, measured(address, `
		clerk_webhook {
			name `+endpoint+`
			secret main `+testSecret+`
			secret spare `+otherSecret+`
			events user.* invoice.paid custom*
			max_body 1KiB
		}
		respond 200`))
	url := "http://" + address
	before := time.Now().Unix()
	for _, eventType := range []string{"user.created", "user.created", "organization.created", "invoice.paid", "custom.one", "custom.two", "stranger.danger", "user.danger"} {
		send(t, newConnections, signedRequest(t, url, testSecret, `{"type":"`+eventType+`"}`))
	}
	send(t, newConnections, signedRequest(t, url, testSecret, `[]`))
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Method = http.MethodDelete },
		func(r *http.Request) { r.Header.Del("Svix-Id") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "now") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1654012591") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "9654012591") },
		func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") },
		func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,BBBB") },
	} {
		r := signedRequest(t, url, testSecret, userCreated)
		change(r)
		send(t, newConnections, r)
	}
	send(t, newConnections, signedRequest(t, url, testSecret, strings.Repeat(" ", 1025)))

	got := of(scrape(t, address), endpoint)
	lastUsed := secretLabels(secretLastUsed, endpoint, "main")
	if used := int64(got[lastUsed]); used < before || used > time.Now().Unix() {
		t.Errorf("%s is %d, want a time from %d on", lastUsed, used, before)
	}
	delete(got, lastUsed)
	wantSamples(t, got, map[string]float64{
		secretLabels(verifiedTotal, endpoint, "main"):                      9,
		deliveriesLabels(endpoint, "forwarded", "", "user.created"):        2,
		deliveriesLabels(endpoint, "forwarded", "", "invoice.paid"):        1, // named in the config
		deliveriesLabels(endpoint, "forwarded", "", "other"):               3, // what a sender chose
		deliveriesLabels(endpoint, "filtered", "", "organization.created"): 1,
		deliveriesLabels(endpoint, "filtered", "", "other"):                2,
		deliveriesLabels(endpoint, "rejected", "method_not_allowed", ""):   1,
		deliveriesLabels(endpoint, "rejected", "missing_header", ""):       1,
		deliveriesLabels(endpoint, "rejected", "malformed_header", ""):     1,
		deliveriesLabels(endpoint, "rejected", "timestamp_too_old", ""):    1,
		deliveriesLabels(endpoint, "rejected", "timestamp_too_new", ""):    1,
		deliveriesLabels(endpoint, "rejected", "signature_mismatch", ""):   2,
		deliveriesLabels(endpoint, "rejected", "body_too_large", ""):       1,
	})
}

// TestMetricsInReportOnlyMode checks that what would be rejected is counted as
// such.
func TestMetricsInReportOnlyMode(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), newEndpoint()
	testcaddy.Run(t, measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testSecret+"\nreport_only\n}\nrespond 200"))
	send(t, newConnections, signedRequest(t, "http://"+address, testSecret, userCreated))
	send(t, newConnections, signedRequest(t, "http://"+address, otherSecret, userCreated))
	got := of(scrape(t, address), endpoint)
	delete(got, secretLabels(secretLastUsed, endpoint, "1"))
	wantSamples(t, got, map[string]float64{
		secretLabels(verifiedTotal, endpoint, "1"):                       1,
		deliveriesLabels(endpoint, "forwarded", "", "user.created"):      1,
		deliveriesLabels(endpoint, "rejected", "signature_mismatch", ""): 1,
	})
}

func TestMetricsHistograms(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), newEndpoint()
	testcaddy.Run(t, measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testSecret+"\n}\nrespond 200"))
	before := scrape(t, address)

	url, body := "http://"+address, `{"type":"user.created","padding":"`+strings.Repeat("x", 2000)+`"}`
	send(t, newConnections, signedRequest(t, url, testSecret, body))
	aged := signedRequest(t, url, testSecret, body)
	timestamp, signature := sign(t, testSecret, "msg_1", time.Now().Add(-100*time.Second), body)
	aged.Header.Set("Svix-Timestamp", timestamp)
	aged.Header.Set("Svix-Signature", signature)
	send(t, newConnections, aged)
	early := signedRequest(t, url, testSecret, body)
	timestamp, signature = sign(t, testSecret, "msg_1", time.Now().Add(100*time.Second), body)
	early.Header.Set("Svix-Timestamp", timestamp)
	early.Header.Set("Svix-Signature", signature)
	send(t, newConnections, early)
	send(t, newConnections, signedRequest(t, url, otherSecret, body)) // costs time, but is no delivery

	after := scrape(t, address)
	for name, want := range map[string]float64{
		"caddy_clerk_webhook_verify_duration_seconds_count":             4,
		"caddy_clerk_webhook_delivery_age_seconds_count":                3,
		`caddy_clerk_webhook_delivery_age_seconds_bucket{le="60.0"}`:    2,
		`caddy_clerk_webhook_delivery_age_seconds_bucket{le="120.0"}`:   3,
		"caddy_clerk_webhook_body_bytes_count":                          3,
		"caddy_clerk_webhook_body_bytes_sum":                            3 * float64(len(body)),
		`caddy_clerk_webhook_body_bytes_bucket{le="1024.0"}`:            0,
		`caddy_clerk_webhook_body_bytes_bucket{le="4096.0"}`:            3,
		`caddy_clerk_webhook_verify_duration_seconds_bucket{le="+Inf"}`: 4,
	} {
		if _, present := after[name]; !present {
			name = strings.Replace(name, `.0"}`, `"}`, 1) // the older text format
		}
		if _, present := after[name]; !present || after[name]-before[name] != want {
			t.Errorf("%s grew by %v (present: %v), want %v", name, after[name]-before[name], present, want)
		}
	}
	if sum := "caddy_clerk_webhook_verify_duration_seconds_sum"; after[sum] <= before[sum] {
		t.Errorf("%s did not grow", sum)
	}
	if sum := "caddy_clerk_webhook_delivery_age_seconds_sum"; after[sum]-before[sum] < 100 || after[sum]-before[sum] > 160 {
		t.Errorf("%s grew by %v, want 100 or a little more: what is early has no age", sum, after[sum]-before[sum])
	}
}

func TestMetricsContinueOverAReload(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), newEndpoint()
	config := measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret main "+testSecret+"\n}\nrespond 200")
	testcaddy.Run(t, config)
	for range 3 {
		send(t, newConnections, signedRequest(t, "http://"+address, testSecret, userCreated))
		testcaddy.Reload(t, config)
	}
	send(t, newConnections, signedRequest(t, "http://"+address, otherSecret, userCreated))
	got := of(scrape(t, address), endpoint)
	delete(got, secretLabels(secretLastUsed, endpoint, "main"))
	wantSamples(t, got, map[string]float64{
		secretLabels(verifiedTotal, endpoint, "main"):                    3,
		deliveriesLabels(endpoint, "forwarded", "", "user.created"):      3,
		deliveriesLabels(endpoint, "rejected", "signature_mismatch", ""): 1,
	})
}

func TestMetricsOfSeveralGuards(t *testing.T) {
	shared, other := newEndpoint(), newEndpoint()
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, measured(address, `
		clerk_webhook /a {
			name `+shared+`
			secret main `+testSecret+`
		}
		clerk_webhook /b {
			name `+shared+`
			secret main `+testSecret+`
		}
		clerk_webhook /c {
			name `+other+`
			secret main `+testSecret+`
		}
		respond 200`))
	for _, path := range []string{"/a", "/b", "/c"} {
		send(t, newConnections, signedRequest(t, "http://"+address+path, testSecret, userCreated))
	}
	samples := scrape(t, address)
	for endpoint, want := range map[string]float64{shared: 2, other: 1} {
		got := of(samples, endpoint)
		delete(got, secretLabels(secretLastUsed, endpoint, "main"))
		wantSamples(t, got, map[string]float64{
			secretLabels(verifiedTotal, endpoint, "main"):               want,
			deliveriesLabels(endpoint, "forwarded", "", "user.created"): want,
		})
	}
}

// TestMetricsAreThoseOfTheContract compares the names and label names of all.
func TestMetricsAreThoseOfTheContract(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), newEndpoint()
	testcaddy.Run(t, measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testSecret+"\n}\nrespond 200"))
	send(t, newConnections, signedRequest(t, "http://"+address, testSecret, userCreated))
	got := make(map[string]bool)
	for sample := range scrape(t, address) {
		if !strings.Contains(sample, `endpoint="`) || strings.Contains(sample, `endpoint="`+endpoint+`"`) {
			name, labels, _ := strings.Cut(strings.TrimSuffix(sample, "}"), "{")
			for label := range strings.SplitSeq(labels, ",") {
				label, _, _ = strings.Cut(label, "=")
				name += " " + label
			}
			got[strings.TrimSpace(name)] = true
		}
	}
	want := []string{
		"caddy_clerk_webhook_body_bytes_bucket le",
		"caddy_clerk_webhook_body_bytes_count",
		"caddy_clerk_webhook_body_bytes_sum",
		"caddy_clerk_webhook_deliveries_total endpoint outcome reason type",
		"caddy_clerk_webhook_delivery_age_seconds_bucket le",
		"caddy_clerk_webhook_delivery_age_seconds_count",
		"caddy_clerk_webhook_delivery_age_seconds_sum",
		"caddy_clerk_webhook_ledger_errors_total",
		"caddy_clerk_webhook_secret_last_used_timestamp_seconds endpoint secret",
		"caddy_clerk_webhook_verified_total endpoint secret",
		"caddy_clerk_webhook_verify_duration_seconds_bucket le",
		"caddy_clerk_webhook_verify_duration_seconds_count",
		"caddy_clerk_webhook_verify_duration_seconds_sum",
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
}
