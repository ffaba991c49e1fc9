package clerkwebhook

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	ledgerErrors   prometheus.Counter
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
	ledgerErrors: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "ledger_errors_total",
		Help: "Failures to read or write the record of a delivery, which was handled all the same.",
	}),
}

// registerMetrics adds the collectors to the registry of a config. Guards of
// the same config share it, so they may be there already.
func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range []prometheus.Collector{
		collectors.deliveries, collectors.verified, collectors.secretLastUsed,
		collectors.verifyDuration, collectors.deliveryAge, collectors.bodyBytes,
		collectors.ledgerErrors,
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
func newMetrics(endpoint string, secrets []string) *metrics {
	m := &metrics{
		endpoint:       endpoint,
		rejections:     make(map[reason]prometheus.Counter, len(rejectionStatus)),
		verifyDuration: collectors.verifyDuration,
	}
	for why := range rejectionStatus {
		m.rejections[why] = collectors.deliveries.WithLabelValues(endpoint, string(rejected), string(why), "")
	}
	for _, secret := range secrets {
		m.secrets = append(m.secrets, secretMetrics{
			verified: collectors.verified.WithLabelValues(endpoint, secret),
			lastUsed: collectors.secretLastUsed.WithLabelValues(endpoint, secret),
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
