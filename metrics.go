package clerkwebhook

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	metricsNamespace = "caddy"
	metricsSubsystem = "clerk_webhook"
)

// otherType is the label of event types that are neither in Clerk's catalogue
// nor named in the configuration, so that no sender can choose label values.
const otherType = "other"

// collectors are the metrics of all guards. They live as long as the process,
// so that a config reload, which brings a new registry, continues the counts.
var collectors = struct {
	deliveries     *prometheus.CounterVec
	verified       *prometheus.CounterVec
	secretLastUsed *prometheus.GaugeVec
	verifyDuration prometheus.Histogram
	deliveryAge    prometheus.Histogram
	bodyBytes      prometheus.Histogram
	storeErrors    *prometheus.CounterVec
	storeDuration  *prometheus.HistogramVec
	claimsLost     *prometheus.CounterVec
}{
	deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "deliveries_total",
		Help: "Requests that reached a guard, by what became of them.",
	}, []string{"endpoint", "outcome", "reason", "type"}),
	verified: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "verified_total",
		Help: "Deliveries verified, by the secret that verified them.",
	}, []string{"endpoint", "secret"}),
	secretLastUsed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "secret_last_used_timestamp_seconds",
		Help: "When a secret last verified a delivery, or 0 if it has not since the process started.",
	}, []string{"endpoint", "secret"}),
	verifyDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "verify_duration_seconds",
		Help:    "Time to check the signatures of a delivery whose body has arrived.",
		Buckets: prometheus.ExponentialBuckets(1e-6, 4, 8),
	}),
	deliveryAge: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "delivery_age_seconds",
		Help:    "Time between the signing and the verification of verified deliveries.",
		Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 180, 240, 300},
	}),
	bodyBytes: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "body_bytes",
		Help:    "Sizes of the bodies of verified deliveries.",
		Buckets: prometheus.ExponentialBuckets(256, 4, 8),
	}),
	storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "store_errors_total",
		Help: "Failures of a store of deliveries, by what it was asked to do.",
	}, []string{"store", "step"}),
	storeDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "store_duration_seconds",
		Help:    "Time that a store of deliveries took, by what it was asked to do.",
		Buckets: prometheus.ExponentialBuckets(250e-6, 2, 13), // to the second after which a store has failed
	}, []string{"store", "step"}),
	claimsLost: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "claims_lost_total",
		Help: "Deliveries that another instance took over while they were handled, so that they may be handled twice.",
	}, []string{"store"}),
}

// registerMetrics adds the collectors to the registry of a config. Guards of
// the same config share it, so they may be there already.
func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range []prometheus.Collector{
		collectors.deliveries, collectors.verified, collectors.secretLastUsed,
		collectors.verifyDuration, collectors.deliveryAge, collectors.bodyBytes,
		collectors.storeErrors, collectors.storeDuration, collectors.claimsLost,
	} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

type metrics struct {
	endpoint       string
	rejections     map[reason]prometheus.Counter
	secrets        []secretMetrics
	verifyDuration prometheus.Observer
}

type secretMetrics struct {
	verified prometheus.Counter
	lastUsed prometheus.Gauge
}

// newMetrics makes the metrics of every secret present from the start, so that
// one that is never used shows as such.
func newMetrics(endpoint string, secrets []Secret) *metrics {
	m := &metrics{
		endpoint:       endpoint,
		rejections:     make(map[reason]prometheus.Counter, len(rejectionStatus)),
		verifyDuration: collectors.verifyDuration,
	}
	for why := range rejectionStatus {
		m.rejections[why] = collectors.deliveries.WithLabelValues(endpoint, string(rejected), string(why), "")
	}
	for _, s := range secrets {
		m.secrets = append(m.secrets, secretMetrics{
			verified: collectors.verified.WithLabelValues(endpoint, s.Name),
			lastUsed: collectors.secretLastUsed.WithLabelValues(endpoint, s.Name),
		})
	}
	return m
}

func (m *metrics) countVerified(d *delivery, now time.Time) {
	m.secrets[d.secret].verified.Inc()
	m.secrets[d.secret].lastUsed.Set(float64(now.Unix()))
	collectors.deliveryAge.Observe(max(0, now.Sub(d.headers.Time).Seconds()))
	collectors.bodyBytes.Observe(float64(len(d.body.Bytes())))
}

func (m *metrics) countRejected(why reason) { m.rejections[why].Inc() }

func (m *metrics) count(d *delivery) {
	collectors.deliveries.WithLabelValues(m.endpoint, string(d.outcome), string(d.reason), d.kind.label).Inc()
}

// presentStore makes the metrics of a store present from the start.
func presentStore(store string) {
	for _, step := range ledger.Steps {
		collectors.storeErrors.WithLabelValues(store, string(step))
	}
	collectors.claimsLost.WithLabelValues(store)
}

func countStoreCall(store string, call ledger.Call) {
	collectors.storeDuration.WithLabelValues(store, string(call.Step)).Observe(call.Took.Seconds())
	switch {
	case errors.Is(call.Err, stores.ErrLost):
		collectors.claimsLost.WithLabelValues(store).Inc()
	case call.Err != nil:
		collectors.storeErrors.WithLabelValues(store, string(call.Step)).Inc()
	}
}
