package clerkwebhook

import (
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	metricsNamespace = "caddy"
	metricsSubsystem = "clerk_webhook"
)

// otherType is the label of event types that are neither in Clerk's catalogue
// nor named in the configuration, so that no sender can choose label values.
const otherType = "other"

// The metrics of all guards live as long as the process, so that a config reload,
// which brings a new registry, continues the counts.
var (
	allMetrics = prometheus.NewRegistry()
	factory    = promauto.With(allMetrics)

	verifyDuration = factory.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "verify_duration_seconds",
		Help:    "Time to check the signatures of a delivery whose body has arrived.",
		Buckets: prometheus.ExponentialBuckets(1e-6, 4, 8),
	})
	deliveryAge = factory.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "delivery_age_seconds",
		Help:    "Time between the signing and the verification of verified deliveries.",
		Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 180, 240, 300},
	})
	bodyBytes = factory.NewHistogram(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "body_bytes",
		Help:    "Sizes of the bodies of verified deliveries.",
		Buckets: prometheus.ExponentialBuckets(256, 4, 8),
	})
	storeErrors = factory.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "store_errors_total",
		Help: "Failures of a store of deliveries, by what it was asked to do.",
	}, []string{"store", "step"})
	storeDuration = factory.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "store_duration_seconds",
		Help:    "Time that a store of deliveries took, by what it was asked to do.",
		Buckets: prometheus.ExponentialBuckets(250e-6, 2, 13), // to the second after which a store has failed
	}, []string{"store", "step"})
	claimsLost = factory.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "claims_lost_total",
		Help: "Deliveries that another instance took over while they were handled, so that they may be handled twice.",
	}, []string{"store"})

	endpointsInUse = newSharedSeries(newDeliveriesTotal())
	secretsInUse   = newSharedSeries(newSecretMetrics(secretLabels{}))
	relaysInUse    = newSharedSeries(newRelayMetrics(""))
)

func newDeliveriesTotal() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "deliveries_total",
		Help: "Requests that reached a guard, by what became of them.",
	}, []string{"endpoint", "outcome", "reason", "type"})
}

// secretMetrics are the metrics of one secret of an endpoint. They are present from
// the start, so that a secret that is never used shows as such.
type secretMetrics struct {
	verified prometheus.Counter
	lastUsed prometheus.Gauge
}

type secretLabels struct{ endpoint, secret string }

func newSecretMetrics(of secretLabels) *secretMetrics {
	labels := []string{"endpoint", "secret"}
	return &secretMetrics{
		verified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "verified_total",
			Help: "Deliveries verified, by the secret that verified them.",
		}, labels).WithLabelValues(of.endpoint, of.secret),
		lastUsed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "secret_last_used_timestamp_seconds",
			Help: "When a secret last verified a delivery, or 0 if it has not since the process started.",
		}, labels).WithLabelValues(of.endpoint, of.secret),
	}
}

// Describe implements prometheus.Collector.
func (m *secretMetrics) Describe(ch chan<- *prometheus.Desc) {
	m.verified.Describe(ch)
	m.lastUsed.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *secretMetrics) Collect(ch chan<- prometheus.Metric) {
	m.verified.Collect(ch)
	m.lastUsed.Collect(ch)
}

// relayMetrics are the metrics of an endpoint that hands deliveries to listeners.
type relayMetrics struct {
	listeners prometheus.Gauge
	relayed   *prometheus.CounterVec // by outcome
}

func newRelayMetrics(endpoint string) *relayMetrics {
	m := &relayMetrics{
		listeners: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "listeners",
			Help: "Listeners that are connected to a relay.",
		}, []string{"endpoint"}).WithLabelValues(endpoint),
		relayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "relayed_total",
			Help: "Deliveries handed to listeners, by what each listener made of them.",
		}, []string{"endpoint", "outcome"}),
	}
	for _, outcome := range relay.Outcomes {
		m.relayed.WithLabelValues(endpoint, string(outcome))
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *relayMetrics) Describe(ch chan<- *prometheus.Desc) {
	m.listeners.Describe(ch)
	m.relayed.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *relayMetrics) Collect(ch chan<- prometheus.Metric) {
	m.listeners.Collect(ch)
	m.relayed.Collect(ch)
}

