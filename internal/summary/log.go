// Package summary sums up events that repeat, so that nobody can fill a log with
// them.
package summary

import (
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// interval is how often a log may have a line about one kind of event.
const interval = time.Minute

// shared holds the *Log of each endpoint, so that neither a reload nor a second
// guard of the same name makes the log louder.
var shared = caddy.NewUsagePool()

// Log writes the first event of a kind at once. Then it writes at most one line a
// minute for that kind, with the count and the latest event. Its logger has a name of
// its own, "summary" below that of the guard, so that a configuration can exclude it.
type Log struct {
	endpoint string

	mu      sync.Mutex
	loggers []*zap.Logger // of the guards that use it, the newest last
	pending map[Kind]*minute
}

// Kind says which events are counted together.
type Kind struct {
	Level   zapcore.Level
	Message string

	// Key and Value are a field of the line, such as "reason" and the reason.
	Key, Value string
}

type minute struct {
	count  int
	latest zapcore.ObjectMarshaler
	timer  *time.Timer
}

// Acquire returns the log of an endpoint. It writes to the logger of the latest
// call, since the others belong to configurations that are about to end. Release
// must be called once for each call.
func Acquire(endpoint string, logger *zap.Logger) *Log {
	value, _ := shared.LoadOrStore(endpoint, &Log{endpoint: endpoint, pending: make(map[Kind]*minute)})
	l := value.(*Log)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loggers = append(l.loggers, logger)
	return l
}

// Release gives back what Acquire returned for the same logger. Requests that
// still run may go on using the log. If the latest logger goes first, because its
// configuration was refused, the log goes on with the one before it.
func (l *Log) Release(logger *zap.Logger) error {
	wasLast, err := shared.Delete(l.endpoint)
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

// Note counts one event. It writes a line unless the last minute has one of the
// same kind.
func (l *Log) Note(kind Kind, event zapcore.ObjectMarshaler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, isOpen := l.pending[kind]
	if !isOpen {
		m = &minute{}
		l.pending[kind] = m
		m.timer = time.AfterFunc(interval, func() { l.endMinute(kind, m) })
	}
	m.count++
	m.latest = event
	if !isOpen {
		l.write(kind, m)
	}
}

// endMinute writes what has happened in a minute, if anything has, and begins the
// next.
func (l *Log) endMinute(kind Kind, m *minute) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[kind] != m {
		return
	}
	if m.count == 0 {
		delete(l.pending, kind)
		return
	}
	l.write(kind, m)
	m.timer.Reset(interval)
}

// write must be called with l.mu held.
func (l *Log) write(kind Kind, m *minute) {
	logger := l.loggers[len(l.loggers)-1].Named("summary")
	logger.Log(kind.Level, kind.Message,
		zap.String(kind.Key, kind.Value),
		zap.Int("count", m.count),
		zap.Object("latest", m.latest))
	m.count = 0
}

// Destruct writes what has not been told yet when the endpoint's last guard goes.
func (l *Log) Destruct() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, m := range l.pending {
		m.timer.Stop()
		if m.count > 0 {
			l.write(kind, m)
		}
	}
	clear(l.pending)
	return nil
}

// Interface guard
var _ caddy.Destructor = (*Log)(nil)
