package guard_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestMetricsOfSecretsArePresentFromTheStart(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret current "+testcaddy.Secret+"\nsecret "+testcaddy.OtherSecret+"\n}"))
	samples := testcaddy.Scrape(t, address)
	for _, metric := range []string{testcaddy.VerifiedTotal, testcaddy.SecretLastUsed} {
		for _, secret := range []string{"current", "2"} {
			name := testcaddy.SecretLabels(metric, endpoint, secret)
			if value, present := samples[name]; !present || value != 0 {
				t.Errorf("%s is %v (present: %v), want 0 from the start", name, value, present)
			}
		}
	}
	for _, reason := range []string{"method_not_allowed", "missing_header", "malformed_header", "timestamp_too_old", "timestamp_too_new", "body_too_large", "body_timeout", "body_incomplete", "signature_mismatch"} {
		if value, present := samples[testcaddy.DeliveriesLabels(endpoint, "rejected", reason, "")]; !present || value != 0 {
			t.Errorf("rejections for %s are %v (present: %v), want 0 from the start", reason, value, present)
		}
	}
}

func TestMetricsCountDeliveries(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, `
		clerk_webhook {
			name `+endpoint+`
			secret main `+testcaddy.Secret+`
			secret spare `+testcaddy.OtherSecret+`
			events user.* invoice.paid custom*
			max_body 1KiB
		}
		respond 200`))
	url := "http://" + address
	before := time.Now().Unix()
	for _, eventType := range []string{"user.created", "user.created", "organization.created", "invoice.paid", "custom.one", "custom.two", "stranger.danger", "user.danger"} {
		testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, `{"type":"`+eventType+`"}`))
	}
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, `[]`))
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Method = http.MethodDelete },
		func(r *http.Request) { r.Header.Del("Svix-Id") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "now") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1654012591") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "9654012591") },
		func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") },
		func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,BBBB") },
	} {
		r := testcaddy.SignedRequest(t, url, testcaddy.Secret, testcaddy.UserCreated)
		change(r)
		testcaddy.Send(t, testcaddy.NewConnections, r)
	}
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, strings.Repeat(" ", 1025)))

	got := testcaddy.SamplesOf(testcaddy.Scrape(t, address), endpoint)
	lastUsed := testcaddy.SecretLabels(testcaddy.SecretLastUsed, endpoint, "main")
	if used := int64(got[lastUsed]); used < before || used > time.Now().Unix() {
		t.Errorf("%s is %d, want a time from %d on", lastUsed, used, before)
	}
	delete(got, lastUsed)
	testcaddy.WantSamples(t, got, map[string]float64{
		testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "main"):            9,
		testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "user.created"):        2,
		testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "invoice.paid"):        1, // named in the config
		testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "other"):               3, // what a sender chose
		testcaddy.DeliveriesLabels(endpoint, "filtered", "", "organization.created"): 1,
		testcaddy.DeliveriesLabels(endpoint, "filtered", "", "other"):                2,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "method_not_allowed", ""):   1,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "missing_header", ""):       1,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "malformed_header", ""):     1,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "timestamp_too_old", ""):    1,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "timestamp_too_new", ""):    1,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "signature_mismatch", ""):   2,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "body_too_large", ""):       1,
	})
}

// TestMetricsInReportOnlyMode checks that what would be rejected is counted as
// such.
func TestMetricsInReportOnlyMode(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nreport_only\n}\nrespond 200"))
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.OtherSecret, testcaddy.UserCreated))
	got := testcaddy.SamplesOf(testcaddy.Scrape(t, address), endpoint)
	delete(got, testcaddy.SecretLabels(testcaddy.SecretLastUsed, endpoint, "1"))
	testcaddy.WantSamples(t, got, map[string]float64{
		testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "1"):             1,
		testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "user.created"):      1,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "signature_mismatch", ""): 1,
	})
}