// sharedSeries has the series of each endpoint, or of each secret, while a guard
// uses them. Guards share them, and so does a new configuration with the old one.
// After the last guard, a request that still runs counts where nobody collects.
type sharedSeries struct {
	*caddy.UsagePool
	example prometheus.Collector // has the descriptions of all
}

func newSharedSeries(example prometheus.Collector) *sharedSeries {
	s := &sharedSeries{caddy.NewUsagePool(), example}
	allMetrics.MustRegister(s)
	return s
}

// Describe implements prometheus.Collector.
func (s *sharedSeries) Describe(ch chan<- *prometheus.Desc) { s.example.Describe(ch) }

// Collect implements prometheus.Collector.
func (s *sharedSeries) Collect(ch chan<- prometheus.Metric) {
	s.Range(func(_, series any) bool {
		series.(prometheus.Collector).Collect(ch)
		return true
	})
}

// registerMetrics adds the metrics to the registry of a config. Guards of the same
// config share it, so they may be there already.
func registerMetrics(registry *prometheus.Registry) error {
	err := registry.Register(allMetrics)
	if already := new(prometheus.AlreadyRegisteredError); errors.As(err, already) {
		return nil
	}
	return err
}

// metrics are those of one guard.
type metrics struct {
	endpoint   string
	deliveries *prometheus.CounterVec
	rejections map[reason]prometheus.Counter
	labels     []secretLabels // of secrets, in the same order
	secrets    []*secretMetrics
}

// acquireMetrics returns the metrics of a guard. release must be called once.
func acquireMetrics(endpoint string, secrets []string) *metrics {
	deliveries, _ := endpointsInUse.LoadOrStore(endpoint, newDeliveriesTotal())
	m := &metrics{
		endpoint:   endpoint,
		deliveries: deliveries.(*prometheus.CounterVec),
		rejections: make(map[reason]prometheus.Counter, len(rejectionStatus)),
	}
	for why := range rejectionStatus {
		m.rejections[why] = m.deliveries.WithLabelValues(endpoint, string(rejected), string(why), "")
	}
	for _, secret := range secrets {
		labels := secretLabels{endpoint, secret}
		series, _ := secretsInUse.LoadOrStore(labels, newSecretMetrics(labels))
		m.labels = append(m.labels, labels)
		m.secrets = append(m.secrets, series.(*secretMetrics))
	}
	return m
}

// release ends the series that no other guard uses.
func (m *metrics) release() error {
	_, err := endpointsInUse.Delete(m.endpoint)
	errs := []error{err}
	for _, labels := range m.labels {
		_, err := secretsInUse.Delete(labels)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (m *metrics) countVerified(d *delivery, now time.Time) {
	m.secrets[d.secret].verified.Inc()
	m.secrets[d.secret].lastUsed.Set(float64(now.Unix()))
	deliveryAge.Observe(max(0, now.Sub(d.headers.Time).Seconds()))
	bodyBytes.Observe(float64(len(d.body.Bytes())))
}

func (m *metrics) countRejected(why reason) { m.rejections[why].Inc() }

func (m *metrics) count(d *delivery) {
	m.deliveries.WithLabelValues(m.endpoint, string(d.outcome), string(d.reason), d.kind.label).Inc()
}

// presentStore makes the metrics of a store present from the start.
func presentStore(store string) {
	for _, step := range ledger.Steps {
		storeErrors.WithLabelValues(store, string(step))
	}
	claimsLost.WithLabelValues(store)
}

func countStoreCall(store string, call ledger.Call) {
	storeDuration.WithLabelValues(store, string(call.Step)).Observe(call.Took.Seconds())
	switch {
	case errors.Is(call.Err, stores.ErrLost):
		claimsLost.WithLabelValues(store).Inc()
	case call.Err != nil:
		storeErrors.WithLabelValues(store, string(call.Step)).Inc()
	}
}
