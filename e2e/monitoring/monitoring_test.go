// Package monitoring tests docs/monitoring with a real Prometheus. It scrapes a
// real Caddy that has counted every kind of request.
package monitoring

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// outcomes are all outcomes in the metrics.
var outcomes = []string{"duplicate", "filtered", "forwarded", "rejected"}

var reasons = []string{
	"", "body_incomplete", "body_timeout", "body_too_large", "done", "in_progress", "malformed_header", "method_not_allowed",
	"missing_header", "signature_mismatch", "timestamp_too_new", "timestamp_too_old",
}

// prometheus is a running Prometheus that scrapes every second.
type prometheus struct{ address string }

func newPrometheus(t *testing.T, scraped, rules string) prometheus {
	t.Helper()
	rules, err := filepath.Abs(rules)
	if err != nil {
		t.Fatal(err)
	}
	p, data := prometheus{freeAddress(t)}, t.TempDir()
	config := filepath.Join(data, "prometheus.yml")
	text := fmt.Sprintf(`global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files:
  - %s
scrape_configs:
  - job_name: caddy
    static_configs:
      - targets: [%q]
`, rules, scraped)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, []string{
		"prometheus", "--config.file", config, "--storage.tsdb.path", filepath.Join(data, "tsdb"),
		"--web.listen-address", p.address, "--log.level", "warn",
	}, "")
	await(t, p.address)
	return p
}

// call asks the API and decodes the data of its answer.
func (p prometheus) call(t *testing.T, path string, parameters url.Values, data any) error {
	t.Helper()
	response := get(t, "http://"+p.address+"/api/v1/"+path+"?"+parameters.Encode())
	defer response.Body.Close()
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// sample is one of the results of a query.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func (s sample) number() float64 {
	n, err := strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

func (p prometheus) query(t *testing.T, expression string) ([]sample, error) {
	t.Helper()
	var data struct {
		Result []sample `json:"result"`
	}
	err := p.call(t, "query", url.Values{"query": {expression}}, &data)
	return data.Result, err
}

// labelValues returns the values of a label in the results of a query.
func (p prometheus) labelValues(t *testing.T, expression, label string) []string {
	t.Helper()
	samples, err := p.query(t, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	values := map[string]bool{}
	for _, s := range samples {
		values[s.Metric[label]] = true
	}
	return slices.Sorted(maps.Keys(values))
}

// interpolated is an expression as Grafana sends it, for all endpoints.
func interpolated(expression string) string {
	return strings.NewReplacer("$endpoint", ".*", "$__rate_interval", "5m", "$__range", "1h").Replace(expression)
}

func TestMonitoring(t *testing.T) {
	s := newSite(t)
	p := newPrometheus(t, s.admin, folder+"alerts.yml")
	s.everything(t, 1)
	// A rate needs two scrapes. So each event happens again after Prometheus
	// has seen it once.
	for _, label := range []struct {
		name   string
		values []string
	}{{"outcome", outcomes}, {"reason", reasons}} {
		eventually(t, "every "+label.name, func() error {
			got := p.labelValues(t, "caddy_clerk_webhook_deliveries_total > 0", label.name)
			if !slices.Equal(got, label.values) {
				return fmt.Errorf("got %q, want %q", got, label.values)
			}
			return nil
		})
	}
	s.everything(t, 2)
	s.breakStorage(t)
	s.send(t, "user.created")

	t.Run("promtool finds no fault with the metrics", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(s.metrics(t))
		if output, err := cmd.CombinedOutput(); err != nil || len(output) > 0 {
			t.Errorf("%v: %s", err, output)
		}
	})
	for _, panel := range readDashboard(t).Panels {
		t.Run("panel "+panel.Title, func(t *testing.T) {
			for _, q := range panel.Targets {
				eventually(t, q.Expr, func() error { return p.checkTarget(t, q) })
			}
		})
	}
	t.Run("the variable offers both endpoints", func(t *testing.T) { p.checkVariable(t, readDashboard(t).variable(t, "endpoint")) })
	t.Run("alerts", func(t *testing.T) { p.checkAlerts(t) })
}

var legendLabel = regexp.MustCompile(`{{(\w+)}}`)

// checkTarget requires data that is above zero somewhere, with every label that
// the legend names.
func (p prometheus) checkTarget(t *testing.T, q target) error {
	t.Helper()
	samples, err := p.query(t, interpolated(q.Expr))
	if err != nil {
		return err
	}
	positive := len(samples) > 0 && strings.Contains(q.Expr, "claims_lost") // one instance alone loses none
	for _, s := range samples {
		positive = positive || s.number() > 0
		if math.IsNaN(s.number()) {
			return fmt.Errorf("got NaN for %v", s.Metric)
		}
		for _, label := range legendLabel.FindAllStringSubmatch(q.Legend, -1) {
			if s.Metric[label[1]] == "" {
				return fmt.Errorf("%v has no label %s", s.Metric, label[1])
			}
		}
	}
	if !positive {
		return fmt.Errorf("got %v", samples)
	}
	return nil
}

var labelValuesQuery = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)