func TestMetricsHistograms(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\n}\nrespond 200"))
	before := testcaddy.Scrape(t, address)

	url, body := "http://"+address, `{"type":"user.created","padding":"`+strings.Repeat("x", 2000)+`"}`
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, body))
	aged := testcaddy.SignedRequest(t, url, testcaddy.Secret, body)
	timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now().Add(-100*time.Second), body)
	aged.Header.Set("Svix-Timestamp", timestamp)
	aged.Header.Set("Svix-Signature", signature)
	testcaddy.Send(t, testcaddy.NewConnections, aged)
	early := testcaddy.SignedRequest(t, url, testcaddy.Secret, body)
	timestamp, signature = testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now().Add(100*time.Second), body)
	early.Header.Set("Svix-Timestamp", timestamp)
	early.Header.Set("Svix-Signature", signature)
	testcaddy.Send(t, testcaddy.NewConnections, early)
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.OtherSecret, body)) // costs time, but is no delivery

	after := testcaddy.Scrape(t, address)
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
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	config := testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret main "+testcaddy.Secret+"\n}\nrespond 200")
	testcaddy.Run(t, config)
	for range 3 {
		testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
		testcaddy.Reload(t, config)
	}
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.OtherSecret, testcaddy.UserCreated))
	got := testcaddy.SamplesOf(testcaddy.Scrape(t, address), endpoint)
	delete(got, testcaddy.SecretLabels(testcaddy.SecretLastUsed, endpoint, "main"))
	testcaddy.WantSamples(t, got, map[string]float64{
		testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "main"):          3,
		testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "user.created"):      3,
		testcaddy.DeliveriesLabels(endpoint, "rejected", "signature_mismatch", ""): 1,
	})
}

func TestMetricsOfSeveralGuards(t *testing.T) {
	shared, other := testcaddy.NewEndpoint(), testcaddy.NewEndpoint()
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, testcaddy.Measured(address, `
		clerk_webhook /a {
			name `+shared+`
			secret main `+testcaddy.Secret+`
		}
		clerk_webhook /b {
			name `+shared+`
			secret main `+testcaddy.Secret+`
		}
		clerk_webhook /c {
			name `+other+`
			secret main `+testcaddy.Secret+`
		}
		respond 200`))
	for _, path := range []string{"/a", "/b", "/c"} {
		testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address+path, testcaddy.Secret, testcaddy.UserCreated))
	}
	samples := testcaddy.Scrape(t, address)
	for endpoint, want := range map[string]float64{shared: 2, other: 1} {
		got := testcaddy.SamplesOf(samples, endpoint)
		delete(got, testcaddy.SecretLabels(testcaddy.SecretLastUsed, endpoint, "main"))
		testcaddy.WantSamples(t, got, map[string]float64{
			testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "main"):     want,
			testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "user.created"): want,
		})
	}
}

// TestMetricsAreThoseOfTheContract compares the names and label names of all.
func TestMetricsAreThoseOfTheContract(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\ndeduplicate storage\n}\nrespond 200"), "storage file_system "+testcaddy.StorageDir(t))
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
	got := make(map[string]bool)
	for sample := range testcaddy.Scrape(t, address) {
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
		"caddy_clerk_webhook_claims_lost_total store",
		"caddy_clerk_webhook_deliveries_total endpoint outcome reason type",
		"caddy_clerk_webhook_delivery_age_seconds_bucket le",
		"caddy_clerk_webhook_delivery_age_seconds_count",
		"caddy_clerk_webhook_delivery_age_seconds_sum",
		"caddy_clerk_webhook_secret_last_used_timestamp_seconds endpoint secret",
		"caddy_clerk_webhook_store_duration_seconds_bucket step store le",
		"caddy_clerk_webhook_store_duration_seconds_count step store",
		"caddy_clerk_webhook_store_duration_seconds_sum step store",
		"caddy_clerk_webhook_store_errors_total step store",
		"caddy_clerk_webhook_verified_total endpoint secret",
		"caddy_clerk_webhook_verify_duration_seconds_bucket le",
		"caddy_clerk_webhook_verify_duration_seconds_count",
		"caddy_clerk_webhook_verify_duration_seconds_sum",
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
}
