package clerkwebhook

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// summaryInterval is how often the rejections of one endpoint and reason may
// appear in the log above debug level.
const summaryInterval = time.Minute

// rejectionLogs holds the *rejectionLog of each endpoint, so that neither a
// reload nor a second guard of the same name makes the log louder.
var rejectionLogs = caddy.NewUsagePool()

// rejectionLog tells an operator that requests are being rejected, without
// letting strangers fill the disk: the first at once, then at most one summary
// a minute for each reason, with the count and the latest example.
type rejectionLog struct {
	mu      sync.Mutex
	loggers []*zap.Logger // of the guards that use it, the newest last
	pending map[reason]*rejectionSummary
}

// rejectionSummary is what has happened since the last line for its reason.
type rejectionSummary struct {
	count  int
	latest rejectionExample
	timer  *time.Timer
}

type rejectionExample struct {
	id         string
	age        time.Duration
	remoteAddr string
	err        error
}

// acquireRejectionLog returns the endpoint's log, which writes to the newest of
// the loggers that it is acquired with: the others belong to a configuration
// that is about to end. release must be called once for each call.
func acquireRejectionLog(endpoint string, logger *zap.Logger) *rejectionLog {
	value, _ := rejectionLogs.LoadOrStore(endpoint, &rejectionLog{pending: make(map[reason]*rejectionSummary)})
	l := value.(*rejectionLog)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loggers = append(l.loggers, logger)
	return l
}

// release gives back what acquireRejectionLog returned for the same endpoint
// and logger. If the configuration of the newest logger is refused, the log
// goes on with the one before it.
func (l *rejectionLog) release(endpoint string, logger *zap.Logger) error {
	wasLast, err := rejectionLogs.Delete(endpoint)
	if wasLast {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.loggers, logger); i >= 0 {
		l.loggers = slices.Delete(l.loggers, i, i+1)
	}
	return err
}

// note counts one rejection and writes a line if none was written in the last
// minute for its reason.
func (l *rejectionLog) note(why reason, example rejectionExample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, isOpen := l.pending[why]
	if !isOpen {
		s = &rejectionSummary{}
		l.pending[why] = s
		s.timer = time.AfterFunc(summaryInterval, func() { l.close(why, s) })
	}
	s.count++
	s.latest = example
	if !isOpen {
		l.write(why, s)
	}
}

// close ends a minute. If there is something to tell the next one begins.
func (l *rejectionLog) close(why reason, s *rejectionSummary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[why] != s {
		return
	}
	if s.count == 0 {
		delete(l.pending, why)
		return
	}
	l.write(why, s)
	s.timer.Reset(summaryInterval)
}

// write must be called with l.mu held.
func (l *rejectionLog) write(why reason, s *rejectionSummary) {
	logger := l.loggers[len(l.loggers)-1]
	logger.Warn("deliveries rejected",
		zap.String("reason", string(why)),
		zap.Int("count", s.count),
		zap.Object("latest", s.latest))
	s.count = 0
}

// Destruct writes what is still to be told when the endpoint's last guard goes.
func (l *rejectionLog) Destruct() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for why, s := range l.pending {
		s.timer.Stop()
		if s.count > 0 {
			l.write(why, s)
		}
	}
	clear(l.pending)
	return nil
}

// newRejectionExample describes the rejection of r. Its error text is written
// by this program, and the rest is bounded in length by what checked it.
func newRejectionExample(r *http.Request, d *delivery, now time.Time, err error) rejectionExample {
	e := rejectionExample{id: d.headers.ID, remoteAddr: r.RemoteAddr, err: err}
	if d.headers.Set != nil {
		e.age = now.Sub(d.headers.Time)
	}
	return e
}

// MarshalLogObject satisfies zapcore.ObjectMarshaler.
func (e rejectionExample) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if e.id != "" {
		enc.AddString("id", e.id)
		enc.AddDuration("age", e.age)
	}
	enc.AddString("remote_addr", e.remoteAddr)
	enc.AddString("error", e.err.Error())
	return nil
}

// Interface guards
var (
	_ caddy.Destructor        = (*rejectionLog)(nil)
	_ zapcore.ObjectMarshaler = rejectionExample{}
)