func (p prometheus) checkVariable(t *testing.T, v variable) {
	t.Helper()
	parts := labelValuesQuery.FindStringSubmatch(v.Definition)
	if parts == nil {
		t.Fatalf("the variable's query is %q", v.Definition)
	}
	if query, _ := v.Query.(map[string]any); query["query"] != v.Definition {
		t.Errorf("its query is %v, not %s", v.Query, v.Definition)
	}
	var values []string
	if err := p.call(t, "label/"+parts[2]+"/values", url.Values{"match[]": {parts[1]}}, &values); err != nil {
		t.Fatal(err)
	}
	if want := []string{"clerk", "mistaken"}; !slices.Equal(values, want) {
		t.Errorf("it offers %q, want %q", values, want)
	}
}

// rule is an alert as Prometheus runs it.
type rule struct {
	Name   string            `json:"name"`
	Query  string            `json:"query"`
	State  string            `json:"state"`
	Health string            `json:"health"`
	Error  string            `json:"lastError"`
	Labels map[string]string `json:"labels"`
	Alerts []struct {
		Labels map[string]string `json:"labels"`
	} `json:"alerts"`
}

// about lists the alerts that are pending by now, and their subjects. The other
// alerts would take an hour or a day.
var about = map[string]map[string]string{
	"ClerkWebhookSecretWrong":    {"endpoint": "mistaken"},
	"ClerkWebhookForged":         {"endpoint": "clerk"},
	"ClerkWebhookClock":          {"endpoint": "clerk"},
	"ClerkWebhookBodies":         {"endpoint": "clerk"},
	"ClerkWebhookBackendFails":   {"server": "srv0"},
	"ClerkWebhookStore":          {"store": "storage"},
	"ClerkWebhookClaimsLost":     nil,
	"ClerkWebhookSilent":         nil,
	"ClerkWebhookEndpointGone":   nil,
	"ClerkWebhookMetricsMissing": nil,
}

func (p prometheus) checkAlerts(t *testing.T) {
	t.Helper()
	var rules []rule
	eventually(t, "the rules' evaluation", func() (err error) {
		rules, err = p.rules(t)
		for _, r := range rules {
			if expected := about[r.Name]; expected != nil && r.State != "pending" {
				return fmt.Errorf("%s is %s", r.Name, r.State)
			}
		}
		return err
	})
	for _, r := range rules {
		expected, known := about[r.Name]
		switch {
		case !known:
			t.Errorf("nothing is known about %s", r.Name)
		case r.Health != "ok" || r.Error != "":
			t.Errorf("%s is %s: %s", r.Name, r.Health, r.Error)
		case expected == nil && r.State != "inactive":
			t.Errorf("%s is %s: %v", r.Name, r.State, r.Alerts)
		case expected != nil && len(r.Alerts) != 1:
			t.Errorf("%s is about %v", r.Name, r.Alerts)
		}
		for label, value := range expected {
			if got := r.Alerts[0].Labels[label]; got != value {
				t.Errorf("%s is about %s %q, want %q", r.Name, label, got, value)
			}
		}
	}
	if len(rules) != len(about) {
		t.Errorf("there are %d rules, want %d", len(rules), len(about))
	}
}

// rules returns the rules after each has been evaluated.
func (p prometheus) rules(t *testing.T) (rules []rule, err error) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []rule `json:"rules"`
		} `json:"groups"`
	}
	if err := p.call(t, "rules", nil, &data); err != nil {
		return nil, err
	}
	for _, group := range data.Groups {
		for _, r := range group.Rules {
			if r.Health == "unknown" {
				return nil, fmt.Errorf("%s has not been evaluated", r.Name)
			}
			rules = append(rules, r)
		}
	}
	return rules, nil
}

// Some alerts take too long to wait for, but this can check their metrics.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	s := newSite(t)
	s.send(t, "user.created")
	served := s.metrics(t)
	text, err := os.ReadFile(folder + "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	names := metricName.FindAllString(string(text), -1)
	if len(names) < len(about) {
		t.Errorf("only %d metrics are named", len(names))
	}
	for _, name := range names {
		if !strings.Contains(served, "\n"+name+"{") && !strings.Contains(served, "\n"+name+" ") {
			t.Errorf("there is no metric %s", name)
		}
	}
}
