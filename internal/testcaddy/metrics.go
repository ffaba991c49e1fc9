package testcaddy

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// Scrape returns the guard's samples from a /metrics page, by name and labels.
// Some metrics live as long as the process, so tests choose endpoint names of
// their own and, where there is no endpoint label, compare with an earlier
// Scrape.
func Scrape(t testing.TB, address string) map[string]float64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := Send(t, NewConnections, r)
	if a.StatusCode != 200 {
		t.Fatalf("/metrics answers %d %s", a.StatusCode, a.Text)
	}
	samples := make(map[string]float64)
	for line := range strings.Lines(a.Text) {
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

// NewEndpoint returns a name that no other test has, nor this one in an earlier
// run of it.
func NewEndpoint() string { return "endpoint_" + strconv.FormatInt(endpoints.Add(1), 10) }

// SamplesOf returns the samples of one endpoint that are not zero.
func SamplesOf(samples map[string]float64, endpoint string) map[string]float64 {
	own := maps.Clone(samples)
	maps.DeleteFunc(own, func(name string, value float64) bool {
		return value == 0 || !strings.Contains(name, `endpoint="`+endpoint+`"`)
	})
	return own
}

// WantSamples compares all samples. One that is missing is zero.
func WantSamples(t testing.TB, got, want map[string]float64) {
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

// The names of metrics that have the endpoint as a label.
const (
	DeliveriesTotal = "caddy_clerk_webhook_deliveries_total"
	VerifiedTotal   = "caddy_clerk_webhook_verified_total"
	SecretLastUsed  = "caddy_clerk_webhook_secret_last_used_timestamp_seconds"
)

// DeliveriesLabels returns the sample of DeliveriesTotal with these labels.
func DeliveriesLabels(endpoint, outcome, reason, eventType string) string {
	return fmt.Sprintf("%s{endpoint=%q,outcome=%q,reason=%q,type=%q}", DeliveriesTotal, endpoint, outcome, reason, eventType)
}

// SecretLabels returns the sample of a metric that is kept for each secret.
func SecretLabels(metric, endpoint, secret string) string {
	return fmt.Sprintf("%s{endpoint=%q,secret=%q}", metric, endpoint, secret)
}

// Measured returns a site at address that has guards and /metrics.
func Measured(address, directives string) string {
	return "http://" + address + " {\nhandle /metrics {\nmetrics\n}\nhandle {\n" + directives + "\n}\n}\n"
}
